/**
 * The name that is nearest to a mistyped one.
 *
 * @module
 */

import { squeezed } from "@unitune/objectives";
import { graphemesOf } from "./graphemes.ts";

/**
 * The edit distance of two words: the number of insertions, deletions, replacements and swaps of
 * neighbours that turn one into the other (optimal string alignment). Characters are grapheme
 * clusters.
 *
 * @param a A word.
 * @param b Another word.
 * @returns The number of edits.
 *
 * @example
 * ```ts
 * import { editDistance } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(editDistance("stesp", "steps"), 1);
 * assertEquals(editDistance("sed", "seed"), 1);
 * ```
 */
export function editDistance(a: string, b: string): number {
  return distance(graphemesOf(a), graphemesOf(b));
}

function distance(a: readonly string[], b: readonly string[]): number {
  // Row i holds the distances of the first i letters of a to every prefix of b.
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const at = (distances: number[], k: number) => distances[k] ?? Infinity;
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
        ? at(beforeLast, j - 2) + 1
        : Infinity;
      row.push(Math.min(replaced, swapped, at(last, j) + 1, at(row, j - 1) + 1));
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? NaN;
}

/**
 * The name that a user may have meant. Case and hyphens are ignored.
 *
 * @param word The mistyped name.
 * @param names The known names.
 * @returns The nearest name; undefined if it takes more than 2 edits and more than a third of its
 * letters.
 *
 * @example
 * ```ts
 * import { nearest } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nearest("lerning-rate", ["seed", "learning-rate"]), "learning-rate");
 * assertEquals(nearest("banana", ["seed", "learning-rate"]), undefined);
 * ```
 */
export function nearest(word: string, names: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined;
  const written = squeezed(word);
  for (const name of names) {
    const allowed = Math.max(2, Math.floor(name.length / 3));
    // The edits are at least the difference of the lengths, and a word may be very long.
    if (Math.abs(written.length - squeezed(name).length) > allowed) continue;
    const distance = editDistance(written, squeezed(name));
    if (distance > allowed || distance >= name.length) continue;
    if (best === undefined || distance < best.distance) best = { name, distance };
  }
  return best?.name;
}
