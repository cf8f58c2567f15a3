/**
 * What a model has answered: which of its tokens are taught, and what text of it is judged.
 *
 * @module
 */

import type { Tokenizer } from "@unitune/models";

/** An answer that a model has given. */
export interface GivenAnswer {
  /** The tokens that the model has said, with its stop token where it has said one. */
  readonly ids: readonly number[];
  /** The text without that stop token. Other special tokens are shown by name: `<user>`. */
  readonly text: string;
  /** Whether the model has ended it by a stop token: if not, it was cut off. */
  readonly isEnded: boolean;
  /** Whether nothing but text stands in it. No answer with a special token inside is right. */
  readonly isText: boolean;
}

/**
 * Reads what was generated. A stop token is added where the model has said it, and nowhere else: an
 * answer that was cut off does not teach how to end.
 *
 * @param tokenizer The model's tokenizer.
 * @param generated The tokens before the stop token, as a generator returns them.
 * @param room The tokens that the model was allowed: as many, and there was no stop token.
 * @returns The answer.
 *
 * @example
 * ```ts
 * import { givenAnswer } from "@unitune/training";
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("cd");
 * const { user, stop } = tokenizer.special;
 * const [c, d] = tokenizer.encode("cd");
 * const { ids, text, isEnded, isText } = givenAnswer(tokenizer, [c ?? 0, user, d ?? 0], 4);
 * assertEquals([text, isEnded, isText], ["c<user>d", true, false]);
 * assertEquals(ids.at(-1), stop);
 * ```
 */
export function givenAnswer(
  tokenizer: Tokenizer,
  generated: readonly number[],
  room: number,
): GivenAnswer {
  const { stop, ...others } = tokenizer.special;
  const isEnded = generated.length < room;
  const special = new Set<number>([stop, ...Object.values(others)]);
  return {
    ids: isEnded ? [...generated, stop] : generated,
    text: tokenizer.decode(generated, { special: "shown" }),
    isEnded,
    isText: generated.every((id) => !special.has(id)),
  };
}

/**
 * The most tokens of a free answer: some more than the longest answer that is known has, so that a
 * longer one is seen to be wrong, and the stop token has room.
 *
 * @param longest The tokens of the longest answer that is known.
 * @returns The number of tokens.
 */
export function answerLimit(longest: number): number {
  return longest + SPARE_TOKENS;
}

/** Tokens that a free answer may have beyond those of the longest answer that is known. */
export const SPARE_TOKENS = 4;

/**
 * The tokens that a model may answer with.
 *
 * @param prompt The prompt's tokens.
 * @param maxNewTokens The most tokens of an answer.
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function roomFor(prompt: readonly number[], maxNewTokens: number, context: number): number {
  return Math.min(maxNewTokens, context - prompt.length);
}
