/**
 * Training rows as pure functions of the seed and of their number, so that a resumed run sees what
 * it would have seen, and a batch holds the same rows however it is cut into micro-batches.
 *
 * @module
 */

import { tensor } from "@unitune/core";
import type { EncodedSequence } from "@unitune/models";
import type { Demonstrations } from "@unitune/objectives";
import { longestRow } from "./data/fit.ts";
import { integerFrom, randomStream, shuffled } from "./random.ts";

/** Where training rows come from. */
export interface RowSource<Row = EncodedSequence> {
  /** The row of a number, counted from 0 since the start of the stage. */
  row(number: number): Row;
  /** The tokens that a row is padded to. */
  readonly length: number;
  /** How often the data was seen after so many rows. */
  epoch(rows: number): number;
}

/** The random streams of a run's seed, each for a purpose of its own. */
const purposes = { order: 0, place: 1, stage: 2 } as const;

/**
 * The seed of a stage's rows: the run's for the first, so that a run of one stage is that stage.
 *
 * @param seed The run's seed.
 * @param stage The stage, from 0.
 * @returns The seed.
 */
export function stageSeed(seed: number, stage: number): number {
  return stage === 0
    ? seed
    : integerFrom(randomStream(seed, purposes.stage, stage), 0, 2 ** 32 - 1);
}

/**
 * Rows as a batch, padded at their ends. Padding is masked, so its id does not matter.
 *
 * @param rows The sequences.
 * @param options The tokens of a row, the id that stands for padding, and how many rows the batch
 * has: those that are missing are padding throughout. As many as given, unless told.
 * @returns Ids and mask, `[B, T]`.
 * @throws {RangeError} If an id is no integer from 0, or a row has another length than its mask.
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
  { length, padding, size = rows.length }: {
    readonly length: number;
    readonly padding: number;
    readonly size?: number;
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
  return { ids: tensor(ids, { shape, dtype: "i32" }), mask: tensor(mask, { shape }) };
}

/** Refuses what a typed array would bend into some token. */
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
 * The length that rows are padded to: that of the longest, in steps of 8, so that data of about one
 * length share a program.
 *
 * @param rows The sequences.
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function paddedLength(rows: readonly EncodedSequence[], context: number): number {
  const longest = rows.reduce((length, { ids }) => Math.max(length, ids.length), 2);
  return Math.min(longestRow(context), Math.ceil(longest / 8) * 8);
}

/**
 * Elements by number, of which `count` make an epoch with an order of its own. Numbers are mostly
 * asked for in turn, so the order of one epoch is kept.
 */
function byEpoch<T>(
  orderOf: (epoch: number) => readonly T[],
): (number: number, count: number) => T {
  let current: { readonly epoch: number; readonly order: readonly T[] } | undefined;
  return (number, count) => {
    const epoch = Math.floor(number / count);
    if (current?.epoch !== epoch) current = { epoch, order: orderOf(epoch) };
    const element = current.order[number % count];
    if (element === undefined) throw new RangeError(`there is no row ${number}`);
    return element;
  };
}

/**
 * Rows in a new random order each epoch; every one is seen once before any is seen again.
 *
 * @param rows What there is; at least one.
 * @param seed The stage's seed.
 * @param length The tokens that a row is padded to.
 * @returns The source.
 *
 * @example
 * ```ts
 * import { inRandomOrder } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const source = inRandomOrder(["a", "b", "c"], 0, 8);
 * assertEquals([0, 1, 2].map((number) => source.row(number)).toSorted(), ["a", "b", "c"]);
 * ```
 */
export function inRandomOrder<Row>(
  rows: readonly Row[],
  seed: number,
  length: number,
): RowSource<Row> {
  const { length: count } = rows;
  const rowOf = byEpoch((epoch) => shuffled(randomStream(seed, purposes.order, epoch), rows));
  return { length, epoch: (seen) => seen / count, row: (number) => rowOf(number, count) };
}

/**
 * Sequences in a new random order each epoch, padded to the length of the longest.
 *
 * @param sequences What there is; at least one.
 * @param seed The stage's seed.
 * @param context The tokens that the model sees.
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
 * Windows of a long text; every token of a window but its first is learned. In an epoch they lie
 * side by side, from a random place on and in a random order, so that each token is learned once
 * before any is learned again, and in another window the next time.
 *
 * @param ids The text's tokens; at least two.
 * @param seed The run's seed.
 * @param context The tokens that the model sees; a window is the whole text where that is shorter.
 * @returns The source; an epoch leaves out less than two windows at the ends of the text.
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
  // A window's first token is the last of the window before it.
  const stride = length - 1;
  const count = Math.max(1, Math.floor((ids.length - 1) / stride) - 1);
  const room = ids.length - 1 - count * stride;
  const startsOf = byEpoch((epoch) => {
    const place = integerFrom(randomStream(seed, purposes.place, epoch), 0, room);
    const starts = Array.from({ length: count }, (_, window) => place + window * stride);
    return shuffled(randomStream(seed, purposes.order, epoch), starts);
  });
  return {
    length,
    epoch: (rows) => rows / count,
    row: (number) => windowAt(ids, startsOf(number, count), length),
  };
}

/**
 * A window of a text; every token but its first is learned.
 *
 * @param ids The text's tokens.
 * @param start Where the window begins.
 * @param length The tokens of the window.
 * @returns The sequence.
 */
export function windowAt(ids: ArrayLike<number>, start: number, length: number): EncodedSequence {
  return {
    ids: Array.from({ length }, (_, i) => ids[start + i] ?? 0),
    mask: Array.from({ length }, (_, i) => i > 0),
  };
}
