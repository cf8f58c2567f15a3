/** Operations over axes: sums, maxima, products of matrices, and functions composed of them. */
import { isFloat } from "../dtype.ts";
import {
  at,
  broadcastShapes,
  normalizeAxes,
  normalizeAxis,
  ShapeError,
  showShape,
  sizeOf,
} from "../shape.ts";
import { apply } from "../tensor.ts";
import type { Tensor } from "../value.ts";
import { abs, add, div, exp, less, log, stopGradient, sub, where } from "./elementwise.ts";
import { broadcastTo, reshape, squeeze, unsqueeze } from "./shape.ts";

/** The axes to reduce, and whether they stay with size 1. */
export interface ReduceOptions {
  /** The axes, negative ones from the back (default: all of them). */
  readonly axes?: readonly number[];
  /** Whether reduced axes stay, with size 1. */
  readonly keepDims?: boolean;
}

function reduction(op: "sum" | "reduceMax", x: Tensor, options: ReduceOptions): Tensor {
  const all = x.shape.map((_, axis) => axis);
  const axes = normalizeAxes(op, x.shape, options.axes ?? all);
  const reduced = apply(op, [x], { axes });
  return options.keepDims === true
    ? reshape(reduced, x.shape.map((size, axis) => axes.includes(axis) ? 1 : size))
    : reduced;
}

/**
 * The sum over axes; 0 over none. Integers wrap modulo 2^32.
 *
 * Floats are added up in blocks of blocks, so that no term goes through more than some hundred
 * additions. In f32, the sum of up to 2^28 terms is off by at most `2^-14 sum_i |x_i|`, whatever
 * their order, and by about a hundredth of that in practice. The reference backend adds in f64 and
 * rounds once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sum, tensor } from "@unitune/core";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assertEquals(await sum(x).item(), 10);
 * assertEquals(await sum(x, { axes: [-1] }).data(), new Float32Array([3, 7]));
 * ```
 *
 * @throws {ShapeError} If an axis does not exist or is named twice, or x holds truth values.
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduction("sum", x, options);
}

/**
 * The maximum over axes; NaN where an element is NaN. Elements that tie have equal parts of the
 * gradient.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { max, tensor } from "@unitune/core";
 *
 * const x = tensor([[1, 4], [3, 2]]);
 * assertEquals(await max(x).item(), 4);
 * assertEquals(max(x, { axes: [0], keepDims: true }).shape, [1, 2]);
 * ```
 *
 * @throws {ShapeError} If an axis does not exist, is named twice or is empty, or x holds truth values.
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduction("reduceMax", x, options);
}

/**
 * The mean over axes, `sum(x) / n`; NaN over none. The mean of equal integers is that integer, as
 * far as the device divides exactly: WebGPU allows a quotient 2.5 units in the last place.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mean, tensor } from "@unitune/core";
 *
 * assertEquals(await mean(tensor([1, 2, 6])).item(), 3);
 * ```
 *
 * @throws {ShapeError} If an axis does not exist or is named twice, or x is not floating point.
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  if (!isFloat(x.dtype)) throw new ShapeError(`mean: expected floats, got ${x.dtype}`);
  const total = sum(x, options);
  const count = sizeOf(x.shape) / Math.max(1, sizeOf(total.shape));
  return div(total, count);
}

/**
 * The first index of the maximum along an axis, as i32: `[..., N, ...]` gives `[..., ...]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { argmax, tensor } from "@unitune/core";
 *
 * assertEquals(await argmax(tensor([[1, 3, 3], [2, 1, 0]])).data(), new Int32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If the axis does not exist or is empty, or x holds truth values.
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  const position = normalizeAxis("argmax", x.shape, axis);
  return apply("argmax", [x], { axis: position });
}

/**
 * The indices, as i32, that sort the last axis in ascending order; equal elements keep their order,
 * and NaN comes last.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { argsort, tensor } from "@unitune/core";
 *
 * assertEquals(await argsort(tensor([3, 1, 3, 2])).data(), new Int32Array([1, 3, 0, 2]));
 * ```
 *
 * @throws {ShapeError} If x has no axis or holds truth values.
 */
export function argsort(x: Tensor): Tensor {
  return apply("argsort", [x], {});
}

/**
 * `ln sum_i e^x_i` along an axis, shifted by the maximum so that it cannot overflow: Infinity where an
 * element is, -Infinity where all are. As in PyTorch, the gradient of such infinite elements is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { logSumExp, tensor } from "@unitune/core";
 *
 * assertEquals(await logSumExp(tensor([1000, -1000])).item(), 1000);
 * ```
 *
 * @param x Floats.
 * @param axis The axis (default: the last); a negative one counts from the back.
 * @param options `keepDims`: whether the axis stays, with size 1.
 * @returns The shape of x without the axis.
 * @throws {ShapeError} If the axis does not exist or is empty.
 */
export function logSumExp(x: Tensor, axis = -1, options: { keepDims?: boolean } = {}): Tensor {
  const largest = stopGradient(max(x, { axes: [axis], keepDims: true }));
  // Infinity less itself is NaN; by 0, nothing is shifted.
  const shift = where(less(abs(largest), Infinity), largest, 0);
  const total = sum(exp(sub(x, shift)), { axes: [axis], keepDims: true });
  const result = add(log(total), shift);
  return options.keepDims === true ? result : squeeze(result, axis);
}

/**
 * `x_i - ln sum_j e^x_j` along an axis: log-probabilities from logits, of the shape of x. An element
 * that is -Infinity stays so, without a gradient through the others. Where all are, or one is Infinity,
 * the row is NaN, as in PyTorch.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { logSoftmax, tensor } from "@unitune/core";
 *
 * const [logProb = NaN] = await logSoftmax(tensor([0, Math.log(3)])).data();
 * assertAlmostEquals(logProb, Math.log(0.25), 1e-6);
 * ```
 *
 * @throws {ShapeError} If the axis does not exist or is empty.
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const shifted = sub(x, stopGradient(max(x, { axes: [axis], keepDims: true })));
  return sub(shifted, log(sum(exp(shifted), { axes: [axis], keepDims: true })));
}

/**
 * `e^x_i / sum_j e^x_j` along an axis: probabilities from logits, of the shape of x. An element that is
 * -Infinity has probability and gradient 0. Where all are, or one is Infinity, the row is NaN, as in
 * PyTorch.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { softmax, tensor } from "@unitune/core";
 *
 * assertEquals(await softmax(tensor([1000, 1000])).data(), new Float32Array([0.5, 0.5]));
 * ```
 *
 * @throws {ShapeError} If the axis does not exist or is empty.
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  const weights = exp(sub(x, stopGradient(max(x, { axes: [axis], keepDims: true }))));
  return div(weights, sum(weights, { axes: [axis], keepDims: true }));
}

/**
 * The product of matrices `[..., M, K] x [..., K, N] -> [..., M, N]`. Batch axes broadcast; a
 * matrix `[K, N]` on the right is applied to all rows of the left at once. In f32, an element is off by
 * at most `2^-12 sum_k |a_ik b_kj|`, for K up to 2^24.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { matmul, tensor, zeros } from "@unitune/core";
 *
 * const product = matmul(tensor([[1, 2]]), tensor([[3], [4]]));
 * assertEquals(await product.data(), new Float32Array([11]));
 * assertEquals(matmul(zeros([5, 1, 2, 3]), zeros([4, 3, 2])).shape, [5, 4, 2, 2]);
 * ```
 *
 * @throws {ShapeError} If the shapes do not fit, or the operands are not floats of one type.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const [rankA, rankB] = [a.shape.length, b.shape.length];
  if (rankA < 2 || rankB < 2 || at(a.shape, rankA - 1) !== at(b.shape, rankB - 2)) {
    throw new ShapeError(
      `matmul: got ${showShape(a.shape)} and ${showShape(b.shape)}; ` +
        `expected [..., M, K] and [..., K, N]`,
    );
  }
  if (rankA === rankB && rankA === 2) return apply("matmul", [a, b], {});
  if (rankB === 2) {
    const rows = reshape(a, [sizeOf(a.shape.slice(0, -1)), at(a.shape, rankA - 1)]);
    return reshape(apply("matmul", [rows, b], {}), [...a.shape.slice(0, -1), at(b.shape, 1)]);
  }
  const batch = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const spread = (x: Tensor) => broadcastTo(x, [...batch, ...x.shape.slice(-2)]);
  return apply("matmul", [spread(a), spread(b)], {});
}

/**
 * The product of matrices and vectors: `[..., M, K] x [..., K] -> [..., M]`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { matvec, tensor } from "@unitune/core";
 *
 * const y = matvec(tensor([[1, 2], [3, 4]]), tensor([1, 1]));
 * assertEquals(await y.data(), new Float32Array([3, 7]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not fit, or the operands are not floats of one type.
 */
export function matvec(a: Tensor, x: Tensor): Tensor {
  return squeeze(matmul(a, unsqueeze(x, -1)), -1);
}
