/** Tokenizers: text to token ids and back. */

import type { ChatFormat } from "../chat/chat_format.ts";

/** Options for decoding ids. */
export interface DecodeOptions {
  /** Whether special tokens are left out, or shown by name: `<user>` (default "skipped"). */
  readonly special?: "skipped" | "shown";
}

/**
 * A reversible map between text and token ids, with the tokens that structure text.
 *
 * Tokenizers may disagree on whether a text can spell a special token. Those of this package never
 * read one from a text; those of pretrained models do, as `transformers` does.
 */
export interface Tokenizer {
  /** A word for the units of text, for people: `"characters"`, `"bytes"`, `"BPE"`. */
  readonly kind: string;
  /** The size of the vocabulary, special tokens included: ids are `0 … size - 1`. */
  readonly size: number;
  /** The piece of each token, for people and for comparison; the index is the id. */
  readonly tokens: readonly string[];
  /** The ids that stand for no text. */
  readonly special: ReadonlySet<number>;
  /** The ids at the start of every text that is no conversation, such as a beginning token. */
  readonly begin: readonly number[];
  /**
   * The id that ends an answer in training data; it is one of {@linkcode Tokenizer.stops}.
   */
  readonly stop: number;
  /** The ids at which generation stops. */
  readonly stops: readonly number[];
  /**
   * The id that fills up the rows of a batch. It is never learned, and no earlier token sees it.
   */
  readonly pad: number;
  /** How conversations are encoded; a base model may have no such format. */
  readonly chat?: ChatFormat;
  /**
   * The ids of a text, without {@linkcode Tokenizer.begin}.
   *
   * @param text The text.
   * @param most The number of ids that are wanted: of a longer text, only the first ones are given,
   * and little more of it than they take is read (default: all).
   * @throws {UnknownCharacterError} If the vocabulary cannot spell a character that is read.
   */
  encode(text: string, most?: number): number[];
  /**
   * The text of ids. Special tokens are skipped unless the options say otherwise; bytes are joined
   * and read as UTF-8, in which an ill-formed sequence (a generation cut inside a character, say)
   * reads as U+FFFD.
   *
   * @throws {RangeError} If an id is not in the vocabulary.
   */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /**
   * The files that `AutoTokenizer` of `transformers` loads the same tokenizer from, by name:
   * `tokenizer.json`, `tokenizer_config.json` and others.
   */
  files(): ReadonlyMap<string, string>;
}

/**
 * Whether two tokenizers give the same ids the same meaning, so that models can exchange ids.
 *
 * @example
 * ```ts
 * import { byteTokenizer, characterTokenizer, hasSameTokens } from "@unitune/models";
 * import { assert } from "@std/assert";
 *
 * assert(hasSameTokens(characterTokenizer("ab"), characterTokenizer("ba")));
 * assert(!hasSameTokens(characterTokenizer("ab"), byteTokenizer()));
 * ```
 *
 * @param a A tokenizer.
 * @param b Another one.
 * @returns Whether kinds, pieces, special tokens and stop tokens are equal.
 */
export function hasSameTokens(a: Tokenizer, b: Tokenizer): boolean {
  return a.kind === b.kind && a.size === b.size && a.pad === b.pad && a.stop === b.stop &&
    a.tokens.every((piece, id) => piece === b.tokens[id]) &&
    a.special.symmetricDifference(b.special).size === 0 &&
    new Set(a.stops).symmetricDifference(new Set(b.stops)).size === 0;
}

/** Checks that an id is in a vocabulary of a size. */
export function requireId(id: number, size: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= size) {
    throw new RangeError(`${id} is not a token id: the vocabulary is 0 … ${size - 1}`);
  }
}
