/** A loss as a sum and its normalizer. */
import { div, equal, type Tensor, where } from "@unitune/core";

/**
 * A loss as two scalars, `loss = total / normalizer`, each additive over the rows of a batch. So a
 * batch cut into micro-batches gives the same loss as the whole: sum both, then divide.
 */
export interface Loss {
  /** The sum of the losses. */
  readonly total: Tensor;
  /** The normalizer of the sum: a count of tokens, or of sequences. It carries no gradient. */
  readonly normalizer: Tensor;
}

/** `a / b`, and `a` where b is 0: the mean over nothing is 0, not NaN. */
export function safeRatio(a: Tensor, b: Tensor): Tensor {
  return div(a, where(equal(b, 0), 1, b));
}

/**
 * The value of a loss: `total / normalizer`, 0 if nothing was counted (every row masked).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue } from "@unitune/objectives";
 *
 * assertEquals(await lossValue({ total: tensor(6), normalizer: tensor(4) }).item(), 1.5);
 * assertEquals(await lossValue({ total: tensor(0), normalizer: tensor(0) }).item(), 0);
 * ```
 *
 * @param loss The two sums, scalars.
 * @returns Their ratio, a scalar.
 */
export function lossValue({ total, normalizer }: Loss): Tensor {
  return safeRatio(total, normalizer);
}
