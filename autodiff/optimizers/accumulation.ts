/** Accumulation: one gradient from several batches. */
import {
  add,
  cast,
  div,
  equal,
  full,
  mapTree,
  mul,
  type Tensor,
  where,
  zeros,
  zipTrees,
} from "@unitune/core";
import type { ValueAndGradient } from "../vjp.ts";

/**
 * A loss `total / normalizer` and its gradient before the division. Both parts add up over batches,
 * so that several small batches have the gradient of the large batch that they make up: the mean is
 * taken once, over everything, and is no mean of means.
 */
export interface Accumulation<P> {
  /** The sum of losses, a scalar. */
  readonly total: Tensor;
  /** The normalizer of the sum, such as a count of tokens; a scalar. */
  readonly normalizer: Tensor;
  /** The gradient of the total. */
  readonly gradient: P;
}

/**
 * An accumulation of nothing.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { emptyAccumulation } from "@unitune/autodiff";
 *
 * const { gradient, total } = emptyAccumulation({ w: tensor([1, 2]) });
 * assertEquals(await gradient.w.data(), new Float32Array([0, 0]));
 * assertEquals(await total.item(), 0);
 * ```
 *
 * @param params The parameters.
 * @returns Zeros.
 */
export function emptyAccumulation<P>(params: P): Accumulation<P> {
  return {
    total: full([], 0),
    normalizer: full([], 0),
    gradient: mapTree(params, ({ shape, dtype }) => zeros(shape, dtype)),
  };
}

/**
 * Two accumulations as one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { accumulate, emptyAccumulation } from "@unitune/autodiff";
 *
 * const gradient = tensor([3]);
 * const batch = { total: tensor(6), normalizer: tensor(2), gradient };
 * const both = accumulate(accumulate(emptyAccumulation(gradient), batch), batch);
 * assertEquals(await both.normalizer.item(), 4);
 * assertEquals(await both.gradient.item(), 6);
 * ```
 *
 * @param a One accumulation.
 * @param b The other, in the same structure.
 * @returns Their sums.
 */
export function accumulate<P>(a: Accumulation<P>, b: Accumulation<P>): Accumulation<P> {
  return zipTrees(a, b, (x, y) => add(x, y));
}

/**
 * The loss and its gradient: total and gradient divided by the normalizer. Both are 0 where the
 * normalizer is 0, since there was nothing to learn.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { averaged } from "@unitune/autodiff";
 *
 * const { value, gradient } = averaged({
 *   total: tensor(6),
 *   normalizer: tensor(4),
 *   gradient: tensor([2]),
 * });
 * assertEquals([await value.item(), await gradient.item()], [1.5, 0.5]);
 * ```
 *
 * @param accumulation The sums.
 * @returns The means.
 */
export function averaged<P>(
  { total, normalizer, gradient }: Accumulation<P>,
): ValueAndGradient<P> {
  const isEmpty = equal(normalizer, 0);
  const share = where(isEmpty, 0, div(1, where(isEmpty, 1, normalizer)));
  return {
    value: mul(total, cast(share, total.dtype)),
    gradient: mapTree(gradient, (leaf) => mul(leaf, cast(share, leaf.dtype))),
  };
}
