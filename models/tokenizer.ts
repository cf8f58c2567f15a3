/**
 * Tokenizers: text to token ids and back. One token a character, or one token a byte; both start
 * with the same five special tokens.
 *
 * A special token has no spelling: `encode` never returns one for any text, so a user who writes
 * `<stop>` gets the characters of `<stop>`.
 *
 * @module
 */

import { quoted } from "@unitune/core";

/** The names of the special tokens; a name's index is its id, in every tokenizer. */
export const specialTokens = ["pad", "stop", "system", "user", "assistant"] as const;

/** The name of a special token. */
export type SpecialToken = typeof specialTokens[number];

/** A tokenizer as it is saved beside a model. */
export type TokenizerConfig =
  | {
    /** One token a character. */
    readonly kind: "characters";
    /** The known characters, in order of code point. */
    readonly characters: string;
  }
  | {
    /** One token a byte of UTF-8. */
    readonly kind: "bytes";
  };

/** Options for decoding ids. */
export interface DecodeOptions {
  /** Whether special tokens are left out, or shown by name: `<user>` (default "skipped"). */
  readonly special?: "skipped" | "shown";
}

/** A reversible map between text and token ids. */
export interface Tokenizer {
  /** The text or byte that an ordinary token stands for. */
  readonly kind: TokenizerConfig["kind"];
  /** The size of the vocabulary, special tokens included: ids are `0 … size - 1`. */
  readonly size: number;
  /** The ids of the special tokens. */
  readonly special: Readonly<Record<SpecialToken, number>>;
  /** The text by which each token is shown to a person; the index is the id. */
  readonly tokens: readonly string[];
  /**
   * The ids of a text; never a special token.
   *
   * @throws {UnknownCharacterError} If a character is not in the vocabulary.
   */
  encode(text: string): number[];
  /**
   * The text of ids. Special tokens are skipped unless the options say otherwise; bytes are joined
   * and read as UTF-8, in which an ill-formed sequence (a generation cut inside a character, say)
   * reads as U+FFFD.
   *
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** The data from which {@linkcode tokenizerFromJSON} builds the same tokenizer again. */
  toJSON(): TokenizerConfig;
}

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
function codePointOf(character: string): number {
  const codePoint = character.codePointAt(0);
  if (codePoint === undefined) throw new RangeError("expected a character, got an empty text");
  return codePoint;
}

function codePointName(character: string): string {
  return `U+${codePointOf(character).toString(16).toUpperCase().padStart(4, "0")}`;
}

const special: Readonly<Record<SpecialToken, number>> = {
  pad: 0,
  stop: 1,
  system: 2,
  user: 3,
  assistant: 4,
};

/** The id of the first ordinary token. */
const offset = specialTokens.length;

const specialDisplay: readonly string[] = specialTokens.map((name) => `<${name}>`);

/**
 * The text of ids: runs of ordinary ones by a function of their own, special ones by name or not at
 * all. Each id is checked to be in the vocabulary.
 */
function decodeRuns(
  ids: Iterable<number>,
  size: number,
  { special = "skipped" }: DecodeOptions,
  textOf: (run: readonly number[]) => string,
): string {
  let text = "";
  let run: number[] = [];
  for (const id of ids) {
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new RangeError(`${id} is not a token id: the vocabulary is 0 … ${size - 1}`);
    }
    if (id >= offset) run.push(id);
    else if (special === "shown") {
      text += textOf(run) + specialDisplay[id];
      run = [];
    }
  }
  return text + textOf(run);
}

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
  const tokens = [...specialDisplay, ...sorted];
  const ids = new Map(sorted.map((character, i) => [character, offset + i]));
  return {
    kind: "characters",
    size: tokens.length,
    special,
    tokens,
    encode: (text) =>
      Array.from(text, (character, position) => {
        const id = ids.get(character);
        if (id === undefined) throw new UnknownCharacterError(character, position);
        return id;
      }),
    decode: (sequence, options = {}) =>
      decodeRuns(sequence, tokens.length, options, (run) => run.map((id) => tokens[id]).join("")),
    toJSON: () => ({ kind: "characters", characters: sorted.join("") }),
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

/**
 * A tokenizer with one token a byte of UTF-8: 261 tokens that spell every text.
 *
 * Ids 0 … 4 are the special tokens; byte `b` is id `5 + b`. Half a surrogate pair, which UTF-8
 * can't hold, is encoded as U+FFFD.
 *
 * @returns The tokenizer.
 *
 * @example
 * ```ts
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * assertEquals(tokenizer.size, 261);
 * assertEquals(tokenizer.encode("é"), [5 + 0xc3, 5 + 0xa9]);
 * assertEquals(tokenizer.decode(tokenizer.encode("café")), "café");
 * ```
 */
export function byteTokenizer(): Tokenizer {
  const tokens = [...specialDisplay, ...Array.from({ length: 256 }, (_, byte) => showByte(byte))];
  return {
    kind: "bytes",
    size: tokens.length,
    special,
    tokens,
    encode: (text) => Array.from(new TextEncoder().encode(text), (byte) => byte + offset),
    decode: (sequence, options = {}) => {
      // A byte order mark inside a text is one of its characters, so it is kept.
      const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
      return decodeRuns(
        sequence,
        tokens.length,
        options,
        (run) => utf8.decode(Uint8Array.from(run, (id) => id - offset)),
      );
    },
    toJSON: () => ({ kind: "bytes" }),
  };
}

/** Printable ASCII as itself; other bytes, which are no characters on their own, in hexadecimal. */
function showByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f
    ? String.fromCharCode(byte)
    : `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}

/**
 * The tokenizer that a saved configuration describes.
 *
 * @param config The result of {@linkcode Tokenizer.toJSON}, after a way through JSON.
 * @returns A tokenizer with the same ids.
 * @throws {TypeError} If the value is not a tokenizer's configuration.
 *
 * @example
 * ```ts
 * import { characterTokenizer, tokenizerFromJSON } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const saved = JSON.stringify(characterTokenizer("abc"));
 * assertEquals(tokenizerFromJSON(JSON.parse(saved)).encode("cab"), [7, 5, 6]);
 * ```
 */
export function tokenizerFromJSON(config: unknown): Tokenizer {
  if (typeof config !== "object" || config === null || !("kind" in config)) {
    throw new TypeError(
      `A tokenizer's configuration is an object with a "kind", not ${quoted(config)}`,
    );
  }
  if (config.kind === "bytes") return byteTokenizer();
  if (config.kind !== "characters") {
    throw new TypeError(
      `A tokenizer's kind is "characters" or "bytes", not ${quoted(config.kind)}`,
    );
  }
  const characters = "characters" in config ? config.characters : undefined;
  if (typeof characters !== "string" || characters === "" || !characters.isWellFormed()) {
    throw new TypeError(`A character tokenizer's "characters" is a non-empty string`);
  }
  const tokenizer = characterTokenizer(characters);
  // Another order or a repeat means that the file was changed: the ids would not be the model's.
  if (tokenizer.tokens.slice(offset).join("") !== characters) {
    throw new TypeError(`A character tokenizer's "characters" are distinct, by code point`);
  }
  return tokenizer;
}
