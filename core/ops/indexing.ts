/** Reading and writing at positions that are data. */
import { type DType, isFloat } from "../dtype.ts";
import {
  at,
  checkPosition,
  checkShape,
  normalizeAxis,
  ShapeError,
  showShape,
  sizeOf,
} from "../shape.ts";
import { apply, asTensor, filled, type TensorLike } from "../tensor.ts";
import type { Tensor } from "../value.ts";
import { and, cast, equal, less, lessEqual, where } from "./elementwise.ts";
import { iota, reshape, unsqueeze } from "./shape.ts";
import { argsort, sum } from "./reduce.ts";

/**
 * Rows of a table `[N, ...row]` at `ids [...]`: `[...ids, ...row]`, such as the embeddings of tokens.
 * An id outside 0..N-1 gives a row of NaN (0 for integers), so that a wrong id cannot pass unseen.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 *
 * const rows = gather(tensor([[1, 2], [3, 4]]), tensor([1, 9], { dtype: "i32" }));
 * assertEquals(await rows.data(), new Float32Array([3, 4, NaN, NaN]));
 * ```
 *
 * @throws {ShapeError} If the table has no axis or the ids are not i32.
 */
export function gather(table: Tensor, ids: Tensor): Tensor {
  return apply("gather", [table, ids], {});
}

/**
 * The transpose of {@linkcode gather}: `out[ids[i], ...] += updates[i, ...]` into `rows` rows of
 * zeros, or of a table. Ids outside 0..rows-1 fall away. In f32, an element of up to 2^24 terms is off
 * by at most 2^-13 of the sum of their magnitudes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scatterAdd, tensor } from "@unitune/core";
 *
 * const ids = tensor([2, 0, 2], { dtype: "i32" });
 * assertEquals(await scatterAdd(ids, tensor([1, 2, 3]), 3).data(), new Float32Array([2, 0, 4]));
 * ```
 *
 * @param ids i32 `[...ids]`.
 * @param updates Floats `[...ids, ...row]`.
 * @param rows The number of rows of the result, or the table `[rows, ...row]` that is added to: a
 * program that needs it no more writes in its place.
 * @returns `[rows, ...row]`.
 * @throws {ShapeError} If the ids are not i32, the updates no floats, or their shapes do not fit.
 */
export function scatterAdd(ids: Tensor, updates: Tensor, rows: number | Tensor): Tensor {
  if (typeof rows !== "number") {
    return apply("scatterAdd", [ids, updates, rows], { rows: at(rows.shape, 0) });
  }
  checkShape("scatterAdd", [rows]);
  return apply("scatterAdd", [ids, updates], { rows });
}

/**
 * 1 at each id along a new last axis of a given size, 0 elsewhere: `[...]` gives `[..., size]`. An id
 * outside 0..size-1 has its 1 nowhere.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { oneHot, tensor } from "@unitune/core";
 *
 * const ids = tensor([1, 0], { dtype: "i32" });
 * assertEquals(await oneHot(ids, 2).data(), new Float32Array([0, 1, 1, 0]));
 * ```
 *
 * @throws {ShapeError} If the ids are not i32 or the size is none.
 */
export function oneHot(ids: Tensor, size: number, dtype: DType = "f32"): Tensor {
  checkShape("oneHot", [size]);
  return cast(equal(unsqueeze(ids, -1), iota([...ids.shape, size], -1)), dtype);
}

/**
 * The element of the last axis at each id: `x [..., V]` at `ids [...]` gives `[...]`, such as the
 * log-probabilities of given tokens; NumPy's `take_along_axis(x, ids[..., None], -1)[..., 0]`. As
 * with {@linkcode gather}, an id outside 0..V-1 gives NaN (0 for integers), so that a wrong id cannot
 * pass unseen.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { takeAlongAxis, tensor } from "@unitune/core";
 *
 * const logProbs = tensor([[-1, -2], [-3, -4]]);
 * const tokens = tensor([1, 2], { dtype: "i32" });
 * assertEquals(await takeAlongAxis(logProbs, tokens).data(), new Float32Array([-2, NaN]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not fit or the ids are not i32.
 */
export function takeAlongAxis(x: Tensor, ids: Tensor): Tensor {
  const size = at(x.shape, x.shape.length - 1);
  if (showShape(x.shape.slice(0, -1)) !== showShape(ids.shape)) {
    throw new ShapeError(
      `takeAlongAxis: got x ${showShape(x.shape)} and ids ${showShape(ids.shape)}; ` +
        `expected [..., V] and [...]`,
    );
  }
  const chosen = equal(unsqueeze(ids, -1), iota([...ids.shape, size], -1));
  const picked = sum(where(chosen, x, 0), { axes: [-1] });
  if (!isFloat(x.dtype)) return picked;
  return where(and(lessEqual(0, ids), less(ids, size)), picked, NaN);
}

/**
 * `size` elements along an axis from a start that is data. The start is clamped to fit, so that the
 * result is always `size` long.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, dynamicSlice, tensor } from "@unitune/core";
 *
 * const start = tensor(1, { dtype: "i32" });
 * assertEquals(await dynamicSlice(arange(4), 0, start, 2).data(), new Int32Array([1, 2]));
 * assertEquals(await dynamicSlice(arange(4), 0, 9, 2).data(), new Int32Array([2, 3]));
 * ```
 *
 * @param x Any shape with that axis.
 * @param axis The axis; a negative one counts from the back.
 * @param start The first position, i32: a scalar or, behind the first axis, one for each of its
 * elements, `[N]`.
 * @param size The number of elements.
 * @returns The shape of x but for `size` along the axis.
 * @throws {ShapeError} If the axis does not exist or has fewer elements, or the start is none of these.
 */
export function dynamicSlice(x: Tensor, axis: number, start: TensorLike, size: number): Tensor {
  const position = normalizeAxis("dynamicSlice", x.shape, axis);
  if (typeof start === "number") checkPosition("dynamicSlice", "start", start);
  checkPosition("dynamicSlice", "size", size);
  return apply("dynamicSlice", [x, asTensor(start, "i32")], { axis: position, size });
}

/**
 * x with `update` written along an axis from a start that is data, clamped to fit. A cache is
 * updated in this way, each row at a start of its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { dynamicUpdate, tensor, zeros } from "@unitune/core";
 *
 * const start = tensor(1, { dtype: "i32" });
 * const cache = dynamicUpdate(zeros([3]), 0, start, tensor([7]));
 * assertEquals(await cache.data(), new Float32Array([0, 7, 0]));
 *
 * const starts = tensor([0, 2], { dtype: "i32" });
 * const rows = dynamicUpdate(zeros([2, 3]), 1, starts, tensor([[7], [8]]));
 * assertEquals(await rows.data(), new Float32Array([7, 0, 0, 0, 0, 8]));
 * ```
 *
 * @param x Any shape with that axis.
 * @param axis The axis; a negative one counts from the back.
 * @param start The first position, i32: a scalar or, behind the first axis, one for each of its
 * elements, `[N]`.
 * @param update The elements to write: the shape of x, along the axis at most as long.
 * @returns The shape of x.
 * @throws {ShapeError} If the axis does not exist, the update does not fit, or the start is none of
 * these.
 */
export function dynamicUpdate(x: Tensor, axis: number, start: TensorLike, update: Tensor): Tensor {
  const position = normalizeAxis("dynamicUpdate", x.shape, axis);
  if (typeof start === "number") checkPosition("dynamicUpdate", "start", start);
  return apply("dynamicUpdate", [x, update, asTensor(start, "i32")], { axis: position });
}

/**
 * The last axis in another order: `x [..., N]` at `order [..., N]` gives `[..., N]`, element i being
 * `x[..., order[i]]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { argsort, neg, reorder, tensor } from "@unitune/core";
 *
 * const x = tensor([1, 3, 2]);
 * assertEquals(await reorder(x, argsort(neg(x))).data(), new Float32Array([3, 2, 1]));
 * ```
 *
 * @throws {ShapeError} If the shapes differ or the order is not i32.
 */
export function reorder(x: Tensor, order: Tensor): Tensor {
  const size = at(x.shape, x.shape.length - 1);
  if (showShape(x.shape) !== showShape(order.shape)) {
    throw new ShapeError(
      `reorder: got x ${showShape(x.shape)} and order ${showShape(order.shape)}; ` +
        `expected one shape`,
    );
  }
  const count = sizeOf(x.shape.slice(0, -1));
  const flat = reshape(order, [count, size]);
  const first = iota([count, size], 0);
  const positions = apply("add", [flat, apply("mul", [first, fillLike(first, size)], {})], {});
  return reshape(gather(reshape(x, [-1]), positions), x.shape);
}

function fillLike({ shape, dtype }: Tensor, value: number): Tensor {
  return filled(shape, dtype, value);
}

/**
 * The last axis in ascending order; see {@linkcode argsort}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sort, tensor } from "@unitune/core";
 *
 * assertEquals(await sort(tensor([3, 1, 2])).data(), new Float32Array([1, 2, 3]));
 * ```
 *
 * @throws {ShapeError} If x has no axis or holds truth values.
 */
export function sort(x: Tensor): Tensor {
  return reorder(x, argsort(x));
}
