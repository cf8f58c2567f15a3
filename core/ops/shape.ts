/** Making tensors, and changing their shapes. */
import { checkComputed, type DType } from "../dtype.ts";
import {
  at,
  checkPosition,
  checkShape,
  normalizeAxis,
  sameShape,
  type Shape,
  ShapeError,
  showShape,
  sizeOf,
} from "../shape.ts";
import { apply, filled } from "../tensor.ts";
import type { Tensor } from "../value.ts";

/**
 * One value everywhere.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { full } from "@unitune/core";
 *
 * assertEquals(await full([2], 7, "i32").data(), new Int32Array([7, 7]));
 * ```
 *
 * @throws {ShapeError} If a size is negative or broken.
 */
export function full(shape: Shape, value: number, dtype: DType = "f32"): Tensor {
  return filled(shape, dtype, value);
}

/**
 * Zeros.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { zeros } from "@unitune/core";
 *
 * assertEquals(await zeros([2]).data(), new Float32Array([0, 0]));
 * ```
 *
 * @throws {ShapeError} If a size is negative or broken.
 */
export function zeros(shape: Shape, dtype: DType = "f32"): Tensor {
  return full(shape, 0, dtype);
}

/**
 * Ones.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ones } from "@unitune/core";
 *
 * assertEquals(await ones([2]).data(), new Float32Array([1, 1]));
 * ```
 *
 * @throws {ShapeError} If a size is negative or broken.
 */
export function ones(shape: Shape, dtype: DType = "f32"): Tensor {
  return full(shape, 1, dtype);
}

/**
 * The index along one axis of a shape, the same along all others.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { iota } from "@unitune/core";
 *
 * assertEquals(await iota([2, 2], 0).data(), new Int32Array([0, 0, 1, 1]));
 * assertEquals(await iota([2, 2], -1).data(), new Int32Array([0, 1, 0, 1]));
 * ```
 *
 * @throws {ShapeError} If the axis does not exist.
 */
export function iota(shape: Shape, axis: number, dtype: DType = "i32"): Tensor {
  checkShape("iota", shape);
  checkComputed("iota", dtype);
  return apply("iota", [], { shape, dtype, axis: normalizeAxis("iota", shape, axis) });
}

/**
 * The integers from 0 to size - 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange } from "@unitune/core";
 *
 * assertEquals(await arange(3).data(), new Int32Array([0, 1, 2]));
 * ```
 *
 * @throws {ShapeError} If the size is negative or broken.
 */
export function arange(size: number, dtype: DType = "i32"): Tensor {
  checkShape("arange", [size]);
  return iota([size], 0, dtype);
}

/**
 * The same elements, in row-major order, in another shape; one axis may be -1, which stands for the
 * size that is left.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, reshape } from "@unitune/core";
 *
 * assertEquals(reshape(arange(6), [2, -1]).shape, [2, 3]);
 * ```
 *
 * @throws {ShapeError} If the shape does not hold as many elements as x has, or is none.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkShape("reshape", shape.map((axis) => axis === -1 ? 1 : axis));
  const known = shape.reduce((size, axis) => axis === -1 ? size : size * axis, 1);
  const free = shape.filter((axis) => axis === -1).length;
  if (free > 1) throw new ShapeError(`reshape: only one axis may be -1 in ${showShape(shape)}`);
  const left = known === 0 ? 0 : sizeOf(x.shape) / known;
  if (free === 1 && !Number.isInteger(left)) {
    throw new ShapeError(
      `reshape: got ${showShape(x.shape)}; expected a multiple of ${known} elements for ` +
        showShape(shape),
    );
  }
  const target = shape.map((axis) => axis === -1 ? left : axis);
  return sameShape(target, x.shape) ? x : apply("reshape", [x], { shape: target });
}

/**
 * The axes in another order: axis i of the result is axis `permutation[i]` of x.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { transpose, zeros } from "@unitune/core";
 *
 * assertEquals(transpose(zeros([2, 3, 4]), [2, 0, 1]).shape, [4, 2, 3]);
 * ```
 *
 * @throws {ShapeError} If the permutation does not name each axis once.
 */
export function transpose(x: Tensor, permutation: readonly number[]): Tensor {
  const axes = Array.from(permutation, (axis) => normalizeAxis("transpose", x.shape, axis));
  return apply("transpose", [x], { permutation: axes });
}

/**
 * The last two axes exchanged: `[..., M, N]` gives `[..., N, M]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor, transposeLast } from "@unitune/core";
 *
 * const x = transposeLast(tensor([[1, 2], [3, 4]]));
 * assertEquals(await x.data(), new Float32Array([1, 3, 2, 4]));
 * ```
 *
 * @throws {ShapeError} If x has fewer than two axes.
 */
export function transposeLast(x: Tensor): Tensor {
  const rank = x.shape.length;
  if (rank < 2) throw new ShapeError(`transposeLast: expected two axes, got ${showShape(x.shape)}`);
  const leading = Array.from({ length: rank - 2 }, (_, axis) => axis);
  return transpose(x, [...leading, rank - 1, rank - 2]);
}

/**
 * x repeated to a shape: aligned at the last axis, axes of size 1 and missing ones stretch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { broadcastTo, tensor } from "@unitune/core";
 *
 * const x = broadcastTo(tensor([[1], [2]]), [2, 2]);
 * assertEquals(await x.data(), new Float32Array([1, 1, 2, 2]));
 * ```
 *
 * @throws {ShapeError} If an axis of x has neither size 1 nor the size that the shape has there.
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  checkShape("broadcastTo", shape);
  if (sameShape(x.shape, shape)) return x;
  const missing = shape.length - x.shape.length;
  const fits = missing >= 0 &&
    x.shape.every((size, axis) => size === 1 || size === shape[axis + missing]);
  if (!fits) {
    throw new ShapeError(
      `broadcastTo: shape ${showShape(x.shape)} does not stretch to ${showShape(shape)}`,
    );
  }
  const raised = reshape(x, [...new Array<number>(missing).fill(1), ...x.shape]);
  return sameShape(raised.shape, shape) ? raised : apply("expand", [raised], { shape });
}

/**
 * An axis of size 1 put in at a position; negative positions count from behind the last axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { unsqueeze, zeros } from "@unitune/core";
 *
 * assertEquals(unsqueeze(zeros([2, 3]), 0).shape, [1, 2, 3]);
 * assertEquals(unsqueeze(zeros([2, 3]), -1).shape, [2, 3, 1]);
 * ```
 *
 * @throws {ShapeError} If the position is not within the result's axes.
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const position = normalizeAxis("unsqueeze", [...x.shape, 1], axis);
  return reshape(x, x.shape.toSpliced(position, 0, 1));
}

/**
 * An axis of size 1 taken out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { squeeze, zeros } from "@unitune/core";
 *
 * assertEquals(squeeze(zeros([2, 1, 3]), 1).shape, [2, 3]);
 * ```
 *
 * @throws {ShapeError} If the axis does not exist or is not of size 1.
 */
export function squeeze(x: Tensor, axis: number): Tensor {
  const position = normalizeAxis("squeeze", x.shape, axis);
  if (x.shape[position] !== 1) {
    throw new ShapeError(`squeeze: axis ${axis} of ${showShape(x.shape)} is not of size 1`);
  }
  return reshape(x, x.shape.toSpliced(position, 1));
}

/**
 * The elements from `start` (included) to `end` (excluded) along one axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, slice } from "@unitune/core";
 *
 * assertEquals(await slice(arange(5), 0, 1, 3).data(), new Int32Array([1, 2]));
 * assertEquals(await slice(arange(5), 0, -2).data(), new Int32Array([3, 4]));
 * ```
 *
 * @param x Any shape with that axis.
 * @param axis The axis; a negative one counts from the back.
 * @param start The first position; a negative one counts from the end.
 * @param end The position after the last; a negative one counts from the end (default: the end).
 * @returns The shape of x but for `end - start` along the axis.
 * @throws {ShapeError} If the axis does not exist, a position is no integer, or not
 * `0 <= start <= end <= size`.
 */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor {
  const position = normalizeAxis("slice", x.shape, axis);
  checkPosition("slice", "start", start);
  if (end !== undefined) checkPosition("slice", "end", end);
  const size = at(x.shape, position);
  const from = start < 0 ? start + size : start;
  const to = end === undefined ? size : end < 0 ? end + size : end;
  return apply("slice", [x], {
    start: x.shape.map((_, i) => i === position ? from : 0),
    end: x.shape.map((full, i) => i === position ? to : full),
  });
}

/**
 * The tensors one after the other along an axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { concat, tensor } from "@unitune/core";
 *
 * const x = concat([tensor([1]), tensor([2, 3])], 0);
 * assertEquals(await x.data(), new Float32Array([1, 2, 3]));
 * ```
 *
 * @throws {ShapeError} If there is no tensor, or they differ in more than that axis.
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors;
  if (first === undefined) throw new ShapeError("concat: expected at least one tensor");
  const position = normalizeAxis("concat", first.shape, axis);
  return tensors.length === 1 ? first : apply("concat", tensors, { axis: position });
}

/**
 * The tensors, all of one shape, along a new axis.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { stack, zeros } from "@unitune/core";
 *
 * assertEquals(stack([zeros([3]), zeros([3])]).shape, [2, 3]);
 * assertEquals(stack([zeros([3]), zeros([3])], -1).shape, [3, 2]);
 * ```
 *
 * @throws {ShapeError} If there is no tensor, or they differ in shape or element type.
 */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(tensors.map((x) => unsqueeze(x, axis)), axis);
}

/**
 * The parts of a tensor cut evenly along an axis: the inverse of {@linkcode concat}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arange, split } from "@unitune/core";
 *
 * const [first, second] = split(arange(4), 2, 0);
 * assertEquals(await first?.data(), new Int32Array([0, 1]));
 * assertEquals(await second?.data(), new Int32Array([2, 3]));
 * ```
 *
 * @throws {ShapeError} If the axis does not exist, the parts are no integer from 1, or do not cut it
 * evenly.
 */
export function split(x: Tensor, parts: number, axis: number): Tensor[] {
  const position = normalizeAxis("split", x.shape, axis);
  const size = at(x.shape, position) / parts;
  if (!Number.isInteger(parts) || parts < 1 || !Number.isInteger(size)) {
    throw new ShapeError(`split: axis ${axis} of ${showShape(x.shape)} has no ${parts} even parts`);
  }
  return Array.from(
    { length: parts },
    (_, i) => slice(x, position, i * size, (i + 1) * size),
  );
}
