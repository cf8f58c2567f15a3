/**
 * Training rows as pure functions of the seed and of their number, so that a resumed run reads the
 * same rows, and a batch has the same rows however it is split into micro-batches.
 *
 * @module
 */

import { tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import { type Demonstrations, learnedPositions } from "@unitune/objectives";
import { longest } from "../longest.ts";
import { longestRow } from "./fit.ts";
import { inClasses, lengthClasses } from "./lengths.ts";
import { epochOrders, keepingLatest, keptLengths } from "./order.ts";
import { integerFrom, purposes, type Random, randomStream, seedFrom, shuffled } from "../random.ts";
import { rowAt, type RowTable } from "./table.ts";

/** A source of training rows. */
export interface RowSource<Row = EncodedSequence> {
  /** The row with a number, counted from 0 at the start of the stage. */
  row(number: number): Row;
  /** The place of that row in the data: rows of the same place are the same. */
  place(number: number): number;
  /** The number of places that rows can have; infinite where each row has one of its own. */
  readonly places: number;
  /** The length to which rows are padded, in tokens. */
  readonly length: number;
  /** The epoch after a number of rows: how often all data was read. */
  epoch(rows: number): number;
}

/**
 * The seed of a stage's rows. The first stage has the seed of the run.
 *
 * @param seed The seed of the run.
 * @param stage The index of the stage, from 0.
 * @returns The seed of the stage.
 */
export function stageSeed(seed: number, stage: number): number {
  return stage === 0 ? seed : seedFrom(randomStream(seed, purposes.stage, stage));
}

/**
 * Makes a batch of rows, padded at their ends. Padding is masked, so its id does not matter.
 *
 * @param rows The sequences.
 * @param options The length of the batch's rows, the id of padding, and the number of rows
 * (default: as many as given), of which missing ones consist of padding. With the tokens of the
 * vocabulary, the batch says at how few positions a wide token head has to predict.
 * @returns Ids and mask, `[B, T]`.
 * @throws {RangeError} If an id is not an integer, at least 0, or a row and its mask have different
 * lengths.
 *
 * @example
 * ```ts
 * import { toBatch } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { ids: [3, 7, 1], mask: [false, true, true] };
 * const { ids, mask } = toBatch([row], { length: 4, padding: 0, size: 2 });
 * assertEquals(await ids.data(), new Int32Array([3, 7, 1, 0, 0, 0, 0, 0]));
 * assertEquals(await mask.data(), new Float32Array([0, 1, 1, 0, 0, 0, 0, 0]));
 * ```
 */
export function toBatch(
  rows: readonly EncodedSequence[],
  { length, padding, size = rows.length, vocabulary }: {
    readonly length: number;
    readonly padding: number;
    readonly size?: number;
    readonly vocabulary?: number;
  },
): Demonstrations {
  const ids = new Int32Array(size * length).fill(padding);
  const mask = new Float32Array(size * length);
  rows.forEach((row, i) => {
    checkRow(row, i);
    ids.set(row.ids, i * length);
    mask.set(row.mask.map(Number), i * length);
  });
  const shape = [size, length];
  const learned = vocabulary === undefined
    ? undefined
    : learnedPositions(mask, { rows: size, vocabulary });
  return {
    ids: tensor(ids, { shape, dtype: "i32" }),
    mask: tensor(mask, { shape }),
    ...learned !== undefined && { learned },
  };
}

/** Refuses ids that a typed array would convert to other integers. */
function checkRow({ ids, mask }: EncodedSequence, row: number): void {
  if (ids.length !== mask.length) {
    throw new RangeError(
      `toBatch: row ${row} has ${ids.length} ids and a mask of ${mask.length}; expected as many`,
    );
  }
  const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= 2 ** 31);
  if (wrong !== -1) {
    throw new RangeError(
      `toBatch: row ${row} has the id ${ids[wrong]} at ${wrong}; expected an integer from 0`,
    );
  }
}

/**
 * The length to which rows are padded: that of the longest, rounded up to a multiple of 8, so that
 * data of similar lengths shares a program.
 *
 * @param longest The tokens of the longest row.
 * @param context The context in tokens.
 * @returns The number of tokens.
 *
 * @example
 * ```ts
 * import { paddedTo } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([0, 9, 30].map((longest) => paddedTo(longest, 24)), [8, 16, 25]);
 * ```
 */
export function paddedTo(longest: number, context: number): number {
  return Math.min(longestRow(context), Math.ceil(Math.max(2, longest) / 8) * 8);
}

/**
 * The length to which sequences are padded; see {@linkcode paddedTo}.
 *
 * @param rows The sequences.
 * @param context The context in tokens.
 * @returns The number of tokens.
 */
export function paddedLength(rows: readonly EncodedSequence[], context: number): number {
  return paddedTo(longest(rows, ({ ids }) => ids.length), context);
}

/** Places by number, in epochs of `count` places, each in an order of its own. */
function byEpoch(
  count: number,
  orderOf: (epoch: number) => ArrayLike<number>,
): (number: number) => number {
  return (number) => {
    const place = orderOf(Math.floor(number / count))[number % count];
    if (place === undefined) throw new RangeError(`there is no row ${number}`);
    return place;
  };
}

/** Rows of similar length in one batch. */
export interface Bucketing<Row> {
  /** The number of rows of a batch. */
  readonly batchSize: number;
  /** The tokens of a row. */
  readonly lengthOf: (row: Row) => number;
}

/** The batches of a window, within which rows of one class of length are put together. */
const WINDOW = 64;

/**
 * The order of a window: places by number, from the first number of the window to the one before its
 * end. Places that are sorted by class of length are put together in batches as they come, and the
 * batches are shuffled. Batches begin at multiples of their size, so the first and the last may be
 * shorter in this window.
 */
function windowOrder(
  random: Random,
  { first, end, batchSize }: {
    readonly first: number;
    readonly end: number;
    readonly batchSize: number;
  },
  sorted: readonly number[],
): readonly number[] {
  const batches: (readonly number[])[] = [];
  for (let start = first; start < end;) {
    const next = Math.min(end, (Math.floor(start / batchSize) + 1) * batchSize);
    batches.push(Array.from({ length: next - start }, (_, i) => start - first + i));
    start = next;
  }
  const order = new Array<number>(sorted.length);
  shuffled(random, batches).flat().forEach((slot, i) => order[slot] = sorted[i] ?? NaN);
  return order;
}

/**
 * Places by number with rows of one class of length in a batch: the numbers are cut into windows of
 * 64 batches, and at the ends of epochs, and each window has an order of its own.
 */
function inBatches<Row>(
  rows: RowTable<Row>,
  seed: number,
  classes: readonly number[],
  { batchSize, lengthOf }: Bucketing<Row>,
  placeOf: (number: number) => number,
): (number: number) => number {
  const { length: count } = rows;
  const size = WINDOW * batchSize;
  // The numbers from which an epoch and a window of batches begin.
  const epochOf = (number: number) => count * Math.floor(number / count);
  const windowOf = (number: number) => size * Math.floor(number / size);
  const lengthAt = keptLengths(count, (place) => lengthOf(rowAt(rows, place)));
  const orderFrom = keepingLatest((first) => {
    const end = Math.min(epochOf(first) + count, windowOf(first) + size);
    const places = Array.from({ length: end - first }, (_, i) => placeOf(first + i));
    const random = randomStream(seed, purposes.batches, first);
    const sorted = inClasses(classes, places, lengthAt);
    return windowOrder(random, { first, end, batchSize }, sorted);
  });
  return (number) => {
    const first = Math.max(epochOf(number), windowOf(number));
    const place = orderFrom(first)[number - first];
    if (place === undefined) throw new RangeError(`there is no row ${number}`);
    return place;
  };
}

/**
 * Rows in a new random order each epoch. Every row is read once before any row is read again.
 *
 * With `bucketing`, rows of one class of length ({@linkcode lengthClasses}) are put into one batch,
 * so that less is padded: within windows of 64 batches of the random order, and the batches of a
 * window come in a random order. Rows that are all of one class keep the order that they have without
 * it. Either way, the place of a row is a function of the seed and its number.
 *
 * @param rows The rows; at least one.
 * @param seed The seed of the stage.
 * @param length The length of the longest row with its padding, in tokens.
 * @param bucketing The batches, and the lengths of rows (default: rows are not put together).
 * @returns The source.
 *
 * @example
 * ```ts
 * import { inRandomOrder } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const source = inRandomOrder(["a", "b", "c"], 0, 8);
 * assertEquals([0, 1, 2].map((number) => source.row(number)).toSorted(), ["a", "b", "c"]);
 *
 * const lengths = [100, 5, 7, 90];
 * const bucketing = { batchSize: 2, lengthOf: (length: number) => length };
 * const { row } = inRandomOrder(lengths, 0, 104, bucketing);
 * const batches = [[row(0), row(1)], [row(2), row(3)]].map((batch) => batch.toSorted());
 * assertEquals(batches.toSorted((a, b) => Number(a[0]) - Number(b[0])), [[5, 7], [100, 90]]);
 * ```
 */
export function inRandomOrder<Row>(
  rows: RowTable<Row>,
  seed: number,
  length: number,
  bucketing?: Bucketing<Row>,
): RowSource<Row> {
  const { length: count } = rows;
  const random = byEpoch(count, epochOrders(seed, count));
  const classes = lengthClasses(length);
  const placeOf = bucketing === undefined || classes.length === 1
    ? random
    : inBatches(rows, seed, classes, bucketing, random);
  return {
    length,
    places: count,
    epoch: (seen) => seen / count,
    row: (number) => rowAt(rows, placeOf(number)),
    place: placeOf,
  };
}

/**
 * Sequences in a new random order each epoch, padded to the length of the longest.
 *
 * @param sequences The sequences; at least one.
 * @param seed The seed of the stage.
 * @param context The context in tokens.
 * @returns The source.
 *
 * @example
 * ```ts
 * import { shuffledRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const sequences = [5, 6, 7].map((id) => ({ ids: [id, 1], mask: [false, true] }));
 * const source = shuffledRows(sequences, 0, 32);
 * const epoch = [0, 1, 2].map((number) => source.row(number).ids[0]);
 * assertEquals(epoch.toSorted(), [5, 6, 7]);
 * assertEquals(source.epoch(3), 1);
 * ```
 */
export function shuffledRows(
  sequences: readonly EncodedSequence[],
  seed: number,
  context: number,
): RowSource {
  return inRandomOrder(sequences, seed, paddedLength(sequences, context));
}

/**
 * Windows of a text; all tokens of a window but its first are learned. The windows of an epoch are
 * adjacent, from a random start and in a random order, so that each token is learned once before
 * any is learned again, and then in another window.
 *
 * @param ids The tokens of the text; at least two.
 * @param seed The seed of the run.
 * @param context The context in tokens. If the text is shorter, a window is the whole text.
 * @returns The source. An epoch omits less than two windows at the ends of the text.
 *
 * @example
 * ```ts
 * import { windowRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const source = windowRows([5, 6, 7, 8, 9], 0, 2);
 * const { ids: [first = 0, ...rest], mask } = source.row(0);
 * assertEquals(rest, [first + 1, first + 2]);
 * assertEquals(mask, [false, true, true]);
 * assertEquals(source.epoch(2), 2);
 * ```
 */
export function windowRows(ids: ArrayLike<number>, seed: number, context: number): RowSource {
  const length = Math.min(longestRow(context), ids.length);
  // The first token of a window is the last of the window before it.
  const stride = length - 1;
  const count = Math.max(1, Math.floor((ids.length - 1) / stride) - 1);
  const room = ids.length - 1 - count * stride;
  const startsOf = byEpoch(
    count,
    keepingLatest((epoch) => {
      const place = integerFrom(randomStream(seed, purposes.place, epoch), 0, room);
      const starts = Array.from({ length: count }, (_, window) => place + window * stride);
      return shuffled(randomStream(seed, purposes.order, epoch), starts);
    }),
  );
  return {
    length,
    // Windows of some epoch begin at each token that has as many behind it.
    places: ids.length - stride,
    epoch: (rows) => rows / count,
    row: (number) => windowAt(ids, startsOf(number), length),
    place: startsOf,
  };
}

/**
 * A window of a text; all of its tokens but the first are learned.
 *
 * @param ids The tokens of the text.
 * @param start The index of the first token of the window.
 * @param length The number of tokens of the window.
 * @returns The sequence.
 */
export function windowAt(ids: ArrayLike<number>, start: number, length: number): EncodedSequence {
  return {
    ids: Array.from({ length }, (_, i) => ids[start + i] ?? NaN),
    mask: Array.from({ length }, (_, i) => i > 0),
  };
}
