/** The positions that a token head predicts at. */
import {
  argsort,
  cast,
  equal,
  gather,
  reshape,
  type Shape,
  sizeOf,
  slice,
  type Tensor,
} from "@unitune/core";
import { isManyLogits } from "./vocabulary_blocks.ts";

/** The positions that predictions are needed at. */
export interface Positions {
  /** 1 where one is needed, 0 elsewhere, `[B, T]`. */
  readonly mask: Tensor;
  /** The most positions with a 1, an integer from 1. */
  readonly count: number;
}

/** A tensor at some positions only, and back. */
export interface Selection {
  /** The entries at the positions, of `[B, T, ...row]` those of `[count, ...row]`. */
  readonly select: (x: Tensor) => Tensor;
  /** Entries `[count]` at their positions, `[B, T]`; NaN elsewhere, and 0 for integers. */
  readonly spread: (x: Tensor) => Tensor;
}

/**
 * The selection of positions: those with a 1 in their order, then as many others as are missing. A
 * position with a 1 that is none of the first `count` ones has no prediction: NaN, which no loss hides.
 */
export function selectionOf({ mask, count }: Positions): Selection {
  const { shape } = mask;
  const size = sizeOf(shape);
  // Stable: positions with a 1 come first, each kind in its order.
  const order = argsort(reshape(cast(equal(mask, 0), "i32"), [size]));
  const [first, rank] = [slice(order, 0, 0, count), argsort(order)];
  return {
    select(x) {
      const row = x.shape.slice(shape.length);
      return gather(reshape(x, [size, ...row]), first);
    },
    spread: (x) => reshape(gather(x, rank), shape),
  };
}

/** The positions, if they are fewer than all. */
export function fewerThanAll(needed: Positions | undefined): Positions | undefined {
  return needed !== undefined && needed.count < sizeOf(needed.mask.shape) ? needed : undefined;
}

/** The selection of all positions of a shape, `[B, T]` or another one. */
export function everywhere(shape: Shape): Selection {
  return {
    select: (x) => reshape(x, [sizeOf(shape), ...x.shape.slice(shape.length)]),
    spread: (x) => reshape(x, shape),
  };
}

/** Shares of the positions of a batch that are predicted at, ascending: each is a program. */
const SHARES = [1 / 8, 1 / 4, 1 / 2] as const;

/**
 * The number of positions that a batch is predicted at, so that batches share few programs: the least
 * of an eighth, a quarter and half of its positions that all learned tokens fit in.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { learnedPositions } from "@unitune/objectives";
 *
 * // 100 of the 1,023 tokens that are predicted.
 * const mask = Float32Array.from({ length: 1024 }, (_, t) => t < 100 ? 1 : 0);
 * assertEquals(learnedPositions(mask, { rows: 1, vocabulary: 50_257 }), 128);
 * assertEquals(learnedPositions(mask, { rows: 1, vocabulary: 65 }), undefined);
 * ```
 *
 * @param mask The mask of a batch, `[B, T]`, in row-major order.
 * @param sizes The rows B of the batch, and the tokens of the vocabulary.
 * @returns The positions; undefined where more are learned, or where all logits are few.
 */
export function learnedPositions(
  mask: ArrayLike<number>,
  { rows, vocabulary }: { readonly rows: number; readonly vocabulary: number },
): number | undefined {
  const length = mask.length / rows;
  const positions = rows * (length - 1);
  if (!isManyLogits(positions, vocabulary)) return undefined;
  // The first token of a row is predicted by none.
  let learned = 0;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] !== 0 && i % length !== 0) learned++;
  }
  return SHARES.map((share) => Math.ceil(share * positions)).find((count) => learned <= count);
}
