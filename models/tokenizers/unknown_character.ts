/** The refusal of a character that no token spells. */

import { quoted } from "@unitune/core";

/** A text has a character that the tokenizer does not know. */
export class UnknownCharacterError extends Error {
  /** The character. */
  readonly character: string;
  /** Its position in the text, in characters (code points) from 0. */
  readonly position: number;

  /**
   * The error for one character of one text.
   *
   * @param character The character that is not in the vocabulary.
   * @param position Its position, in characters from 0.
   */
  constructor(character: string, position: number) {
    super(
      `The character ${quoted(character)} (${codePointName(character)}) at position ` +
        `${position} is not in the vocabulary: remove it, train with it in the data, or use a ` +
        `byte tokenizer, which knows every text`,
    );
    this.name = "UnknownCharacterError";
    this.character = character;
    this.position = position;
  }
}

/** The first code point of a character. */
export function codePointOf(character: string): number {
  const codePoint = character.codePointAt(0);
  if (codePoint === undefined) throw new RangeError("expected a character, got an empty text");
  return codePoint;
}

function codePointName(character: string): string {
  return `U+${codePointOf(character).toString(16).toUpperCase().padStart(4, "0")}`;
}
