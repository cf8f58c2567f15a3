/** Clipping by the norm of all gradients together. */
import {
  add,
  cast,
  checkOptions,
  div,
  full,
  leavesOf,
  lessEqual,
  mapTree,
  mul,
  ranges,
  sqrt,
  square,
  sum,
  type Tensor,
  where,
} from "@unitune/core";
import { type GradientTransform, type Stateless, stateless } from "./transform.ts";

/**
 * `sqrt(sum x^2)` over all tensors of a tree: the norm of a gradient.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { globalNorm } from "@unitune/autodiff";
 *
 * assertEquals(await globalNorm({ a: tensor([3]), b: tensor([[4]]) }).item(), 5);
 * ```
 *
 * @param tree Nested records and arrays of floats of one dtype.
 * @returns A scalar.
 */
export function globalNorm(tree: unknown): Tensor {
  const squares = leavesOf(tree).map((leaf) => sum(square(leaf)));
  return squares.length === 0
    ? full([], 0)
    : sqrt(squares.reduce((total, part) => add(total, part)));
}

/**
 * `update min(1, limit / norm)`, where norm is the norm of all updates together (Pascanu, Mikolov
 * and Bengio, "On the difficulty of training recurrent neural networks", 2013). A limit of
 * `Infinity` leaves every update as it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { clipByGlobalNorm } from "@unitune/autodiff";
 *
 * const x = tensor([6, 8]);
 * assertEquals(await clipByGlobalNorm(5).update(x, {}, x).updates.data(), new Float32Array([3, 4]));
 * ```
 *
 * @param limit The largest norm that is left as it is, above 0; `Infinity` disables clipping.
 * @returns The transform.
 * @throws {RangeError} If the limit is not above 0.
 */
export function clipByGlobalNorm(limit: number): GradientTransform<Stateless> {
  checkOptions("clipByGlobalNorm", { limit: ranges.limit }, { limit });
  return stateless((updates) => {
    if (limit === Infinity) return updates;
    const norm = globalNorm(updates);
    // Not a quotient with the larger of both, which has no value where f32 rounds the limit to Infinity.
    const factor = where(lessEqual(norm, limit), 1, div(limit, norm));
    return mapTree(updates, (update) => mul(update, cast(factor, update.dtype)));
  });
}
