/**
 * The order of rows: by epoch, and what is kept of it between two of them.
 *
 * @module
 */

import { purposes, randomStream, shuffledNumbers } from "../random.ts";

/**
 * A function of a number that keeps its latest result: numbers mostly come in turn.
 *
 * @param make The function.
 * @returns The same function.
 *
 * @example
 * ```ts
 * import { keepingLatest } from "./order.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const made: number[] = [];
 * const square = keepingLatest((x) => (made.push(x), x ** 2));
 * assertEquals([2, 2, 3, 2].map(square), [4, 4, 9, 4]);
 * assertEquals(made, [2, 3, 2]);
 * ```
 */
export function keepingLatest<T>(make: (number: number) => T): (number: number) => T {
  let latest: { readonly number: number; readonly made: T } | undefined;
  return (number) => {
    if (latest?.number !== number) latest = { number, made: make(number) };
    return latest.made;
  };
}

/**
 * The random order of all rows in each epoch.
 *
 * @param seed The seed of the stage.
 * @param count The number of rows.
 * @returns The places of the rows by epoch.
 */
export function epochOrders(seed: number, count: number): (epoch: number) => Uint32Array {
  return keepingLatest((epoch) =>
    shuffledNumbers(randomStream(seed, purposes.order, epoch), count)
  );
}

/**
 * Lengths by place, which are kept in 4 bytes each: no row is read twice for its length.
 *
 * @param count The number of rows.
 * @param read Reads the length of a row, at least 1.
 * @returns The lengths.
 *
 * @example
 * ```ts
 * import { keptLengths } from "./order.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const asked: number[] = [];
 * const lengthAt = keptLengths(3, (place) => (asked.push(place), place + 1));
 * assertEquals([0, 2, 0].map(lengthAt), [1, 3, 1]);
 * assertEquals(asked, [0, 2]);
 * ```
 */
export function keptLengths(
  count: number,
  read: (place: number) => number,
): (place: number) => number {
  // 0 where a length is not known yet.
  const lengths = new Uint32Array(count);
  return (place) => {
    const known = lengths[place] ?? NaN;
    if (known > 0) return known;
    const length = read(place);
    lengths[place] = length;
    return length;
  };
}
