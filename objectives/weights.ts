/** Weights of tokens, computed from evidence. {@linkcode weighed} holds them constant. */
import {
  and,
  asTensor,
  cast,
  checkOptions,
  checkRange,
  type DType,
  exp,
  expm1,
  greater,
  less,
  minimum,
  mul,
  neg,
  not,
  or,
  pow,
  ranges,
  sub,
  type Tensor,
  where,
} from "@unitune/core";
import { checkName, perToken } from "./checks.ts";
import { bounded, logRatio, maskedMean } from "./log_probs.ts";
import type {
  EntropyEvidence,
  ReferenceEvidence,
  RolloutEvidence,
  TokenEvidence,
} from "./optimization.ts";
import { importanceRatio } from "./policy_gradient.ts";
import type { TokenWeight } from "./tokenwise.ts";
import { type Expression, named, quantity } from "./unified/expression.ts";
import { A, logReferenceRatio, p, pOld, ratio } from "./unified/ratios.ts";
import { literal, ONE, write, ZERO } from "./unified/write.ts";

/** The probability of each token under the policy. */
const probabilityOf = ({ logProbs }: Pick<TokenEvidence, "logProbs">): Tensor =>
  exp(bounded(logProbs()));

/** The options of {@linkcode probability}. */
export interface ProbabilityOptions {
  /** The exponent of the probability, above 0 (default 1). */
  readonly power?: number;
}

/**
 * The probability of a token, to a power q: `p^q`. As a weight of the nll it gives the gradient of
 * `(1 - p^q) / q` (arXiv 2510.00526): SFT's as q goes to 0, dynamic fine-tuning's at 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { probability } from "@unitune/objectives";
 *
 * assertEquals([probability(), probability({ power: 2 })].map(({ formula }) => formula.text), [
 *   "p_bt",
 *   "p_bt^2",
 * ]);
 * ```
 *
 * @param options The exponent.
 * @returns The weight.
 * @throws {RangeError} If the exponent is not above 0.
 */
export function probability(
  { power = 1 }: ProbabilityOptions = {},
): TokenWeight<Pick<TokenEvidence, "logProbs">> {
  checkOptions("probability", { power: ranges.positive }, { power });
  return {
    of: ({ logProbs }) => exp(mul(bounded(logProbs()), power)),
    formula: { text: power === 1 ? "p_bt" : `p_bt^${power}`, binding: "letter" },
    where: {},
    slot: "denominator",
    by: write.pow(p, power),
  };
}

/**
 * The uncertainty of a token, `p (1 - p)`: largest at 1/2, 0 for a token that is certain or
 * impossible (CHORD's phi, arXiv 2508.11408).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { uncertainty } from "@unitune/objectives";
 *
 * const logProbs = tensor([[Math.log(0.5), 0, -Infinity]], { dtype: "f64" });
 * const weights = await uncertainty.of({ logProbs: () => logProbs }).data();
 * assertEquals([...weights], [0.25, 0, 0]);
 * ```
 */
export const uncertainty: TokenWeight<Pick<TokenEvidence, "logProbs">> = {
  of: (evidence) => {
    const p = probabilityOf(evidence);
    return mul(p, sub(1, p));
  },
  formula: { text: "p_bt (1 - p_bt)", binding: "product" },
  where: {},
  slot: "advantage",
  by: write.mul(p, write.sub(ONE, p)),
};

/**
 * The log-ratio of a token to the reference, `log p - log p_ref`. As a weight of the nll it gives the
 * policy gradient of the KL on the policy's own answers, negated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { referenceLogRatio } from "@unitune/objectives";
 *
 * const [logProbs, referenceLogProbs] = [tensor([[-1]]), tensor([[-3]])];
 * assertEquals(await referenceLogRatio.of({ logProbs: () => logProbs, referenceLogProbs }).item(), 2);
 * ```
 */
export const referenceLogRatio: TokenWeight<
  Pick<TokenEvidence, "logProbs"> & Pick<ReferenceEvidence, "referenceLogProbs">
> = {
  of: ({ logProbs, referenceLogProbs }) => logRatio(logProbs(), referenceLogProbs),
  formula: { text: "log(p/p_ref)", binding: "call" },
  where: {},
  slot: "advantage",
  by: logReferenceRatio,
};

/** The options of {@linkcode rarity}. */
export interface RarityOptions {
  /** The exponent of `1 - p`, above 0 (default 1/2, as in RL-PLUS). */
  readonly power?: number;
}

/**
 * The chance of every other token, to a power: `(1 - p)^h`. It favours right tokens that the policy
 * hardly gives (RL-PLUS, arXiv 2508.00222).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { rarity } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-Infinity, 0]], { dtype: "f64" });
 * assertEquals([...await rarity().of({ logProbs: () => logProbs }).data()], [1, 0]);
 * ```
 *
 * @param options The exponent.
 * @returns The weight.
 * @throws {RangeError} If the exponent is not above 0.
 */
export function rarity(
  { power = 0.5 }: RarityOptions = {},
): TokenWeight<Pick<TokenEvidence, "logProbs">> {
  checkOptions("rarity", { power: ranges.positive }, { power });
  return {
    of: ({ logProbs }) => pow(neg(expm1(minimum(bounded(logProbs()), 0))), power),
    formula: { text: `(1 - p_bt)^${power}`, binding: "call" },
    where: {},
    slot: "advantage",
    by: write.pow(write.sub(ONE, p), power),
  };
}

/** The options of {@linkcode bySign}. */
export interface SignOptions<F> {
  /** The weight of tokens whose advantage is above 0, a finite number or a weight (default 1). */
  readonly positive?: number | TokenWeight<F>;
  /** The weight of the other tokens, likewise (default 1). */
  readonly negative?: number | TokenWeight<F>;
}

/** A number as a weight. */
function weightOf<F>(name: string, weight: number | TokenWeight<F>): Omit<TokenWeight<F>, "of"> & {
  readonly of: (evidence: F, dtype: DType) => Tensor;
} {
  if (typeof weight !== "number") return weight;
  checkRange(name, weight, ranges.finite);
  return {
    of: (_evidence, dtype) => asTensor(weight, dtype),
    formula: { text: `${weight}`, binding: "letter" },
    where: {},
    slot: "advantage",
    by: literal(weight),
  };
}

/**
 * A weight by the sign of the advantage, such as 0.1 for right answers and 1 for wrong ones
 * (weighted REINFORCE, arXiv 2506.01347).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bySign } from "@unitune/objectives";
 *
 * assertEquals(bySign({ positive: 0.1 }).formula.text, "A > 0 ? 0.1 : 1");
 * ```
 *
 * @param options Both weights.
 * @returns The weight.
 * @throws {RangeError} If a weight is a number that is not finite.
 */
export function bySign<F = unknown>(
  { positive = 1, negative = 1 }: SignOptions<F> = {},
): TokenWeight<F & Pick<RolloutEvidence, "advantages" | "mask">> {
  const [yes, no] = [
    weightOf("bySign: positive", positive),
    weightOf("bySign: negative", negative),
  ];
  return {
    of(evidence) {
      const { advantages, mask } = evidence;
      const isPositive = greater(perToken("bySign", advantages, mask), 0);
      return where(isPositive, yes.of(evidence, mask.dtype), no.of(evidence, mask.dtype));
    },
    formula: { text: `A > 0 ? ${yes.formula.text} : ${no.formula.text}`, binding: "sum" },
    where: { ...yes.where, ...no.where },
    slot: "advantage",
    by: write.either(write.above(A, ZERO), yes.by, no.by),
  };
}

/** The options of {@linkcode byEntropy}. */
export interface EntropyWeightOptions {
  /** The factor of the entropy in the exponent, finite (default -1: certainty weighs more). */
  readonly factor?: number;
  /** The weight at entropy 0, finite (default 1). */
  readonly scale?: number;
  /** The tokens of which H is the mean: all of a batch, or those of each answer (default `"batch"`). */
  readonly over?: "batch" | "answer";
}

interface EntropyMean {
  /** `[]` of a batch, `[B, 1]` of answers. */
  readonly of: (evidence: EntropyEvidence) => Tensor;
  /** The definition of H. */
  readonly text: string;
  readonly by: Expression;
}

const entropyMeans: Readonly<Record<"batch" | "answer", EntropyMean>> = {
  batch: {
    of: ({ entropy, mask }) => maskedMean(entropy(), mask),
    text: "mean entropy of the batch",
    by: write.meanOfBatch(quantity("H_bt")),
  },
  answer: {
    of: ({ entropy, mask }) => maskedMean(entropy(), mask, { axes: [-1], keepDims: true }),
    text: "mean_t H_bt",
    by: write.meanOfAnswer(quantity("H_bt")),
  },
};

/**
 * A weight by the mean entropy H of answer tokens, `c e^(f H)` (SRFT, arXiv 2506.19767). Where H is
 * the mean of a batch, a batch that is cut into micro-batches has other weights.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { byEntropy } from "@unitune/objectives";
 *
 * const evidence = { entropy: () => tensor([[1, 3, 9]]), mask: tensor([[1, 1, 0]]) };
 * assertAlmostEquals(await byEntropy({ scale: 2 }).of(evidence).item(), 2 * Math.exp(-2), 1e-7);
 * ```
 *
 * @param options The factor, the scale, and the tokens of the mean.
 * @returns The weight.
 * @throws {RangeError} If a number is not finite, or the tokens are unknown.
 */
export function byEntropy(
  { factor = -1, scale = 1, over = "batch" }: EntropyWeightOptions = {},
): TokenWeight<EntropyEvidence> {
  checkName("byEntropy: over", over, entropyMeans);
  const mean = entropyMeans[over];
  checkOptions("byEntropy", { factor: ranges.finite, scale: ranges.finite }, { factor, scale });
  const text = `e^(${factor === 1 ? "" : factor === -1 ? "-" : `${factor} `}H)`;
  return {
    of: (evidence) => mul(exp(mul(mean.of(evidence), factor)), scale),
    formula: { text: scale === 1 ? text : `${scale} ${text}`, binding: "product" },
    where: { H: mean.text },
    slot: "advantage",
    by: write.mul(
      literal(scale),
      write.exp(write.mul(literal(factor), named("H", mean.by))),
    ),
  };
}

/** The options of {@linkcode trusted}. */
export interface TrustOptions {
  /** How far a probability may move from the old one, from 0 (default 0.2). */
  readonly distance?: number;
}

/**
 * A trust region in probabilities (DPPO, arXiv 2602.04879): 0 where the policy has already moved a
 * token further than a distance, in the direction of its advantage; else 1. Where ratios of rare
 * tokens are large, differences of their probabilities are not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { log, ones, tensor } from "@unitune/core";
 * import { trusted } from "@unitune/objectives";
 *
 * const weights = trusted({ distance: 0.2 }).of({
 *   logProbs: () => log(tensor([[0.5, 0.5, 0.5]])),
 *   oldLogProbs: log(tensor([[0.2, 0.4, 0.8]])),
 *   advantages: tensor([[1, 1, 1]]),
 *   mask: ones([1, 3]),
 * });
 * assertEquals([...await weights.data()], [0, 1, 1]);
 * ```
 *
 * @param options The distance.
 * @returns The weight.
 * @throws {RangeError} If the distance is below 0.
 */
export function trusted({ distance = 0.2 }: TrustOptions = {}): TokenWeight<RolloutEvidence> {
  checkOptions("trusted", { distance: ranges.nonNegative }, { distance });
  return {
    of({ logProbs, oldLogProbs, advantages, mask }) {
      const moved = sub(probabilityOf({ logProbs }), exp(bounded(oldLogProbs)));
      const a = perToken("trusted", advantages, mask);
      const beyond = or(
        and(greater(a, 0), greater(moved, distance)),
        and(less(a, 0), less(moved, -distance)),
      );
      return cast(not(beyond), mask.dtype);
    },
    formula: { text: "keep", binding: "letter" },
    where: { keep: `sign(A) (p - p_old) <= ${distance}` },
    slot: "mask",
    by: write.either(
      write.above(A, ZERO),
      write.atMost(write.sub(p, pOld), literal(distance)),
      write.atMost(write.sub(pOld, p), literal(distance)),
    ),
  };
}

/** The options of {@linkcode cappedRatio}. */
export interface CappedRatioOptions {
  /** The largest ratio, above 0 (default 2). */
  readonly cap?: number;
}

/**
 * The ratio of the policy to the one that sampled, cut at a cap: `min(rho, cap)`. The correction of
 * losses that are expectations over the policy's own answers, where these are some steps old.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cappedRatio } from "@unitune/objectives";
 *
 * assertEquals(cappedRatio().formula.text, "min(rho, 2)");
 * ```
 *
 * @param options The cap.
 * @returns The weight.
 * @throws {RangeError} If the cap is not above 0.
 */
export function cappedRatio(
  { cap = 2 }: CappedRatioOptions = {},
): TokenWeight<Pick<RolloutEvidence, "logProbs" | "oldLogProbs" | "mask">> {
  checkOptions("cappedRatio", { cap: ranges.positive }, { cap });
  return {
    of: ({ logProbs, oldLogProbs, mask }) =>
      minimum(importanceRatio(logProbs(), oldLogProbs, mask), cap),
    formula: { text: `min(rho, ${cap})`, binding: "call" },
    where: { rho: "p/p_old" },
    slot: "advantage",
    by: write.min(ratio, literal(cap)),
  };
}
