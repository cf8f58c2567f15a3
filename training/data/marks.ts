/**
 * Marks: numbers by which equal contents are found.
 *
 * @module
 */

/**
 * A number of 53 bits that depends on every one of some integers and on their order: two states of 32
 * bits, each multiplied by an odd constant after every integer, and mixed by Murmur3's finalizer.
 * Equal integers have equal marks; of a million different contents, two have the same mark with a
 * probability of 6e-5.
 *
 * @param values The integers, such as ids or code units.
 * @param length How many of them count.
 * @returns An integer from 0 to 2^53 - 1.
 *
 * @example
 * ```ts
 * import { markOf } from "@unitune/training";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * assertEquals(markOf([3, 5], 2), markOf([3, 5, 8], 2));
 * assertNotEquals(markOf([3, 5], 2), markOf([5, 3], 2));
 * ```
 */
export function markOf(values: ArrayLike<number>, length: number): number {
  return mixedAll((i) => values[i] ?? NaN, length);
}

/** The mark of values that are asked for by their index: a text is never copied to a list. */
function mixedAll(at: (index: number) => number, length: number): number {
  let [low, high] = [length, ~length];
  for (let i = 0; i < length; i++) {
    const value = at(i);
    low = Math.imul(low ^ value, 0x9e3779b1);
    low ^= low >>> 15;
    high = Math.imul(high ^ value, 0x85ebca77);
    high ^= high >>> 13;
  }
  return (mixed(high) >>> 11) * 2 ** 32 + (mixed(low ^ high) >>> 0);
}

/** Murmur3's finalizer. */
function mixed(bits: number): number {
  let h = bits ^ (bits >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * The mark of a text; see {@linkcode markOf}.
 *
 * @param text The text.
 * @returns An integer from 0 to 2^53 - 1.
 */
export function textMark(text: string): number {
  return mixedAll((i) => text.charCodeAt(i), text.length);
}
