/** One token a character. */

import { quoted } from "@unitune/core";
import { decodeRuns, firstOrdinary, specialPieces, withRoleTokens } from "./role_tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { characterModel, tokenizerFiles } from "./tokenizer_json.ts";
import { codePointOf, UnknownCharacterError } from "./unknown_character.ts";

/** The kind of a character tokenizer. */
export const CHARACTERS = "characters";

/**
 * A tokenizer with one token a character (Unicode code point).
 *
 * Ids 0 … 4 are the special tokens; the characters follow, without repeats, by code point.
 *
 * @param characters The characters to know: a text, or any iterable of single characters.
 * @returns The tokenizer; its size is 5 plus the number of distinct characters.
 * @throws {RangeError} If there is no character, or an entry that is not one character.
 *
 * @example
 * ```ts
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("hello");
 * assertEquals(tokenizer.tokens.slice(5), ["e", "h", "l", "o"]);
 * assertEquals(tokenizer.encode("hole"), [6, 8, 7, 5]);
 * assertEquals(tokenizer.decode([3, 6, 8, 7, 5, 1]), "hole");
 * ```
 */
export function characterTokenizer(characters: Iterable<string>): Tokenizer {
  const sorted = [...new Set(characters)].sort(byCodePoint);
  if (sorted.length === 0) throw new RangeError("A character tokenizer needs a character");
  for (const character of sorted) {
    if (!isCharacter(character)) {
      throw new RangeError(`${quoted(character)} is not a single character`);
    }
  }
  const tokens = [...specialPieces, ...sorted];
  const ids = new Map(sorted.map((character, i) => [character, firstOrdinary + i]));
  const encode = (text: string, most = Infinity) => {
    const found: number[] = [];
    for (const character of text) {
      if (found.length >= most) break;
      const id = ids.get(character);
      if (id === undefined) throw new UnknownCharacterError(character, found.length);
      found.push(id);
    }
    return found;
  };
  return {
    ...withRoleTokens(encode),
    kind: CHARACTERS,
    size: tokens.length,
    tokens,
    encode,
    decode: (sequence, options = {}) =>
      decodeRuns(sequence, tokens.length, options, (run) => run.map((id) => tokens[id]).join("")),
    files: () => tokenizerFiles(characterModel(sorted)),
  };
}

function byCodePoint(a: string, b: string): number {
  return codePointOf(a) - codePointOf(b);
}

/** One code point and not half a surrogate pair, which would merge with a neighbour when joined. */
function isCharacter(text: string): boolean {
  const codePoint = text.codePointAt(0);
  return codePoint !== undefined && text.isWellFormed() &&
    text.length === String.fromCodePoint(codePoint).length;
}
