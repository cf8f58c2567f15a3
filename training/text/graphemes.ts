/**
 * Characters as people count them: grapheme clusters (Unicode Annex 29). An accent belongs to its
 * letter, and a family of emoji is one character of eleven UTF-16 code units.
 *
 * @module
 */

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/**
 * Texts in which each code unit is a character. `\r` is excluded, since `\r\n` is one character.
 */
const oneUnitEach = /^[\t\n\x20-\x7e]*$/;

/**
 * Splits a text into characters.
 *
 * @param text The text.
 * @returns The grapheme clusters, in order.
 *
 * @example
 * ```ts
 * import { graphemesOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(graphemesOf("e\u0301👩‍👩‍👧"), ["e\u0301", "👩‍👩‍👧"]);
 * ```
 */
export function graphemesOf(text: string): string[] {
  if (oneUnitEach.test(text)) return text.split("");
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

/**
 * Counts the characters of a text.
 *
 * @param text The text.
 * @returns The number of grapheme clusters.
 *
 * @example
 * ```ts
 * import { graphemeCount } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(graphemeCount("🙂🙃"), 2);
 * ```
 */
export function graphemeCount(text: string): number {
  return oneUnitEach.test(text) ? text.length : graphemesOf(text).length;
}

/**
 * Shortens a text to a number of characters, the last of which is an ellipsis.
 *
 * @param text The text.
 * @param most The most characters, at least 1.
 * @returns The text, or its beginning with an ellipsis.
 *
 * @example
 * ```ts
 * import { shortened } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(shortened("🙂🙃🙂", 2), "🙂…");
 * ```
 */
export function shortened(text: string, most: number): string {
  // Each character has at least one code unit.
  if (text.length <= most) return text;
  const characters = graphemesOf(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
