/** The loss of unpaired answers labelled desirable or undesirable (KTO, arXiv 2402.01306). */
import {
  asTensor,
  cast,
  checkOptions,
  equal,
  max,
  mul,
  ones,
  ranges,
  relu,
  stopGradient,
  type Tensor,
  type TensorLike,
  where,
} from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import {
  byLabels,
  labelFormula,
  type LabelLosses,
  labelMetrics,
  labelTerm,
} from "./answer_labels.ts";
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
import type { OptimizationDescription } from "./description.ts";
import type { Signal } from "./estimation.ts";
import { checkDemonstrations, type Demonstrations, targetsOf } from "./gold.ts";
import { logRatio, maskedMean, sequenceLogProbs } from "./log_probs.ts";
import type {
  LabelEvidence,
  Optimization,
  PolicyEvidence,
  ReferenceEvidence,
} from "./optimization.ts";
import type { Model } from "./policy.ts";
import { scoreTokens } from "./rollouts.ts";
import { againstReference, type Referenced, type ReferenceScores } from "./signals.ts";
import { formulaOf } from "./formula.ts";
import { quantity } from "./unified/expression.ts";

/** The options of {@linkcode ktoLoss}. */
export interface KtoOptions {
  /** The strength b of the reference, above 0 (default 0.1). */
  readonly beta?: number;
  /** The weight of desirable answers, at least 0 (default 1). */
  readonly desirableWeight?: number;
  /** The weight of undesirable answers, at least 0 (default 1). */
  readonly undesirableWeight?: number;
}

/** The options of KTO, checked, its defaults filled in. */
export function ktoConstants(
  name: string,
  { beta = objectiveDefaults.beta, desirableWeight = 1, undesirableWeight = 1 }: KtoOptions,
): Required<KtoOptions> {
  const constants = { beta, desirableWeight, undesirableWeight };
  const weight = ranges.nonNegative;
  checkOptions(
    name,
    { beta: ranges.positive, desirableWeight: weight, undesirableWeight: weight },
    constants,
  );
  return constants;
}

/**
 * The losses of KTO over any arithmetic, of an answer that is desirable and of one that is not;
 * `1 - sigmoid(x) = sigmoid(-x)`.
 */
function kto<X>(
  on: Arithmetic<X>,
  logRatio: X,
  kl: X,
  { beta, desirableWeight, undesirableWeight }: Required<KtoOptions>,
): LabelLosses<X> {
  const gain = on.mul(numeric(beta), on.sub(logRatio, kl));
  return {
    desirable: on.mul(numeric(desirableWeight), on.sigmoid(on.neg(gain))),
    undesirable: on.mul(numeric(undesirableWeight), on.sigmoid(gain)),
  };
}

/**
 * The formula of KTO, its gradient, and its value before the first step, where that does not depend on
 * labels.
 */
function describeKto(
  constants: Required<KtoOptions>,
): Pick<OptimizationDescription, "formula" | "gradient" | "stepZero"> {
  const atReference = kto(onNumbers, 0, 0, constants);
  return {
    formula: formulaOf(labelFormula(kto(onFormulas, letter("D"), letter("kl"), constants))),
    gradient: [
      labelTerm((on, ratio, lift) => kto(on, ratio, lift(quantity("kl")), constants)),
    ],
    ...(atReference.desirable === atReference.undesirable
      ? { stepZero: atReference.desirable }
      : {}),
  };
}

/**
 * KTO's reference point `max(0, mean(log pi - log ref))` over answers to other prompts, an estimate
 * of the policy's KL from the reference. Without gradient.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { ktoReferencePoint } from "@unitune/objectives";
 *
 * assertEquals(await ktoReferencePoint(tensor([-1, -2]), tensor([-2, -2])).item(), 0.5);
 * assertEquals(await ktoReferencePoint(tensor([-9, -9]), tensor([-2, -2])).item(), 0);
 * ```
 *
 * @param mismatched Summed log-probabilities of mismatched answers, `[B]`, in nats.
 * @param referenceMismatched Summed log-probabilities of the same answers under the reference,
 * `[B]`.
 * @param counted 1 for each row that has an answer, 0 for the others, `[B]` (default: all of them).
 * @returns A scalar, at least 0; 0 where no row counts.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function ktoReferencePoint(
  mismatched: Tensor,
  referenceMismatched: Tensor,
  counted: Tensor = ones(mismatched.shape, mismatched.dtype),
): Tensor {
  checkShapes("ktoReferencePoint", ["B"], { mismatched, referenceMismatched, counted });
  return stopGradient(relu(maskedMean(logRatio(mismatched, referenceMismatched), counted)));
}

/**
 * Kahneman-Tversky optimization (arXiv 2402.01306), with the log-ratio `D = log pi - log ref`:
 * `1 - sigmoid(beta (D - kl))` for a desirable answer, `1 - sigmoid(beta (kl - D))` for an
 * undesirable one, weighted.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { ktoLoss } from "@unitune/objectives";
 *
 * const logProbs = tensor([-3, -4]);
 * const losses = ktoLoss(logProbs, logProbs, tensor([1, 0]), 0, { undesirableWeight: 2 });
 * assertEquals(await losses.data(), new Float32Array([0.5, 1]));
 * ```
 *
 * @param logProbs Summed log-probabilities of the answers, `[B]`, in nats.
 * @param referenceLogProbs Summed log-probabilities under the reference, `[B]`.
 * @param labels 1 (or true) for a desirable answer, 0 for an undesirable one, `[B]`.
 * @param kl The reference point, a scalar; see {@linkcode ktoReferencePoint}.
 * @param options Hyperparameters.
 * @returns The loss of each answer, `[B]`.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If a hyperparameter is out of range, or a label on the host neither 0 nor 1.
 */
export function ktoLoss(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  labels: Tensor,
  kl: TensorLike,
  options: KtoOptions = {},
): Tensor {
  const constants = ktoConstants("ktoLoss", options);
  checkShapes("ktoLoss", ["B"], { logProbs, referenceLogProbs, labels });
  const ratio = logRatio(logProbs, referenceLogProbs);
  const { desirable, undesirable } = kto(onTensors, ratio, asTensor(kl, ratio.dtype), constants);
  return where(equal(cast(labels, ratio.dtype), 0), undesirable, desirable);
}

/** The part of a batch that KTO reads beside the answers. */
export interface Labels {
  /** 1 for a desirable answer, 0 for an undesirable one, `[B]`. */
  readonly labels: Tensor;
  /** Answers to other prompts than their own, which the reference point is estimated from. */
  readonly mismatched: Demonstrations;
}

/** The same, both kinds of answers scored by a reference. */
export interface ScoredLabels extends Labels, ReferenceScores {
  /** Answers to other prompts than their own, which the reference point is estimated from. */
  readonly mismatched: Demonstrations & ReferenceScores;
}

/** The tensors that {@linkcode labelled} collects. */
export interface Labelled extends Referenced {
  /** `[B]`. */
  readonly labels: Tensor;
  /** A scalar. */
  readonly kl: Tensor;
}

/**
 * Labels of unpaired answers, with the policy compared to a reference as in {@linkcode
 * againstReference}: `"precomputed"`, or a model, which then scores the mismatched answers too. The
 * reference point is estimated from the batch, so cutting a batch into micro-batches changes its
 * loss.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, labelled } from "@unitune/objectives";
 *
 * assertEquals(estimate(gold, labelled("precomputed")).description.forwardPasses, 2);
 * ```
 *
 * @param reference `"precomputed"`, or the reference policy at its parameters.
 * @returns The signal.
 */
export function labelled(
  reference: "precomputed",
): Signal<ScoredLabels, Labelled, LabelEvidence & PolicyEvidence>;
/** The same with a reference policy in place of its log-probabilities. */
export function labelled(
  reference: Model,
): Signal<Labels, Labelled, LabelEvidence & PolicyEvidence>;
export function labelled(
  reference: "precomputed" | Model,
): Signal<ScoredLabels, Labelled, LabelEvidence & PolicyEvidence> {
  const given = reference === "precomputed";
  const target: Signal<
    ReferenceScores,
    Referenced,
    ReferenceEvidence & PolicyEvidence
  > = given ? againstReference("precomputed") : againstReference(reference);
  const { models, data, asks } = target.description;
  return {
    description: {
      signal: () => "desirable or not, pi against a reference",
      models,
      data: ["label", ...data, "mismatched answers"],
      asks,
      // Every model that scores the answers, the policy too, also scores the mismatched ones.
      sequences: 2,
    },
    collect(model, batch, ask) {
      const { labels, mismatched } = batch;
      checkShapes("labelled", ["B"], { labels });
      checkDemonstrations(mismatched);
      const mask = targetsOf(mismatched.mask);
      const logProbs = targetsOf(scoreTokens(model, mismatched));
      const scored = given ? mismatched.referenceLogProbs : scoreTokens(reference, mismatched);
      const kl = ktoReferencePoint(
        sequenceLogProbs(logProbs, mask),
        sequenceLogProbs(cast(targetsOf(scored), logProbs.dtype), mask),
        max(mask, { axes: [-1] }),
      );
      return { ...target.collect(model, batch, ask), labels, kl };
    },
    compare(states, { labels, kl, ...referenced }) {
      const { evidence, metrics } = target.compare(states, referenced);
      const { dtype } = evidence.mask;
      return {
        evidence: { ...evidence, labels: cast(labels, dtype), kl: cast(kl, dtype) },
        metrics,
      };
    },
  };
}

/**
 * {@linkcode ktoLoss} as a transition optimization. It logs `kl`, the reference point, and the
 * implicit rewards `rewards/{chosen,rejected}` of desirable and of undesirable answers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formulaText, kahnemanTversky } from "@unitune/objectives";
 *
 * const { formula, stepZero } = kahnemanTversky().description;
 * assertEquals(formulaText(formula), "mean (desirable ? sigmoid(-0.1 (D - kl)) : sigmoid(0.1 (D - kl)))");
 * assertEquals(stepZero, 0.5);
 * // With weights that differ, the first loss depends on the labels.
 * assertEquals(kahnemanTversky({ desirableWeight: 2 }).description.stepZero, undefined);
 * ```
 *
 * @param options Hyperparameters.
 * @returns The optimization.
 * @throws {RangeError} If a hyperparameter is out of range.
 */
export function kahnemanTversky(options: KtoOptions = {}): Optimization<LabelEvidence> {
  const constants = ktoConstants("kahnemanTversky", options);
  return {
    description: {
      transition: byLabels,
      normalizer: "answers",
      ...describeKto(constants),
    },
    optimize({ logProbs, referenceLogProbs, mask, labels, kl }) {
      const [policy, reference] = [
        sequenceLogProbs(logProbs(), mask),
        sequenceLogProbs(referenceLogProbs, mask),
      ];
      const counted = max(mask, { axes: [-1] });
      const rewards = mul(logRatio(policy, reference), constants.beta);
      return {
        terms: [averageOver(ktoLoss(policy, reference, labels, kl, options), counted)],
        metrics: {
          "kl": { total: kl, weight: ones([], kl.dtype) },
          ...labelMetrics(rewards, labels, counted),
        },
      };
    },
  };
}
