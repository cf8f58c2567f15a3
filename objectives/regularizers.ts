/** Regularizers: a KL keeps a policy near its reference, the entropy bonus keeps it uncertain. */
import { add, isTensor, neg, stopGradient, sub, type Tensor } from "@unitune/core";
import { aggregate, checkNormalizer, type Normalizer } from "./aggregation.ts";
import {
  type Arithmetic,
  factor,
  type Formula,
  half,
  letter,
  onFormulas,
  onNumbers,
  onTensors,
} from "./arithmetic.ts";
import { checkName, checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import { logRatio } from "./log_probs.ts";
import { meanOver } from "./metrics.ts";
import type { Loss } from "./loss.ts";
import type { EntropyEvidence, ReferenceEvidence } from "./optimization.ts";
import { type TokenOptimization, tokenwise } from "./tokenwise.ts";
import { type Expression, named } from "./unified/expression.ts";
import { slots } from "./unified/gradient.ts";
import { logReferenceRatio } from "./unified/ratios.ts";
import { fixed, onDuals, variable } from "./unified/slope.ts";
import { write } from "./unified/write.ts";

/**
 * Estimators of `KL(pi, ref)` from a sampled token (Schulman, "Approximating KL divergence", 2020),
 * with `x = log pi - log ref`. All agree to second order in x but k1, which agrees in the mean:
 *
 * | estimator | value | unbiased | gradient's mean under pi |
 * | --- | --- | --- | --- |
 * | `"k1"` | `x` | yes, of high variance, may be negative | 0: useless as a loss |
 * | `"k2"` | `x^2 / 2` | no | the gradient of the reverse KL |
 * | `"k3"` | `e^-x + x - 1` | yes, at least 0 | the gradient of the forward KL |
 * | `"k3-k2"` | k3's value | yes, at least 0 | the gradient of the reverse KL |
 */
export type KlEstimator = "k1" | "k2" | "k3" | "k3-k2";

/** A function of the log-ratio x, over any arithmetic. */
type Estimate = <X>(on: Arithmetic<X>, x: X) => X;

const k1: Estimate = (_on, x) => x;
const k2: Estimate = (on, x) => on.mul(half, on.square(x));
const k3: Estimate = (on, x) => on.add(on.expm1(on.neg(x)), x);

interface EstimatorRule {
  readonly value: Estimate;
  /** The estimator whose gradient it has (default: its own). */
  readonly gradient?: Estimate;
  /** The sum of its value and its slope, where that is shorter than the two. */
  readonly withSlope?: Estimate;
}

const estimators: Readonly<Record<KlEstimator, EstimatorRule>> = {
  k1: { value: k1 },
  k2: { value: k2 },
  // `e^-x + x - 1` and `1 - e^-x`.
  k3: { value: k3, withSlope: k1 },
  "k3-k2": { value: k3, gradient: k2 },
};

function onLogRatio(estimator: KlEstimator, x: Tensor): Tensor {
  const { value, gradient } = estimators[estimator];
  const estimate = value(onTensors, x);
  if (gradient === undefined) return estimate;
  const differentiated = gradient(onTensors, x);
  return add(stopGradient(sub(estimate, differentiated)), differentiated);
}

/** The estimate of a token as a formula in x. */
function tokenFormula(estimator: KlEstimator): Formula {
  const { value, gradient } = estimators[estimator];
  const x = letter("x");
  const estimate = letter(factor(value(onFormulas, x)));
  return gradient === undefined ? estimate : {
    text: `${estimate.text} with the gradient of ${gradient(onFormulas, x).text}`,
    binding: "sum",
  };
}

/** The log-ratio x as an expression. */
const logRatioX = named("x", logReferenceRatio);

/** The slope in x that an estimate is trained by, as an expression. */
function tokenSlope(estimator: KlEstimator): Expression {
  const { value, gradient = value } = estimators[estimator];
  return gradient(onDuals, variable(logRatioX)).slope;
}

/** The slope in log p of an estimate that is multiplied by `p/p_old`, divided by that ratio. */
export function correctedSlope(estimator: KlEstimator): Expression {
  const { value, withSlope } = estimators[estimator];
  const of = (estimate: Estimate) => estimate(onDuals, fixed(logRatioX)).value;
  return withSlope === undefined ? write.add(of(value), tokenSlope(estimator)) : of(withSlope);
}

/** Throws unless an estimator exists. */
export function checkKlEstimator(name: string, estimator: KlEstimator): void {
  checkName(`${name}: estimator`, estimator, estimators);
}

/**
 * The estimated KL of the policy from its reference at each sampled token; see {@linkcode
 * KlEstimator}.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { klEstimate } from "@unitune/objectives";
 *
 * const [logProbs, reference] = [tensor([-1, -1]), tensor([0, -15])];
 * const [near = NaN, far = NaN] = await klEstimate(logProbs, reference).data();
 * assertAlmostEquals(near, 0.7183, 1e-4);
 * assertAlmostEquals(far, 13, 1e-4);
 * ```
 *
 * @param logProbs Log-probabilities of tokens under the policy, any shape, in nats.
 * @param referenceLogProbs Log-probabilities under the reference, in the same shape.
 * @param estimator The estimator (default `"k3"`).
 * @returns The estimates, in the same shape, in nats.
 * @throws {RangeError} If the estimator is unknown.
 */
export function klEstimate(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  estimator?: KlEstimator,
): Tensor;
/** The same of one token, on the host: numbers in f64. */
export function klEstimate(
  logProb: number,
  referenceLogProb: number,
  estimator?: KlEstimator,
): number;
export function klEstimate(
  logProbs: Tensor | number,
  referenceLogProbs: Tensor | number,
  estimator: KlEstimator = objectiveDefaults.klEstimator,
): Tensor | number {
  checkKlEstimator("klEstimate", estimator);
  if (isTensor(logProbs) && isTensor(referenceLogProbs)) {
    return onLogRatio(estimator, logRatio(logProbs, referenceLogProbs));
  }
  if (isTensor(logProbs) || isTensor(referenceLogProbs)) {
    throw new TypeError("klEstimate: expected two tensors or two numbers, got one of each");
  }
  return estimators[estimator].value(onNumbers, logProbs - referenceLogProbs);
}

/** The options of a KL penalty. */
export interface KlOptions {
  /** The estimator (default `"k3"`). */
  readonly estimator?: KlEstimator;
  /** The normalizer of the sum over tokens (default `"token"`). */
  readonly normalizer?: Normalizer;
}

/**
 * The estimated KL of the policy from its reference as a loss.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { klLoss, lossValue } from "@unitune/objectives";
 *
 * const [logProbs, reference] = [tensor([[-1, -2]]), tensor([[-3, -2]])];
 * const loss = klLoss(logProbs, reference, tensor([[1, 1]]), { estimator: "k2" });
 * assertEquals(await lossValue(loss).item(), 1);
 * ```
 *
 * @param logProbs Log-probabilities of tokens under the policy, `[B, T]`, in nats.
 * @param referenceLogProbs Log-probabilities under the reference, `[B, T]`.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The estimator, and the normalizer.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function klLoss(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  mask: Tensor,
  { estimator = objectiveDefaults.klEstimator, normalizer = objectiveDefaults.normalizer }:
    KlOptions = {},
): Loss {
  checkShapes("klLoss", ["B", "T"], { logProbs, referenceLogProbs, mask });
  return aggregate(klEstimate(logProbs, referenceLogProbs, estimator), mask, normalizer);
}

/**
 * {@linkcode klLoss} as a transition optimization, to be weighed and added to another. It logs
 * `kl`, the mean of k3.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { clipped, formulaText, kl, sumOf, weight } from "@unitune/objectives";
 *
 * const regularized = sumOf(clipped(), weight(0.04, kl()));
 * assertStringIncludes(formulaText(regularized.description.formula), "0.04 (");
 * ```
 *
 * @param options The estimator, and the normalizer.
 * @returns The optimization.
 */
export function kl(
  { estimator = objectiveDefaults.klEstimator, normalizer = objectiveDefaults.normalizer }:
    KlOptions = {},
): TokenOptimization<ReferenceEvidence> {
  checkKlEstimator("kl", estimator);
  checkNormalizer("kl: normalizer", normalizer);
  return tokenwise("T -> T_ref", {
    losses({ logProbs, referenceLogProbs, mask }) {
      checkShapes("kl", ["B", "T"], { logProbs: logProbs(), referenceLogProbs, mask });
      return klEstimate(logProbs(), referenceLogProbs, estimator);
    },
    normalizer,
    formula: tokenFormula(estimator),
    where: { x: "log p/p_ref" },
    gradient: [slots({ advantage: write.neg(tokenSlope(estimator)) })],
    metrics: ({ logProbs, referenceLogProbs, mask }) => ({
      kl: meanOver(klEstimate(logProbs(), referenceLogProbs), mask),
    }),
  });
}

/**
 * The entropy bonus as a loss: `-H_t`, the negative entropy of each prediction.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor, zeros } from "@unitune/core";
 * import { entropyLoss, lossValue, tokenEntropy } from "@unitune/objectives";
 *
 * const entropy = tokenEntropy(zeros([1, 2, 4], "f64"));
 * const loss = entropyLoss(entropy, tensor([[1, 0]]));
 * assertAlmostEquals(await lossValue(loss).item(), -Math.log(4));
 * ```
 *
 * @param entropy Entropies of the predictions, `[B, T]`, in nats; see {@linkcode tokenEntropy}.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The normalizer (default `"token"`).
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function entropyLoss(
  entropy: Tensor,
  mask: Tensor,
  { normalizer = objectiveDefaults.normalizer }: { readonly normalizer?: Normalizer } = {},
): Loss {
  return aggregate(neg(entropy), mask, normalizer);
}

/**
 * {@linkcode entropyLoss} as a transition optimization, to be weighed and added to another.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { entropyBonus } from "@unitune/objectives";
 *
 * assertEquals(entropyBonus().description.transition, "T -> uniform");
 * ```
 *
 * @param options The normalizer (default `"token"`).
 * @returns The optimization.
 */
export function entropyBonus(
  { normalizer = objectiveDefaults.normalizer }: { readonly normalizer?: Normalizer } = {},
): TokenOptimization<EntropyEvidence> {
  checkNormalizer("entropyBonus: normalizer", normalizer);
  return tokenwise("T -> uniform", {
    losses: ({ entropy }) => neg(entropy()),
    normalizer,
    formula: { text: "-H_bt", binding: "sum" },
    where: {},
    gradient: [{ kind: "vocabulary" }],
  });
}
