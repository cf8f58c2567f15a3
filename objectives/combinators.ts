/** Objectives and optimizations from others: sums, weights, and the gate of HPT. */
import type { Schedule } from "@unitune/autodiff";
import {
  broadcastTo,
  cast,
  checkOptions,
  checkRange,
  dims,
  greater,
  greaterEqual,
  mul,
  ranges,
  reshape,
  ShapeError,
  sub,
  sum,
  type Tensor,
  type TensorLike,
} from "@unitune/core";
import { checkGroups } from "./checks.ts";
import type { OptimizationDescription } from "./description.ts";
import type { Demonstrations } from "./gold.ts";
import type { Evaluation } from "./evaluation.ts";
import { eitherFormula, sumFormula, within } from "./formula.ts";
import { bothMemories, remembering } from "./memory.ts";
import type { Objective } from "./objective.ts";
import type { Optimization } from "./optimization.ts";
import type { Context } from "./policy.ts";
import { type Expression, quantity } from "./unified/expression.ts";
import { gateOf, type GradientTerm, multiplied } from "./unified/gradient.ts";
import { literal, ONE, write } from "./unified/write.ts";

/** The terms of both, and the metrics of both, the first's where names agree. */
function joined(a: Evaluation, b: Evaluation): Evaluation {
  return { terms: [...a.terms, ...b.terms], metrics: { ...b.metrics, ...a.metrics } };
}

/** Two texts with a separator between them, or one if they are the same. */
function between(a: string, separator: string, b: string): string {
  return a === b ? a : `${a}${separator}${b}`;
}

function describeSum<T extends GradientTerm>(
  a: OptimizationDescription<T>,
  b: OptimizationDescription<T>,
): OptimizationDescription<T> {
  return {
    transition: between(a.transition, "; ", b.transition),
    normalizer: between(a.normalizer, "; ", b.normalizer),
    formula: sumFormula(a.formula, b.formula),
    gradient: [...a.gradient, ...b.gradient],
    ...(a.stepZero !== undefined && b.stepZero !== undefined
      ? { stepZero: a.stepZero + b.stepZero }
      : {}),
  };
}

/**
 * The sum of two optimizations, on the evidence of both; or of two objectives, on one batch. Each
 * loss keeps its own normalizer, and its memory. Three are summed as `sumOf(sumOf(a, b), c)`.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, nll, onChosen, pairwise, sumOf, weight } from "@unitune/objectives";
 *
 * const rpo = sumOf(pairwise({ form: "dpo" }), weight(0.2, onChosen(nll())));
 * assertStringIncludes(formulaText(rpo.description.formula), "+ 0.2 (chosen: ");
 * ```
 *
 * @param a One part.
 * @param b The other.
 * @returns Their sum, of the same kind.
 * @throws {RangeError} If both remember a scalar of the same name.
 */
export function sumOf<E, F>(a: Optimization<E>, b: Optimization<F>): Optimization<E & F>;
/** The sum of two objectives. */
export function sumOf<B, C, D, F>(
  a: Objective<B, C>,
  b: Objective<D, F>,
): Objective<B & D, readonly [C, F]>;
export function sumOf<E, F, B, C, D, G>(
  a: Optimization<E> | Objective<B, C>,
  b: Optimization<F> | Objective<D, G>,
): Optimization<E & F> | Objective<B & D, readonly [C, G]> {
  if ("optimize" in a && "optimize" in b) {
    return {
      description: describeSum(a.description, b.description),
      ...remembering(bothMemories(a.memory, b.memory)),
      optimize: (evidence, context) =>
        joined(a.optimize(evidence, context), b.optimize(evidence, context)),
    };
  }
  if ("optimize" in a || "optimize" in b) {
    throw new TypeError("sumOf: expected two optimizations or two objectives, got one of each");
  }
  return sumOfObjectives(a, b);
}

function sumOfObjectives<B, C, D, G>(
  a: Objective<B, C>,
  b: Objective<D, G>,
): Objective<B & D, readonly [C, G]> {
  const [x, y] = [a.description, b.description];
  return {
    description: {
      ...describeSum(x, y),
      humanStates: between(x.humanStates, "; ", y.humanStates),
      modelStates: between(x.modelStates, "; ", y.modelStates),
      signal: between(x.signal, "; ", y.signal),
      models: [...new Set([...x.models, ...y.models])],
      data: [...new Set([...x.data, ...y.data])],
      forwardPasses: x.forwardPasses + y.forwardPasses,
      sequences: Math.max(x.sequences, y.sequences),
      groupSize: Math.max(x.groupSize, y.groupSize),
      learnedShare: Math.max(x.learnedShare, y.learnedShare),
    },
    ...remembering(bothMemories(a.memory, b.memory)),
    collect: (model, batch, context) => [
      a.collect(model, batch, context),
      b.collect(model, batch, context),
    ],
    evaluate: (model, [first, second], context) =>
      joined(a.evaluate(model, first, context), b.evaluate(model, second, context)),
  };
}

/** An evaluation whose loss is multiplied. */
function scaled({ terms, metrics }: Evaluation, factor: TensorLike): Evaluation {
  return {
    terms: terms.map(({ total, normalizer }) => ({
      total: mul(total, typeof factor === "number" ? factor : cast(factor, total.dtype)),
      normalizer,
    })),
    metrics,
  };
}

/** The factor of a loss. */
interface Factor {
  /** The factor in formulas, and in the slots of the gradient. */
  readonly name: string;
  readonly by: Expression;
  /** The factor, where it is a number. */
  readonly constant?: number;
  /** The factor at a step. */
  readonly at: (context: Context) => TensorLike;
}

const constantFactor = (constant: number): Factor => ({
  name: `${constant}`,
  by: literal(constant),
  constant,
  at: () => constant,
});

const SCHEDULED = quantity("w(step)");

const scheduledFactor = (schedule: Schedule): Factor => ({
  name: "w(step)",
  by: SCHEDULED,
  at: ({ step }) => schedule(step),
});

/** What a schedule leaves of 1. */
const restOf = (schedule: Schedule): Factor => ({
  name: "(1 - w(step))",
  by: write.sub(ONE, SCHEDULED),
  at: ({ step }) => sub(1, schedule(step)),
});

/** The description of a loss multiplied by a factor. */
function reweighed<T extends GradientTerm>(
  { transition, normalizer, formula, gradient, stepZero }: OptimizationDescription<T>,
  { name, by, constant }: Factor,
): OptimizationDescription<T> {
  const known = stepZero !== undefined && constant !== undefined;
  return {
    transition,
    normalizer,
    formula: within(formula, (expression) => ({ expression, factor: name })),
    gradient: multiplied(gradient, { slot: "advantage", by }),
    ...(known ? { stepZero: constant * stepZero } : {}),
  };
}

/** A part whose loss is multiplied at each step. */
function weighted<E>(part: Optimization<E>, factor: Factor): Optimization<E>;
function weighted<E, B, C>(
  part: Optimization<E> | Objective<B, C>,
  factor: Factor,
): Optimization<E> | Objective<B, C>;
function weighted<E, B, C>(
  part: Optimization<E> | Objective<B, C>,
  factor: Factor,
): Optimization<E> | Objective<B, C> {
  const { at } = factor;
  if ("optimize" in part) {
    return {
      description: reweighed(part.description, factor),
      ...remembering(part.memory),
      optimize: (evidence, context) => scaled(part.optimize(evidence, context), at(context)),
    };
  }
  const { stepZero: _unweighed, ...known } = part.description;
  return {
    description: { ...known, ...reweighed(part.description, factor) },
    ...remembering(part.memory),
    collect: part.collect,
    evaluate: (model, collected, context) =>
      scaled(part.evaluate(model, collected, context), at(context)),
  };
}

/**
 * An optimization or an objective whose loss is multiplied: by a number, or by a schedule of the
 * optimizer's steps.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertStringIncludes } from "@std/assert";
 * import { cosineDecay } from "@unitune/autodiff";
 * import { entropyBonus, formulaText, pairwise, weight } from "@unitune/objectives";
 *
 * assertAlmostEquals(weight(0.8, pairwise()).description.stepZero ?? NaN, 0.8 * Math.LN2);
 * const annealed = weight(cosineDecay({ peak: 0.01, end: 0, total: 100 }), entropyBonus());
 * assertStringIncludes(formulaText(annealed.description.formula), "w(step)");
 * ```
 *
 * @param factor Any finite number; or the weight after each number of steps.
 * @param part The optimization or the objective.
 * @returns The same, its loss multiplied.
 * @throws {RangeError} If the factor is a number that is not finite.
 */
export function weight<E>(factor: number | Schedule, part: Optimization<E>): Optimization<E>;
/** The same of an objective. */
export function weight<B, C>(factor: number | Schedule, part: Objective<B, C>): Objective<B, C>;
export function weight<E, B, C>(
  factor: number | Schedule,
  part: Optimization<E> | Objective<B, C>,
): Optimization<E> | Objective<B, C> {
  if (typeof factor === "function") return weighted(part, scheduledFactor(factor));
  checkRange("weight: factor", factor, ranges.finite);
  return weighted(part, constantFactor(factor));
}

/**
 * Two optimizations at the shares of 1 that one weight w leaves and takes, `(1 - w) first + w second`:
 * a number, or a schedule of the optimizer's steps (CHORD, arXiv 2508.11408).
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { blended, formulaText, nll, pairwise, onChosen, riseAndFall } from "@unitune/objectives";
 *
 * const { formula } = blended(riseAndFall(), pairwise(), onChosen(nll())).description;
 * assertStringIncludes(formulaText(formula), "(1 - w(step)) (mean -log sigmoid(beta d)) + w(step) (");
 * ```
 *
 * @param share The weight of the second part, from 0 to 1.
 * @param first The part that has the rest of 1.
 * @param second The part that has the share.
 * @returns Their weighted sum.
 * @throws {RangeError} If the share is a number out of range.
 */
export function blended<E, F>(
  share: number | Schedule,
  first: Optimization<E>,
  second: Optimization<F>,
): Optimization<E & F> {
  if (typeof share === "function") {
    return sumOf(weighted(first, restOf(share)), weighted(second, scheduledFactor(share)));
  }
  checkRange("blended: share", share, ranges.share);
  return sumOf(weight(1 - share, first), weight(share, second));
}

/**
 * An objective on one field of a larger batch, so that objectives on different data can be summed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dpo, on, sft, sumOf, weight } from "@unitune/objectives";
 *
 * const mixed = sumOf(on("pairs", dpo()), weight(0.1, on("demonstrations", sft())));
 * assertEquals(mixed.description.forwardPasses, 3);
 * ```
 *
 * @param field The field's name.
 * @param part The objective on the field's batches.
 * @returns The objective on batches that have the field.
 */
export function on<K extends string, B, C>(
  field: K,
  part: Objective<B, C>,
): Objective<Readonly<Record<K, B>>, C> {
  return {
    ...part,
    collect: (model, batch, context) => part.collect(model, batch[field], context),
  };
}

/** Rollouts, and a demonstration for each group of them. */
export interface GatedBatch<R, D> {
  /** Rollouts in groups of consecutive rows. */
  readonly rollouts: R;
  /** A demonstration for each group. */
  readonly demonstrations: D;
}

/** The options of {@linkcode gate}. */
export interface GateOptions {
  /** Rollouts of each prompt, at least 2, in consecutive rows. */
  readonly groupSize: number;
  /** The pass rate above which the rollouts teach (default 0: any success). */
  readonly threshold?: number;
  /** The reward from which a rollout has passed (default 1). */
  readonly passing?: number;
}

/**
 * Hybrid post-training (HPT, arXiv 2509.04419): each prompt whose rollouts pass often enough is
 * learned from them, every other prompt from its demonstration. The part shut out is masked, so
 * only a constant normalizer counts it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gate, grpo, sft } from "@unitune/objectives";
 *
 * const hpt = gate({ groupSize: 8 }, grpo(), sft());
 * assertEquals(hpt.description.data.includes("demonstration"), true);
 * ```
 *
 * @param options The pass rate that decides.
 * @param reinforced The objective on rollouts.
 * @param supervised The objective on demonstrations.
 * @returns The objective on both.
 * @throws {RangeError} If the threshold is out of range, or the passing reward not finite.
 */
export function gate<
  R extends Demonstrations & { readonly rewards: Tensor },
  C,
  D extends Demonstrations,
  F,
>(
  { groupSize, threshold = 0, passing = 1 }: GateOptions,
  reinforced: Objective<R, C>,
  supervised: Objective<D, F>,
): Objective<GatedBatch<R, D>, readonly [C, F]> {
  checkOptions("gate", { threshold: ranges.share, passing: ranges.finite }, { threshold, passing });
  checkGroups("gate", groupSize, groupSize);
  const whole = sumOfObjectives(on("rollouts", reinforced), on("demonstrations", supervised));
  const { stepZero: _ungated, ...known } = whole.description;
  const gated = gateOf(threshold);
  return {
    ...whole,
    description: {
      ...known,
      formula: eitherFormula(
        `pass rate > ${threshold}`,
        reinforced.description.formula,
        supervised.description.formula,
      ),
      gradient: [
        ...multiplied(reinforced.description.gradient, { slot: "mask", by: gated.open }),
        ...multiplied(supervised.description.gradient, { slot: "mask", by: gated.shut }),
      ],
    },
    collect(model, { rollouts, demonstrations }, context) {
      const { B, T } = dims(rollouts.ids, "B T", "gate: rollouts");
      const { B: prompts } = dims(demonstrations.ids, "B T", "gate: demonstrations");
      checkGroups("gate", B, groupSize);
      if (prompts * groupSize !== B) {
        throw new ShapeError(
          `gate: got ${B} rollouts in groups of ${groupSize} and ${prompts} demonstrations; ` +
            `expected one for each group`,
        );
      }
      const passed = cast(greaterEqual(rollouts.rewards, passing), "f32");
      // Counts are compared, as they are exact where rates are rounded.
      const passes = sum(reshape(passed, [prompts, groupSize]), { axes: [-1], keepDims: true });
      const open = cast(greater(passes, threshold * groupSize), "f32");
      const rowOpen = reshape(broadcastTo(open, [prompts, groupSize]), [B, 1]);
      const through = <B extends Demonstrations>(batch: B, share: Tensor): B => ({
        ...batch,
        mask: mul(batch.mask, cast(share, batch.mask.dtype)),
      });
      return whole.collect(model, {
        rollouts: through(rollouts, broadcastTo(rowOpen, [B, T])),
        demonstrations: through(demonstrations, sub(1, open)),
      }, context);
    },
  };
}
