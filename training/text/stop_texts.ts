/**
 * Stop strings as one text, in which a setting holds them.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "./errors.ts";

/** The characters that an escape stands for. */
const escapes: ReadonlyMap<string, string> = new Map([["n", "\n"], ["t", "\t"], ["|", "|"], [
  "\\",
  "\\",
]]);

/**
 * The stop strings that a text lists, separated by `|`. A line end is written `\n`, a tab `\t`; `\|`
 * and `\\` are the characters themselves.
 *
 * @param text The text; undefined for none.
 * @returns The strings.
 * @throws {UserError} If one is empty, or there is another escape.
 *
 * @example
 * ```ts
 * import { stopTexts } from "@unitune/training";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(stopTexts(String.raw`\nUser:|###`), ["\nUser:", "###"]);
 * assertEquals(stopTexts(String.raw`a\|b\\`), ["a|b\\"]);
 * assertThrows(() => stopTexts("a||b"), Error, "a stop string is empty");
 * ```
 */
export function stopTexts(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const strings = [""];
  for (const [piece, escaped] of text.matchAll(/\\(.?)|[^\\]/gsu)) {
    const last = strings.length - 1;
    if (piece === "|") strings.push("");
    else strings[last] += escaped === undefined ? piece : unescaped(text, piece, escaped);
  }
  if (strings.includes("")) {
    throw new UserError(`${quoted(text)}: a stop string is empty; write \\| for the character |`);
  }
  return strings;
}

function unescaped(text: string, piece: string, escaped: string): string {
  const character = escapes.get(escaped);
  if (character !== undefined) return character;
  throw new UserError(
    `${quoted(text)}: a stop string has the escape ${
      quoted(piece)
    }; \\n, \\t, \\| and \\\\ are known`,
  );
}
