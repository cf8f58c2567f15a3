/**
 * Deviations from a mean, over the values that count. Equal values deviate by exactly 0, so that no
 * rounding error is left for an epsilon or an optimizer to magnify: the computed mean of equal
 * numbers is in general not that number (`3 x 0.7 / 3` is not 0.7), but their differences from one
 * of them are 0.
 */
import {
  abs,
  add,
  div,
  equal,
  max,
  maximum,
  mul,
  notEqual,
  type ReduceOptions,
  sqrt,
  square,
  stopGradient,
  sub,
  type Tensor,
  where,
} from "@unitune/core";
import { masked, maskedCount, maskedMean, maskedSum } from "./log_probs.ts";

/** One of the values that count: their largest, 0 where there are none. It carries no gradient. */
function oneOf(x: Tensor, counted: Tensor, over: ReduceOptions): Tensor {
  const isNone = equal(maskedCount(counted, x.dtype, over), 0);
  const largest = max(where(notEqual(counted, 0), x, -Infinity), over);
  return stopGradient(where(isNone, 0, largest));
}

/** `x - y`; 0 where they are equal, infinite ones too. */
function minus(x: Tensor, y: Tensor): Tensor {
  return where(equal(x, y), 0, sub(x, y));
}

/** `x - y`, y one of the values that count; 0 where a value does not. */
export function fromOneOf(x: Tensor, counted: Tensor, over: ReduceOptions): Tensor {
  return masked(minus(x, oneOf(x, counted, over)), counted);
}

/**
 * `x - mean`, the mean over the values that count: exactly 0 where they agree. The first mean has a
 * rounding error of the size of the values, the second one of the size of their deviations; so
 * deviations that are small beside the values keep their digits.
 *
 * @param x Values, any shape.
 * @param counted 1 where a value counts, 0 elsewhere, in the same shape.
 * @param over The axes that are averaged over, kept.
 * @returns The deviations, also for values that do not count.
 */
export function centred(x: Tensor, counted: Tensor, over: ReduceOptions): Tensor {
  const one = oneOf(x, counted, over);
  const about = minus(x, add(one, maskedMean(minus(x, one), counted, over)));
  return sub(about, maskedMean(about, counted, over));
}

/** The unbiased variance from deviations that count; 0 where fewer than two do. */
export function varianceOf(deviations: Tensor, counted: Tensor, over: ReduceOptions): Tensor {
  const degrees = maximum(sub(maskedCount(counted, deviations.dtype, over), 1), 1);
  return div(maskedSum(square(deviations), counted, over), degrees);
}

/**
 * The unbiased standard deviation from deviations that count; exactly 0 where values agree. The
 * largest deviation is factored out first, since squares overflow, or underflow to 0, long before
 * it does.
 */
export function standardDeviation(
  deviations: Tensor,
  counted: Tensor,
  over: ReduceOptions,
): Tensor {
  const largest = stopGradient(max(masked(abs(deviations), counted), over));
  const scale = where(equal(largest, 0), 1, largest);
  return mul(sqrt(varianceOf(div(deviations, scale), counted, over)), scale);
}
