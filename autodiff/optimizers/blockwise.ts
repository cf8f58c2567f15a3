/**
 * Blockwise dynamic quantization (Dettmers, Lewis, Shleifer and Zettlemoyer, "8-bit optimizers via
 * block-wise quantization", 2022): numbers in blocks of 256, each block divided by its largest
 * magnitude, each number the nearest of 256 that are denser near 0.
 *
 * The numbers of a map are 0, 1 and, for each decade from 1e-6 to 1, the middles of equal parts of
 * `[0.1, 1]` of it: 2^i parts of decade i and their negatives, or 2^(i + 1) parts where all numbers are
 * positive. So the nearest is computed from its decade, and no table is read.
 */
import {
  abs,
  add,
  broadcastTo,
  cast,
  clip,
  concat,
  div,
  floor,
  full,
  iota,
  less,
  lessEqual,
  max,
  minimum,
  mul,
  neg,
  reshape,
  type Shape,
  sizeOf,
  slice,
  sub,
  type Tensor,
  unsqueeze,
  where,
  zeros,
} from "@unitune/core";

/** Numbers of a block. */
export const BLOCK = 256;

/** Codes in a word. */
const CODES = 4;

/** The decades of a map: decade i ends with `10^(i - 6)`. */
const DECADES = [0, 1, 2, 3, 4, 5, 6] as const;

/** The kind of a map: of numbers of both signs, or of positive ones. */
export type MapKind = "signed" | "positive";

/** Parts of a decade. */
const partsOf = (kind: MapKind, decade: number): number =>
  2 ** (kind === "signed" ? decade : decade + 1);

/** Positive numbers of a map before a decade, 1 for the 0. */
const startOf = (kind: MapKind, decade: number): number =>
  kind === "signed" ? 2 ** decade : 2 ** (decade + 1) - 1;

/** The middle of a part of a decade. */
const middleOf = (kind: MapKind, decade: number, part: number): number =>
  10 ** (decade - 6) * (0.1 + 0.9 * (part + 0.5) / partsOf(kind, decade));

/** The number of the code of 1; behind it there is none. */
const ONE: Readonly<Record<MapKind, number>> = { signed: 128, positive: 255 };

/** Numbers in 8 bits each. */
export interface Quantized {
  /** Four codes a word, u32 `[B, 64]`: byte j of word k is that of number `64 j + k` of the block. */
  readonly codes: Tensor;
  /** The largest magnitude of each block, `[B]`. */
  readonly largest: Tensor;
}

/** The value of a constant by the decade that a tensor is in: the last whose limit it reaches. */
function byDecade(
  x: Tensor,
  limitOf: (decade: number) => number,
  valueOf: (decade: number) => number,
): Tensor {
  return DECADES.slice(1).reduce(
    (value, decade) => where(less(x, limitOf(decade)), value, valueOf(decade)),
    full(x.shape, valueOf(0), x.dtype),
  );
}

/** The number from 0 on of the positive number of a map that is nearest to a magnitude up to 1. */
function nearest(kind: MapKind, size: Tensor): Tensor {
  // Between the last middle of a decade and the first of the next.
  const limitOf = (decade: number) =>
    (middleOf(kind, decade - 1, partsOf(kind, decade - 1) - 1) + middleOf(kind, decade, 0)) / 2;
  const by = (valueOf: (decade: number) => number) => byDecade(size, limitOf, valueOf);
  const parts = by((decade) => partsOf(kind, decade));
  const share = mul(sub(mul(size, by((decade) => 10 ** (6 - decade))), 0.1), 1 / 0.9);
  const part = clip(floor(mul(share, parts)), 0, sub(parts, 1));
  const code = add(part, by((decade) => startOf(kind, decade)));
  const top = (middleOf(kind, 6, partsOf(kind, 6) - 1) + 1) / 2;
  const some = where(lessEqual(size, top), code, ONE[kind]);
  return where(lessEqual(size, middleOf(kind, 0, 0) / 2), 0, some);
}

/** The magnitude of the number of a map, counted from 0 on. */
function magnitudeOf(kind: MapKind, code: Tensor): Tensor {
  const by = (valueOf: (decade: number) => number) =>
    byDecade(code, (decade) => startOf(kind, decade), valueOf);
  const part = add(sub(code, by((decade) => startOf(kind, decade))), 0.5);
  const share = add(mul(part, by((decade) => 0.9 / partsOf(kind, decade))), 0.1);
  const size = mul(share, by((decade) => 10 ** (decade - 6)));
  return where(less(code, 1), 0, where(less(code, ONE[kind]), size, 1));
}

/** The code of the 0 of a map: the negative numbers come before it. */
const ZERO: Readonly<Record<MapKind, number>> = { signed: 127, positive: 0 };

/** The codes, as floats, of numbers from -1 to 1. */
function encoded(kind: MapKind, x: Tensor): Tensor {
  const number = nearest(kind, abs(x));
  if (kind === "positive") return number;
  // There is no -1.
  return where(less(x, 0), sub(ZERO[kind], minimum(number, ZERO[kind])), add(number, ZERO[kind]));
}

/** The numbers of codes, which are floats. */
function decoded(kind: MapKind, code: Tensor): Tensor {
  const number = sub(code, ZERO[kind]);
  const size = magnitudeOf(kind, abs(number));
  return kind === "positive" ? size : where(less(number, 0), neg(size), size);
}

/**
 * A tensor of n numbers in blocks, `[ceil(n / 256), 4, 64]`; the last is filled with zeros.
 *
 * @param x The tensor.
 * @returns Its blocks.
 */
export function inBlocks(x: Tensor): Tensor {
  const size = sizeOf(x.shape);
  const blocks = Math.ceil(size / BLOCK);
  const rest = blocks * BLOCK - size;
  const flat = reshape(x, [size]);
  const filled = rest === 0 ? flat : concat([flat, zeros([rest], x.dtype)], 0);
  return reshape(filled, [blocks, CODES, BLOCK / CODES]);
}

/**
 * Numbers out of their blocks.
 *
 * @param blocks The blocks, `[B, 4, 64]`.
 * @param shape The shape of the tensor.
 * @returns The tensor, without the filling.
 */
export function outOfBlocks(blocks: Tensor, shape: Shape): Tensor {
  const size = sizeOf(shape);
  return reshape(slice(reshape(blocks, [-1]), 0, 0, size), shape);
}

/**
 * Blocks of numbers in 8 bits each.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { dequantized, inBlocks, outOfBlocks, quantized } from "@unitune/autodiff";
 *
 * const x = tensor([0, 0.5, 2]);
 * const blocks = dequantized("signed", quantized("signed", inBlocks(x)));
 * const [zero, half = NaN, two] = await outOfBlocks(blocks, [3]).data();
 * assertEquals([zero, Math.abs(half - 0.5) < 0.01, two], [0, true, 2]);
 * ```
 *
 * @param kind The kind of the map.
 * @param blocks The blocks, `[B, 4, 64]`.
 * @returns Their codes, and the largest magnitude of each block.
 */
export function quantized(kind: MapKind, blocks: Tensor): Quantized {
  const largest = max(abs(blocks), { axes: [1, 2] });
  const divisor = where(lessEqual(largest, 0), 1, largest);
  const codes = cast(
    encoded(kind, div(blocks, unsqueeze(unsqueeze(divisor, -1), -1))),
    "u32",
  );
  const [count] = blocks.shape;
  const byte = (j: number) =>
    mul(reshape(slice(codes, 1, j, j + 1), [count ?? 0, BLOCK / CODES]), 2 ** (8 * j));
  return { codes: [1, 2, 3].reduce((word, j) => add(word, byte(j)), byte(0)), largest };
}

/**
 * The numbers of blocks in 8 bits.
 *
 * @param kind The kind of the map.
 * @param blocks Codes, and the largest magnitude of each block.
 * @returns The blocks, `[B, 4, 64]`.
 */
export function dequantized(kind: MapKind, { codes, largest }: Quantized): Tensor {
  const [count = 0, width = 0] = codes.shape;
  const words = broadcastTo(unsqueeze(codes, 1), [count, CODES, width]);
  const row = iota([count, CODES, width], 1);
  const shifted = [1, 2, 3].reduce(
    (word, j) => where(less(row, j), word, div(words, 2 ** (8 * j))),
    words,
  );
  const byte = sub(shifted, mul(div(shifted, 256), 256));
  return mul(decoded(kind, cast(byte, largest.dtype)), unsqueeze(unsqueeze(largest, -1), -1));
}
