/** Log-probabilities and entropies of single tokens from logits, and sums of them under a mask. */
import {
  add,
  asTensor,
  cast,
  clip,
  type DType,
  exp,
  expm1,
  greater,
  less,
  log,
  log1p,
  logSoftmax,
  max,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  type ReduceOptions,
  stopGradient,
  sub,
  sum,
  takeAlongAxis,
  type Tensor,
  where,
} from "@unitune/core";
import { checkTokens } from "./checks.ts";
import { checkMask } from "./host.ts";
import { safeRatio } from "./loss.ts";

/**
 * The log-probability of given tokens: `log p_t = logits_t[a_t] - ln sum_a e^(logits_t[a])`.
 *
 * Position for position: to score a sequence by the model that reads it, give the logits at
 * positions `0..T-2` and the ids at `1..T-1`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { tokenLogProbs } from "@unitune/objectives";
 *
 * const logits = tensor([[[0, 0]]], { dtype: "f64" });
 * const logProbs = tokenLogProbs(logits, tensor([[1]], { dtype: "i32" }));
 * assertAlmostEquals(await logProbs.item(), -Math.LN2);
 * ```
 *
 * @param logits Logits `[..., V]`.
 * @param ids Token ids `[...]` (i32).
 * @returns Log-probabilities `[...]` in nats; NaN for an id that is no token.
 * @throws {ShapeError} If the shapes do not fit.
 */
export function tokenLogProbs(logits: Tensor, ids: Tensor): Tensor {
  return takeAlongAxis(logSoftmax(logits), ids);
}

/**
 * The entropy of the next token: `H_t = -sum_a p_t(a) ln p_t(a)`; impossible tokens add 0.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { tokenEntropy } from "@unitune/objectives";
 *
 * assertAlmostEquals(await tokenEntropy(tensor([5, 5, 5], { dtype: "f64" })).item(), Math.log(3));
 * ```
 *
 * @param logits Logits `[..., V]`.
 * @returns Entropies `[...]` in nats.
 */
export function tokenEntropy(logits: Tensor): Tensor {
  const logProbs = logSoftmax(logits);
  const probs = exp(logProbs);
  return neg(sum(mul(probs, where(greater(probs, 0), logProbs, 0)), { axes: [-1] }));
}

/** x where the mask is 1, and 0 where it is 0, even if x is infinite there. */
export function masked(x: Tensor, mask: Tensor): Tensor {
  return where(notEqual(mask, 0), x, 0);
}

/** One of two numbers for each element of a condition, in a floating-point dtype. */
export function choose(condition: Tensor, yes: number, no: number, dtype: DType): Tensor {
  return where(condition, asTensor(yes, dtype), no);
}

/** The number of positions with a mask of 1, in a floating-point dtype. */
export function maskedCount(mask: Tensor, dtype: DType, options: ReduceOptions = {}): Tensor {
  return sum(cast(mask, dtype), options);
}

/** The number of rows of a mask `[B, T]` with a 1 anywhere: the sequences that have an answer. */
export function countRows(mask: Tensor, dtype: DType): Tensor {
  return sum(max(cast(mask, dtype), { axes: [-1] }));
}

/**
 * The sum of x over the positions where the mask is 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { maskedSum } from "@unitune/objectives";
 *
 * assertEquals(await maskedSum(tensor([1, 2, -Infinity]), tensor([1, 1, 0])).item(), 3);
 * ```
 *
 * @param x Values; values under a 0 are not read, and may be infinite.
 * @param mask 1 or 0 (or a truth value) for each value, in the same shape.
 * @param options The axes to sum over (default: all of them).
 * @returns The sum.
 * @throws {RangeError} If the mask is on the host and neither 0 nor 1 somewhere.
 */
export function maskedSum(x: Tensor, mask: Tensor, options: ReduceOptions = {}): Tensor {
  checkMask("maskedSum", mask);
  return sum(masked(x, mask), options);
}

/**
 * The mean of x over the positions where the mask is 1; 0 where there are none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { maskedMean } from "@unitune/objectives";
 *
 * const x = tensor([[1, 2, 6], [4, 5, 6]]);
 * const mask = tensor([[1, 0, 1], [0, 0, 0]]);
 * assertEquals(await maskedMean(x, mask).item(), 3.5);
 * assertEquals(await maskedMean(x, mask, { axes: [-1] }).data(), new Float32Array([3.5, 0]));
 * ```
 *
 * @param x Values; values under a 0 are not read, and may be infinite.
 * @param mask 1 or 0 (or a truth value) for each value, in the same shape.
 * @param options The axes to average over (default: all of them).
 * @returns The mean.
 * @throws {RangeError} If the mask is on the host and neither 0 nor 1 somewhere.
 */
export function maskedMean(x: Tensor, mask: Tensor, options: ReduceOptions = {}): Tensor {
  checkMask("maskedMean", mask);
  return safeRatio(sum(masked(x, mask), options), maskedCount(mask, x.dtype, options));
}

/** The size that an infinite log-probability counts as: finite, with finite squares in f32. */
const LARGEST_LOG_PROB = 1e15;

/** Log-probabilities with `-Infinity` as -1e15, so that no difference of them is NaN. */
export function bounded(logProbs: Tensor): Tensor {
  return clip(logProbs, -LARGEST_LOG_PROB, LARGEST_LOG_PROB);
}

/** `ln(e^a + e^b)` of finite numbers. */
export function logAddExp(a: Tensor, b: Tensor): Tensor {
  const shift = stopGradient(maximum(a, b));
  return add(log(add(exp(sub(a, shift)), exp(sub(b, shift)))), shift);
}

/** `w x` of weights `w = e^y`; 0 where w is 0, whatever x is, and NaN where w is NaN. */
export function weighedByExp(y: Tensor, x: Tensor): Tensor {
  const weights = exp(y);
  return mul(weights, where(greater(weights, 0), x, 0));
}

/** Beyond this an exponent is cut: e^80 and its products stay finite in f32. */
const LARGEST_EXPONENT = 80;

/** An exponent cut to -80..80, without gradient beyond. */
export function boundedExponent(x: Tensor): Tensor {
  return clip(x, -LARGEST_EXPONENT, LARGEST_EXPONENT);
}

/** `e^x` of a {@linkcode boundedExponent}: finite, with finite gradient. */
export function boundedExp(x: Tensor): Tensor {
  return exp(boundedExponent(x));
}

/** The largest log-probability whose odds are distinguished from certainty. */
const ALMOST_CERTAIN = -1e-6;

/** `log(1 - e^a)` for a < 0, by the one of two forms that keeps its digits. */
function log1mexp(a: Tensor): Tensor {
  const small = less(a, -Math.LN2);
  return where(small, log1p(neg(exp(a))), log(neg(expm1(where(small, -1, a)))));
}

/**
 * The log-odds of probabilities, `log(p / (1 - p))`, from their logarithms. A logarithm above
 * -1e-6 counts as -1e-6: certainty has large odds, not infinite ones.
 */
export function logOdds(logProbs: Tensor): Tensor {
  const below = minimum(bounded(logProbs), ALMOST_CERTAIN);
  return sub(below, log1mexp(below));
}

/**
 * `log (p / q)` of the same tokens or sequences. An impossible one (log-prob `-Infinity`) counts as
 * -1e15, without gradient: so the ratio is 0 where both are impossible, and never NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { logRatio } from "@unitune/objectives";
 *
 * const ratio = logRatio(tensor([-1, -Infinity]), tensor([-3, -Infinity]));
 * assertEquals(await ratio.data(), new Float32Array([2, 0]));
 * ```
 *
 * @param logProbs Log-probabilities under one model, in nats.
 * @param reference Log-probabilities under another model, in the same shape.
 * @returns Their difference.
 */
export function logRatio(logProbs: Tensor, reference: Tensor): Tensor {
  return sub(bounded(logProbs), bounded(reference));
}

/**
 * The log-probability of answers: summed over their tokens, or the average of a token.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { sequenceLogProbs } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-1, -2, -9], [-9, -4, -2]]);
 * const mask = tensor([[1, 1, 0], [0, 1, 1]]);
 * assertEquals(await sequenceLogProbs(logProbs, mask).data(), new Float32Array([-3, -6]));
 * const averages = sequenceLogProbs(logProbs, mask, "mean");
 * assertEquals(await averages.data(), new Float32Array([-1.5, -3]));
 * ```
 *
 * @param logProbs Log-probabilities of tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param reduction Sum or mean over tokens (default `"sum"`).
 * @returns `[B]`; 0 for a row without answer tokens.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function sequenceLogProbs(
  logProbs: Tensor,
  mask: Tensor,
  reduction: "sum" | "mean" = "sum",
): Tensor {
  checkTokens("sequenceLogProbs", logProbs, mask);
  const reduce = reduction === "sum" ? maskedSum : maskedMean;
  return reduce(logProbs, mask, { axes: [-1] });
}
