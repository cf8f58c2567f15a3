/**
 * Losses of unpaired answers labelled desirable or undesirable that need no mismatched answers: the
 * anchored loss of APO, and the binary classifier of BCO.
 */
import {
  add,
  cast,
  checkOptions,
  div,
  equal,
  max,
  maximum,
  mul,
  notEqual,
  ones,
  ranges,
  stopGradient,
  sub,
  sum,
  type Tensor,
  where,
} from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import {
  type Arithmetic,
  letter,
  numeric,
  onFormulas,
  onNumbers,
  onTensors,
} from "./arithmetic.ts";
import { checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Signal } from "./estimation.ts";
import { formulaOf } from "./formula.ts";
import { logRatio, sequenceLogProbs } from "./log_probs.ts";
import { type Memory, recall } from "./memory.ts";
import { meanOver, type Metrics } from "./metrics.ts";
import type {
  LabelEvidence,
  Optimization,
  PolicyEvidence,
  ReferenceEvidence,
} from "./optimization.ts";
import { seen } from "./signals.ts";
import { type Expression, named, quantity } from "./unified/expression.ts";
import { ofAnswers, slots, type UnifiedTerm } from "./unified/gradient.ts";
import { answerLogRatio } from "./unified/ratios.ts";
import { fixed, onDuals, variable } from "./unified/slope.ts";
import { write } from "./unified/write.ts";

/** The label of each answer in a batch. */
export interface AnswerLabels {
  /** 1 for a desirable answer, 0 for an undesirable one, `[B]`. */
  readonly labels: Tensor;
}

/** Evidence of labels, beside a reference. */
export type LikedEvidence = Omit<LabelEvidence, "kl">;

/**
 * Labels of unpaired answers alone; see {@linkcode labelled} for those of KTO, whose reference point
 * needs mismatched answers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { againstReference, both, estimate, gold, liked } from "@unitune/objectives";
 *
 * const { data } = estimate(gold, both(againstReference("precomputed"), liked)).description;
 * assertEquals(data, ["demonstration", "reference log-probs", "label"]);
 * ```
 */
export const liked: Signal<
  AnswerLabels,
  AnswerLabels,
  Pick<LabelEvidence, "labels"> & PolicyEvidence
> = {
  description: { signal: () => "desirable or not", models: [], data: ["label"], asks: [] },
  collect(_model, { labels }) {
    checkShapes("liked", ["B"], { labels });
    return { labels };
  },
  compare(states, { labels }) {
    const evidence = seen(states);
    return { evidence: { ...evidence, labels: cast(labels, evidence.mask.dtype) }, metrics: {} };
  },
};

/** The log-ratio of each answer, `[B]`, and whether it has tokens. */
function answersOf(
  { logProbs, referenceLogProbs, mask }: ReferenceEvidence,
): { readonly ratios: Tensor; readonly counted: Tensor } {
  return {
    ratios: logRatio(
      sequenceLogProbs(logProbs(), mask),
      sequenceLogProbs(referenceLogProbs, mask),
    ),
    counted: max(mask, { axes: [-1] }),
  };
}

/** The implicit rewards of desirable and of undesirable answers. */
export function labelMetrics(rewards: Tensor, labels: Tensor, counted: Tensor): Metrics {
  const of = (label: Tensor) => {
    const counts = mul(counted, cast(label, counted.dtype));
    return { total: sum(mul(rewards, counts)), weight: sum(counts) };
  };
  return {
    "rewards/chosen": of(notEqual(labels, 0)),
    "rewards/rejected": of(equal(labels, 0)),
  };
}

/** The transition of losses that raise desirable answers and lower the others. */
export const byLabels = "T(s+_n, rho0) up, T(s-_n, rho0) down";

/** A loss of desirable and one of undesirable answers. */
export interface LabelLosses<X> {
  readonly desirable: X;
  readonly undesirable: X;
}

/** The losses as one formula. */
export function labelFormula(
  { desirable, undesirable }: LabelLosses<{ readonly text: string }>,
): string {
  return `mean (desirable ? ${desirable.text} : ${undesirable.text})`;
}

/** The log-ratio of an answer as an expression. */
const D = named("D", answerLogRatio.sum);

/** The term of a loss by label: an answer is raised by minus the slope of its loss. */
export function labelTerm(
  loss: <X>(on: Arithmetic<X>, ratio: X, lift: (x: Expression) => X) => LabelLosses<X>,
): UnifiedTerm {
  const { desirable, undesirable } = loss(onDuals, variable(D), fixed);
  const advantage = write.either(
    quantity("desirable"),
    write.neg(desirable.slope),
    write.neg(undesirable.slope),
  );
  return ofAnswers(slots({ advantage }), "single");
}

/** The loss of each answer. */
function byLabel(labels: Tensor, { desirable, undesirable }: LabelLosses<Tensor>): Tensor {
  return where(equal(labels, 0), undesirable, desirable);
}

/** The options of {@linkcode anchoredLabels}. */
export interface AnchoredOptions {
  /** The strength b of the reference, above 0 (default 0.1). */
  readonly beta?: number;
  /** The weight of desirable answers, at least 0 (default 1). */
  readonly desirableWeight?: number;
  /** The weight of undesirable answers, at least 0 (default 1). */
  readonly undesirableWeight?: number;
}

/** `1 - sigmoid(beta D)` of a desirable answer, and `sigmoid(beta D)` of an undesirable one. */
function anchored<X>(
  on: Arithmetic<X>,
  ratio: X,
  { beta, desirableWeight, undesirableWeight }: Required<AnchoredOptions>,
): LabelLosses<X> {
  const reward = on.mul(numeric(beta), ratio);
  return {
    desirable: on.mul(numeric(desirableWeight), on.sigmoid(on.neg(reward))),
    undesirable: on.mul(numeric(undesirableWeight), on.sigmoid(reward)),
  };
}

/**
 * The loss of APO-zero (arXiv 2408.06266) of unpaired answers: KTO's with a reference point of 0.
 * With the log-ratio `D = log pi/ref`, a desirable answer has `1 - sigmoid(beta D)`, an undesirable
 * one `sigmoid(beta D)`, weighted. It logs `rewards/{chosen,rejected}`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { anchoredLabels, formulaText } from "@unitune/objectives";
 *
 * const { formula, stepZero } = anchoredLabels().description;
 * assertEquals(formulaText(formula), "mean (desirable ? sigmoid(-0.1 D) : sigmoid(0.1 D))");
 * assertEquals(stepZero, 0.5);
 * ```
 *
 * @param options Hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function anchoredLabels(
  { beta = objectiveDefaults.beta, desirableWeight = 1, undesirableWeight = 1 }: AnchoredOptions =
    {},
): Optimization<LikedEvidence> {
  const constants = { beta, desirableWeight, undesirableWeight };
  checkOptions("anchoredLabels", {
    beta: ranges.positive,
    desirableWeight: ranges.nonNegative,
    undesirableWeight: ranges.nonNegative,
  }, constants);
  const first = anchored(onNumbers, 0, constants);
  return {
    description: {
      transition: byLabels,
      normalizer: "answers",
      formula: formulaOf(labelFormula(anchored(onFormulas, letter("D"), constants))),
      gradient: [labelTerm((on, ratio) => anchored(on, ratio, constants))],
      ...(first.desirable === first.undesirable ? { stepZero: first.desirable } : {}),
    },
    optimize(evidence) {
      const { ratios, counted } = answersOf(evidence);
      const losses = byLabel(evidence.labels, anchored(onTensors, ratios, constants));
      return {
        terms: [averageOver(losses, counted)],
        metrics: labelMetrics(mul(ratios, beta), evidence.labels, counted),
      };
    },
  };
}

/**
 * `-log sigmoid(beta D - shift)` of a desirable answer, and `-log sigmoid(-(beta D - shift))` of an
 * undesirable one.
 */
function classified<X>(on: Arithmetic<X>, ratio: X, shift: X, beta: number): LabelLosses<X> {
  const reward = on.sub(on.mul(numeric(beta), ratio), shift);
  return {
    desirable: on.neg(on.logSigmoid(reward)),
    undesirable: on.neg(on.logSigmoid(on.neg(reward))),
  };
}

/** The name of BCO's metric: the mean of all answers' implicit rewards. */
const MEAN_REWARD = "rewards/mean";

/** The mean of two means, of so many numbers each; the first where there are none. */
function pooled(
  first: { readonly mean: Tensor; readonly count: Tensor },
  second: { readonly total: Tensor; readonly weight: Tensor },
): { readonly mean: Tensor; readonly count: Tensor } {
  const count = add(first.count, second.weight);
  const beyond = sub(second.total, mul(first.mean, second.weight));
  return { mean: add(first.mean, div(beyond, maximum(count, 1))), count };
}

/** The mean of the implicit rewards of all answers so far, and their number. */
const runningReward: Memory = {
  start: { reward_shift: 0, reward_count: 0 },
  next({ reward_shift: mean, reward_count: count }, { metrics: { [MEAN_REWARD]: seen } }) {
    if (mean === undefined || count === undefined || seen === undefined) {
      throw new RangeError(`BCO's memory is a mean, a count and the metric ${MEAN_REWARD}`);
    }
    const next = pooled({ mean, count }, seen);
    return { reward_shift: next.mean, reward_count: next.count };
  },
};

/**
 * Binary classifier optimization (BCO, arXiv 2404.04656) of unpaired answers: with the implicit
 * reward `r = beta log pi/ref` and its running mean, the shift, a desirable answer has
 * `-log sigmoid(r - shift)`, an undesirable one `-log sigmoid(-(r - shift))`. The shift is the mean
 * over all answers of the training so far, those of the (micro-)batch included; it is remembered from
 * step to step, and carries no gradient. It logs `reward_shift` and `rewards/{chosen,rejected,mean}`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { binaryClassifier } from "@unitune/objectives";
 *
 * assertAlmostEquals(binaryClassifier().description.stepZero ?? NaN, Math.LN2);
 * ```
 *
 * @param options The strength beta of the reference, above 0 (default 0.1).
 * @returns The optimization.
 * @throws {RangeError} If beta is out of range.
 */
export function binaryClassifier(
  { beta = objectiveDefaults.beta }: { readonly beta?: number } = {},
): Optimization<LikedEvidence> {
  checkOptions("binaryClassifier", { beta: ranges.positive }, { beta });
  const formulas = classified(onFormulas, letter("D"), letter("shift"), beta);
  return {
    description: {
      transition: byLabels,
      normalizer: "answers",
      formula: formulaOf(labelFormula(formulas), { shift: `mean ${beta} D so far` }),
      gradient: [
        labelTerm((on, ratio, lift) => classified(on, ratio, lift(quantity("shift")), beta)),
      ],
      stepZero: classified(onNumbers, 0, 0, beta).desirable,
    },
    memory: runningReward,
    optimize(evidence, context) {
      const { labels } = evidence;
      const { ratios, counted } = answersOf(evidence);
      const { dtype } = ratios;
      const rewards = stopGradient(mul(ratios, beta));
      const seen = meanOver(rewards, counted);
      const before = {
        mean: recall(runningReward, "reward_shift", context, dtype),
        count: recall(runningReward, "reward_count", context, dtype),
      };
      const { mean: shift } = pooled(before, seen);
      return {
        terms: [averageOver(byLabel(labels, classified(onTensors, ratios, shift, beta)), counted)],
        metrics: {
          ...labelMetrics(rewards, labels, counted),
          [MEAN_REWARD]: seen,
          reward_shift: { total: shift, weight: ones([], dtype) },
        },
      };
    },
  };
}
