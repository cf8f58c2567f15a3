/** What keeps a policy near a reference, or uncertain: KL estimators and the entropy bonus. */
import { add, expm1, mul, neg, square, stopGradient, sub, type Tensor } from "@unitune/core";
import {
  aggregate,
  aggregateFormula,
  checkNormalizer,
  describeNormalizer,
  type Normalizer,
} from "./aggregation.ts";
import { checkName, checkShapes } from "./checks.ts";
import { boundedExponent, logRatio, maskedCount, maskedSum } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import type { EntropyEvidence, Optimization, ReferenceEvidence } from "./optimization.ts";

/**
 * Estimators of `KL(pi, ref)` from a sampled token (Schulman, "Approximating KL divergence", 2020),
 * with `x = log pi - log ref`. All agree to second order in x but k1, which agrees in the mean:
 *
 * | estimator | value | unbiased | gradient's mean under pi |
 * | --- | --- | --- | --- |
 * | `"k1"` | `x` | yes, of high variance, may be negative | 0: useless as a loss |
 * | `"k2"` | `x^2 / 2` | no | that of the reverse KL |
 * | `"k3"` | `e^-x + x - 1` | yes, at least 0 | that of the forward KL |
 * | `"k3-k2"` | that of k3 | yes, at least 0 | that of the reverse KL |
 */
export type KlEstimator = "k1" | "k2" | "k3" | "k3-k2";

const k2 = (x: Tensor): Tensor => mul(square(x), 0.5);
const k3 = (x: Tensor): Tensor => add(expm1(neg(boundedExponent(x))), x);

const estimators: Readonly<Record<KlEstimator, { formula: string; of: (x: Tensor) => Tensor }>> = {
  k1: { formula: "x", of: (x) => x },
  k2: { formula: "x^2/2", of: k2 },
  k3: { formula: "(e^-x + x - 1)", of: k3 },
  "k3-k2": {
    formula: "(e^-x + x - 1, gradient of x^2/2)",
    of: (x) => add(stopGradient(sub(k3(x), k2(x))), k2(x)),
  },
};

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
 * @param referenceLogProbs Those under the reference, in the same shape.
 * @param estimator `"k3"` unless told.
 * @returns The estimates, in the same shape, in nats.
 * @throws {RangeError} If the estimator is unknown.
 */
export function klEstimate(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  estimator: KlEstimator = "k3",
): Tensor {
  checkKlEstimator("klEstimate", estimator);
  return estimators[estimator].of(logRatio(logProbs, referenceLogProbs));
}

/** What a KL penalty can be told. */
export interface KlOptions {
  /** How it is estimated; `"k3"` unless told. */
  readonly estimator?: KlEstimator;
  /** What the sum over tokens is divided by; `"token"` unless told. */
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
 * @param referenceLogProbs Those under the reference, `[B, T]`.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options The estimator, and what the sum is divided by.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function klLoss(
  logProbs: Tensor,
  referenceLogProbs: Tensor,
  mask: Tensor,
  { estimator = "k3", normalizer = "token" }: KlOptions = {},
): Loss {
  checkShapes("klLoss", "[B, T]", { logProbs, referenceLogProbs, mask });
  return aggregate(klEstimate(logProbs, referenceLogProbs, estimator), mask, normalizer);
}

/**
 * {@linkcode klLoss} as a transition optimization, to be weighed and added to another. It logs
 * `kl`, the mean of k3.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { clipped, kl, sumOf, weight } from "@unitune/objectives";
 *
 * const regularized = sumOf(clipped(), weight(0.04, kl()));
 * assertStringIncludes(regularized.description.formula, "0.04 (");
 * ```
 *
 * @param options The estimator, and what the sum is divided by.
 * @returns The optimization.
 */
export function kl(
  { estimator = "k3", normalizer = "token" }: KlOptions = {},
): Optimization<ReferenceEvidence> {
  checkKlEstimator("kl", estimator);
  checkNormalizer("kl: normalizer", normalizer);
  const token = estimators[estimator].formula;
  return {
    description: {
      transition: "T -> T_ref",
      normalizer: describeNormalizer(normalizer),
      formula: `${aggregateFormula(normalizer, token)}, x = log p/p_ref`,
    },
    optimize({ logProbs, referenceLogProbs, mask }) {
      const own = logProbs();
      return {
        terms: [klLoss(own, referenceLogProbs, mask, { estimator, normalizer })],
        metrics: {
          kl: {
            total: maskedSum(klEstimate(own, referenceLogProbs), mask),
            weight: maskedCount(mask, own.dtype),
          },
        },
      };
    },
  };
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
 * @param options What the sum is divided by: `normalizer`, `"token"` unless told.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function entropyLoss(
  entropy: Tensor,
  mask: Tensor,
  { normalizer = "token" }: { readonly normalizer?: Normalizer } = {},
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
 * @param options What the sum is divided by: `normalizer`, `"token"` unless told.
 * @returns The optimization.
 */
export function entropyBonus(
  { normalizer = "token" }: { readonly normalizer?: Normalizer } = {},
): Optimization<EntropyEvidence> {
  checkNormalizer("entropyBonus: normalizer", normalizer);
  return {
    description: {
      transition: "T -> uniform",
      normalizer: describeNormalizer(normalizer),
      formula: aggregateFormula(normalizer, "-H_bt"),
    },
    optimize: ({ entropy, mask }) => ({
      terms: [entropyLoss(entropy(), mask, { normalizer })],
      metrics: {},
    }),
  };
}
