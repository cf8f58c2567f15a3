/**
 * The largest length of many elements.
 *
 * @module
 */

/**
 * The largest length of some elements, by a loop: `Math.max(...lengths)` overflows the stack with a
 * hundred thousand elements.
 *
 * @param elements The elements.
 * @param lengthOf The length of an element, at least 0.
 * @returns The largest length; 0 without elements.
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
