/**
 * Characters as people count them: grapheme clusters (Unicode Annex 29). An accent belongs to its
 * letter, and a family of emoji is one character of eleven UTF-16 code units.
 *
 * @module
 */

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Texts whose every code unit is a character: `\r` is none of them, since `\r\n` is one. */
const oneUnitEach = /^[\t\n\x20-\x7e]*$/;

/**
 * The characters of a text.
 *
 * @param text The text.
 * @returns Its grapheme clusters, in order.
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
 * How many characters a text has.
 *
 * @param text The text.
 * @returns The number of its grapheme clusters.
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
 * A text of at most so many characters; where it is longer, an ellipsis takes the place of the last.
 *
 * @param text The text.
 * @param most The most characters, at least 1.
 * @returns The text or its beginning.
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
  // No character is shorter than a code unit.
  if (text.length <= most) return text;
  const characters = graphemesOf(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}
