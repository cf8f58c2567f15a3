/**
 * Weights of tokens that say which of them teach: the most uncertain ones, those of sequences that
 * the policy still gives, and those before two models have parted.
 */
import {
  add,
  and,
  cast,
  checkOptions,
  div,
  equal,
  floor,
  greater,
  greaterEqual,
  iota,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  neg,
  not,
  notEqual,
  or,
  ranges,
  reshape,
  sizeOf,
  sort,
  stopGradient,
  sub,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import { one } from "./arithmetic.ts";
import { perToken } from "./checks.ts";
import { discountedSum } from "./discount.ts";
import { logRatio, masked, maskedCount, sequenceLogProbs } from "./log_probs.ts";
import type { EntropyEvidence, RolloutEvidence } from "./optimization.ts";
import type { TokenWeight } from "./tokenwise.ts";
import { named, quantity } from "./unified/expression.ts";
import { A, p, pOld } from "./unified/ratios.ts";
import { literal, ONE, write, ZERO } from "./unified/write.ts";

/**
 * The quantile of the values that count, between the two nearest of them in proportion; 0 where none
 * count.
 */
function quantile(values: Tensor, mask: Tensor, level: number): Tensor {
  const { dtype } = values;
  const size = sizeOf(values.shape);
  const counted = where(notEqual(mask, 0), stopGradient(values), Infinity);
  // Values that do not count come last.
  const sorted = sort(reshape(counted, [size]));
  const last = sub(maskedCount(mask, dtype), 1);
  const position = mul(last, level);
  const below = floor(position);
  const at = (place: Tensor) => sum(where(equal(iota([size], 0, dtype), place), sorted, 0));
  const [low, high] = [at(below), at(minimum(add(below, 1), last))];
  return add(low, mul(sub(position, below), sub(high, low)));
}

/** The entropy of a prediction, as an expression. */
const entropyOf = quantity("H_bt");

/** The options of {@linkcode highEntropy}. */
export interface HighEntropyOptions {
  /** The share of tokens that teach, from 0 to 1 (default 0.2). */
  readonly share?: number;
}

/**
 * The tokens at which the policy is most uncertain (arXiv 2506.01939): 1 where a token's entropy is
 * at least the `1 - share` quantile of all answer tokens of the (micro-)batch, else 0. The normalizer
 * still counts all tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { highEntropy } from "@unitune/objectives";
 *
 * const entropy = () => tensor([[0.1, 0.9, 0.3, 5]]);
 * const weights = highEntropy({ share: 0.5 }).of({ entropy, mask: tensor([[1, 1, 1, 0]]) });
 * assertEquals([...await weights.data()], [0, 1, 1, 0]);
 * ```
 *
 * @param options The share.
 * @returns The weight.
 * @throws {RangeError} If the share is not from 0 to 1.
 */
export function highEntropy(
  { share = 0.2 }: HighEntropyOptions = {},
): TokenWeight<EntropyEvidence> {
  checkOptions("highEntropy", { share: ranges.share }, { share });
  const level = { constant: 1 - share, name: `${Number((1 - share).toPrecision(6))}` };
  return {
    of({ entropy, mask }) {
      const own = entropy();
      const high = greaterEqual(own, quantile(own, mask, 1 - share));
      return cast(and(high, notEqual(mask, 0)), own.dtype);
    },
    formula: { text: "high", binding: "letter" },
    where: { high: `H_bt >= quantile ${level.name}` },
    slot: "mask",
    by: write.atMost(
      write.quantile(entropyOf, level),
      entropyOf,
    ),
  };
}

/** The options of {@linkcode onPolicy}. */
export interface OnPolicyOptions {
  /** The largest mean of `log p_old/p` of a sequence with a negative advantage (default 0.5). */
  readonly threshold?: number;
}

/**
 * Off-policy sequence masking (DeepSeek-V3.2, arXiv 2512.02556): 0 for sequences with a negative
 * advantage that the policy has moved away from, `mean_t log p_old/p > threshold`; else 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { onPolicy } from "@unitune/objectives";
 *
 * const weights = onPolicy({ threshold: 0.5 }).of({
 *   logProbs: () => tensor([[-1, -2], [-1, -2], [0, 0]]),
 *   oldLogProbs: tensor([[0, 0], [0, 0], [0, 0]]),
 *   advantages: tensor([1, -1, -1]),
 *   mask: tensor([[1, 1], [1, 1], [1, 1]]),
 * });
 * assertEquals([...await weights.data()], [1, 0, 1]);
 * ```
 *
 * @param options The threshold.
 * @returns The weight.
 * @throws {RangeError} If the threshold is not finite.
 */
export function onPolicy({ threshold = 0.5 }: OnPolicyOptions = {}): TokenWeight<RolloutEvidence> {
  checkOptions("onPolicy", { threshold: ranges.finite }, { threshold });
  return {
    of({ logProbs, oldLogProbs, advantages, mask }) {
      const moved = sequenceLogProbs(logRatio(oldLogProbs, logProbs()), mask, "mean");
      const near = unsqueeze(lessEqual(moved, threshold), -1);
      const isGood = not(less(perToken("onPolicy", advantages, mask), 0));
      return cast(or(isGood, near), mask.dtype);
    },
    formula: { text: "keep_b", binding: "letter" },
    where: { keep: `A >= 0 or mean_t log p_old/p <= ${threshold}` },
    slot: "mask",
    by: write.either(
      write.above(ZERO, A),
      write.atMost(write.meanOfAnswer(write.log(write.div(pOld, p))), literal(threshold)),
      ONE,
    ),
  };
}

/** Below this, the advantages of a sequence sum to nothing. */
const LEAST_TOTAL = 1e-8;

/** The size of an advantage, and the share of an answer's sizes before a token. */
const size = write.max(A, write.neg(A));
const parted = named(
  "parted",
  write.div(
    write.sub(write.before(size, one), size),
    write.max(write.sumOfAnswer(size), literal(LEAST_TOTAL)),
  ),
);

/** The options of {@linkcode early}. */
export interface EarlyOptions {
  /** The gain g of the first token, at least 0 (default 0.5). */
  readonly gain?: number;
}

/**
 * The weight of importance-weighted on-policy distillation (IW-OPD, arXiv 2606.22600):
 * `1 + g (1 - sum_{i<t} |A_i| / sum_i |A_i|)`. Tokens before the policy and its teacher have parted
 * weigh more, since what follows depends on them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { early } from "@unitune/objectives";
 *
 * const [advantages, mask] = [tensor([[-1, 3, 9]]), tensor([[1, 1, 0]])];
 * const weights = await early({ gain: 1 }).of({ advantages, mask }).data();
 * assertEquals([...weights].slice(0, 2), [2, 1.75]);
 * ```
 *
 * @param options The gain.
 * @returns The weight, of advantages of tokens.
 * @throws {RangeError} If the gain is below 0.
 */
export function early(
  { gain = 0.5 }: EarlyOptions = {},
): TokenWeight<Pick<RolloutEvidence, "advantages" | "mask">> {
  checkOptions("early", { gain: ranges.nonNegative }, { gain });
  return {
    of({ advantages, mask }) {
      const own = perToken("early", advantages, mask);
      const sizes = masked(where(greater(own, 0), own, neg(own)), mask);
      const total = sum(sizes, { axes: [-1], keepDims: true });
      const before = sub(total, discountedSum(sizes, 1));
      return add(1, mul(sub(1, div(before, maximum(total, LEAST_TOTAL))), gain));
    },
    formula: { text: `1 + ${gain} (1 - parted)`, binding: "sum" },
    where: { parted: "sum_{i<t} |A_i| / sum_i |A_i|" },
    slot: "advantage",
    by: write.add(ONE, write.mul(literal(gain), write.sub(ONE, parted))),
  };
}
