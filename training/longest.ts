/**
 * The length of the longest of many.
 *
 * @module
 */

/**
 * The largest length of some elements, by a loop: `Math.max(...lengths)` overflows the stack where
 * there are a hundred thousand of them.
 *
 * @param elements The elements.
 * @param lengthOf The length of one, at least 0.
 * @returns The largest; 0 where there are none.
 *
 * @example
 * ```ts
 * import { longest } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(longest(["a", "abc"], (word) => word.length), 3);
 * assertEquals(longest([], () => 1), 0);
 * ```
 */
export function longest<T>(elements: Iterable<T>, lengthOf: (element: T) => number): number {
  let most = 0;
  for (const element of elements) most = Math.max(most, lengthOf(element));
  return most;
}
