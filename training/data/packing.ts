/**
 * Packing: rows of data behind each other in one row of tokens, so that hardly anything is padded.
 *
 * @module
 */

import type { EncodedSequence } from "@unitune/models";
import { purposes, randomStream, shuffled } from "../random.ts";
import type { RowSource } from "./batches.ts";
import { longestRow } from "./fit.ts";
import { epochOrders, keepingLatest, keptLengths } from "./order.ts";
import { rowAt, type RowTable } from "./table.ts";

/** Rows of data in one row of tokens. */
export interface PackedRow extends EncodedSequence {
  /** The rows, in their order. */
  readonly texts: readonly EncodedSequence[];
}

/**
 * Rows of data behind each other in one row of tokens. The first token of each is not learned, as
 * nothing predicts it.
 *
 * @param texts The rows.
 * @returns The packed row.
 *
 * @example
 * ```ts
 * import { packedRow } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { ids, mask } = packedRow([
 *   { ids: [3, 7], mask: [false, true] },
 *   { ids: [5, 8], mask: [true, true] },
 * ]);
 * assertEquals([ids, mask], [[3, 7, 5, 8], [false, true, false, true]]);
 * ```
 */
export function packedRow(texts: readonly EncodedSequence[]): PackedRow {
  return {
    ids: texts.flatMap(({ ids }) => ids),
    mask: texts.flatMap(({ mask }) => mask.map((isLearned, i) => i > 0 && isLearned)),
    texts,
  };
}

/**
 * Best-fit decreasing: the items, the largest first, are each put into the bin with the least room
 * that has room for it, or into a new one (Johnson 1973; for packing sequences: Krell et al. 2021,
 * arXiv 2107.02027; TRL's strategy `bfd`).
 *
 * @param sizes The size of each item, from 1 to the capacity.
 * @param capacity The size of a bin.
 * @returns The items of each bin by their numbers, in the order in which they were put there.
 * @throws {RangeError} If an item is larger than a bin.
 *
 * @example
 * ```ts
 * import { bestFitDecreasing } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bestFitDecreasing([3, 7, 2, 5, 3], 10), [[1, 0], [3, 4, 2]]);
 * ```
 */
export function bestFitDecreasing(
  sizes: ArrayLike<number>,
  capacity: number,
): readonly (readonly number[])[] {
  const sizeOf = (item: number): number => sizes[item] ?? NaN;
  const items = Array.from({ length: sizes.length }, (_, item) => item)
    .sort((a, b) => sizeOf(b) - sizeOf(a));
  const bins: number[][] = [];
  // The bins with so much room, the first that had it at the end.
  const byRoom = Array.from({ length: capacity + 1 }, (): number[][] => []);
  for (const item of items) {
    const size = sizeOf(item);
    if (size > capacity) {
      throw new RangeError(`bestFitDecreasing: an item of ${size} in bins of ${capacity}`);
    }
    let room = size;
    while (room <= capacity && byRoom[room]?.length === 0) room++;
    const found = byRoom[room]?.pop();
    const bin = found ?? [];
    if (found === undefined) bins.push(bin);
    bin.push(item);
    byRoom[(found === undefined ? capacity : room) - size]?.unshift(bin);
  }
  return bins;
}

/** The rows of a window, within which rows are packed. */
const WINDOW = 1024;

/** A window of an epoch, packed. */
interface PackedWindow {
  /** The number of its first packed row. */
  readonly first: number;
  /** The number of rows of data before it. */
  readonly before: number;
  /** The places of rows in the data, by packed row. */
  readonly packs: readonly (readonly number[])[];
}

/**
 * Rows in a new random order each epoch, packed to the length of the context: within windows of
 * 1,024 rows of that order by {@linkcode bestFitDecreasing}, and the packed rows of a window come in
 * a random order. Every row is read once an epoch. A packed row is a function of the seed and its
 * number; finding it takes the lengths of all rows in the windows before, which are read once.
 *
 * @param rows The rows; at least one, each with at least one token and none longer than the context
 * and a token.
 * @param seed The seed of the stage.
 * @param context The context in tokens.
 * @returns The source.
 *
 * @example
 * ```ts
 * import { packedRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [5, 6, 7].map((id) => ({ ids: [id, 1, 1], mask: [false, true, true] }));
 * const source = packedRows(rows, 0, 8);
 * const { ids, texts } = source.row(0);
 * assertEquals([ids.length, texts.length, source.length, source.epoch(1)], [9, 3, 9, 1]);
 * ```
 */
export function packedRows(
  rows: RowTable<EncodedSequence>,
  seed: number,
  context: number,
): RowSource<PackedRow> {
  const { length: count } = rows;
  const capacity = longestRow(context);
  const perEpoch = Math.ceil(count / WINDOW);
  const lengthAt = keptLengths(count, (place) => rowAt(rows, place).ids.length);
  const orderOf = epochOrders(seed, count);
  const pack = (window: number, first: number): PackedWindow => {
    const epoch = Math.floor(window / perEpoch);
    const start = (window % perEpoch) * WINDOW;
    const places = orderOf(epoch).slice(start, start + WINDOW);
    const bins = bestFitDecreasing(places.map(lengthAt), capacity);
    const packs = bins.map((bin) => bin.map((item) => places[item] ?? NaN));
    const random = randomStream(seed, purposes.packing, window);
    return { first, before: epoch * count + start, packs: shuffled(random, packs) };
  };
  // The number of the first packed row of each window so far, and of the one behind.
  const firsts = [0];
  const windowAt = keepingLatest((window): PackedWindow => {
    const own = pack(window, firsts[window] ?? NaN);
    if (firsts.length === window + 1) firsts.push(own.first + own.packs.length);
    return own;
  });
  const windowOf = (number: number): PackedWindow => {
    for (let known = firsts.length - 1; (firsts[known] ?? NaN) <= number; known++) windowAt(known);
    return windowAt(firsts.findLastIndex((first) => first <= number));
  };
  return {
    length: capacity,
    epoch: (number) => {
      const { first, before, packs } = windowOf(number);
      const read = packs.slice(0, number - first).reduce(
        (total, own) => total + own.length,
        before,
      );
      return read / count;
    },
    row: (number) => {
      const { first, packs } = windowOf(number);
      return packedRow((packs[number - first] ?? []).map((place) => rowAt(rows, place)));
    },
    place: (number) => number,
    places: Infinity,
  };
}
