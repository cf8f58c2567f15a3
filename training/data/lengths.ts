/**
 * Classes of length: the few lengths to which the batches of a stage are padded.
 *
 * @module
 */

/** The most classes: each is a program of its own. */
const MOST_CLASSES = 8;

/**
 * The least tokens between two classes: so much padding costs less than to compile a program for
 * rows without it.
 */
const LEAST_STEP = 64;

/**
 * The lengths to which batches are padded: up to eight even steps to that of the longest row, each
 * a multiple of 8 and at least 64 tokens wide. Each length is a program of its own, so there are few
 * of them.
 *
 * @param longest The length of the longest row, as {@linkcode paddedTo} gives it.
 * @returns The lengths, ascending; the last is `longest`.
 *
 * @example
 * ```ts
 * import { lengthClasses } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lengthClasses(64), [64]);
 * assertEquals(lengthClasses(200), [64, 128, 192, 200]);
 * assertEquals(lengthClasses(1025), [136, 272, 408, 544, 680, 816, 952, 1025]);
 * ```
 */
export function lengthClasses(longest: number): readonly number[] {
  const step = Math.max(LEAST_STEP, 8 * Math.ceil(longest / MOST_CLASSES / 8));
  const count = Math.ceil(longest / step);
  return Array.from({ length: count }, (_, i) => Math.min((i + 1) * step, longest));
}

/**
 * The least class that a length fits in.
 *
 * @param classes The classes, ascending.
 * @param length A number of tokens.
 * @returns The class.
 * @throws {RangeError} If it fits in none.
 *
 * @example
 * ```ts
 * import { classOf } from "@unitune/training";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals([0, 64, 65].map((length) => classOf([64, 128], length)), [64, 64, 128]);
 * assertThrows(() => classOf([64, 128], 129), RangeError);
 * ```
 */
export function classOf(classes: readonly number[], length: number): number {
  const found = classes.find((own) => length <= own);
  if (found === undefined) {
    throw new RangeError(`classOf: ${length} tokens do not fit in ${classes.at(-1)}`);
  }
  return found;
}

/**
 * Rows by the class of their length, ascending; rows of one class keep their order.
 *
 * @param classes The classes, ascending.
 * @param rows The rows.
 * @param lengthOf The tokens of a row.
 * @returns The rows in their new order.
 *
 * @example
 * ```ts
 * import { inClasses } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(inClasses([64, 128], [70, 9, 65, 3], (length) => length), [9, 3, 70, 65]);
 * ```
 */
export function inClasses<Row>(
  classes: readonly number[],
  rows: readonly Row[],
  lengthOf: (row: Row) => number,
): readonly Row[] {
  const classed = rows.map((row) => ({ row, own: classOf(classes, lengthOf(row)) }));
  return classed.sort((a, b) => a.own - b.own).map(({ row }) => row);
}
