/**
 * Answers of a model: the tokens that are learned, and the text that is judged.
 *
 * @module
 */

import type { EncodedSequence, Tokenizer } from "@unitune/models";

/** An answer of a model. */
export interface GivenAnswer {
  /** The generated tokens, with the stop token if there was one. */
  readonly ids: readonly number[];
  /** The text without the stop token. Other special tokens are written by name: `<user>`. */
  readonly text: string;
  /** Whether the answer ends with a stop token; otherwise it was cut off. */
  readonly isEnded: boolean;
  /** Whether the answer is only text. An answer with special tokens inside is never right. */
  readonly isText: boolean;
}

/**
 * Makes an answer of generated tokens. The stop token is added only if the model generated it: an
 * answer that was cut off must not teach where to end.
 *
 * @param tokenizer The tokenizer of the model.
 * @param generated The tokens before the stop token, as a generator returns them.
 * @param room The most tokens of the answer. As many tokens mean that there was no stop token.
 * @returns The answer.
 *
 * @example
 * ```ts
 * import { givenAnswer } from "@unitune/training";
 * import { characterTokenizer, specialIds } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("cd");
 * const { user, stop } = specialIds;
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
  const { stop, special } = tokenizer;
  const isEnded = generated.length < room;
  return {
    ids: isEnded ? [...generated, stop] : generated,
    text: tokenizer.decode(generated, { special: "shown" }),
    isEnded,
    isText: generated.every((id) => !special.has(id)),
  };
}

/**
 * A prompt and an answer to it as a sequence, of which the answer is learned.
 *
 * @param prompt The tokens of the prompt.
 * @param answer The tokens of the answer.
 * @returns The sequence.
 */
export function answeredPrompt(
  prompt: readonly number[],
  answer: readonly number[],
): EncodedSequence {
  return {
    ids: [...prompt, ...answer],
    mask: [...prompt.map(() => false), ...answer.map(() => true)],
  };
}

/**
 * The most tokens of a free answer: some more than the longest known answer has, so that the stop
 * token fits and a longer answer is noticed.
 *
 * @param longest The length of the longest known answer, in tokens.
 * @returns The number of tokens.
 */
export function answerLimit(longest: number): number {
  return longest + SPARE_TOKENS;
}

/** The number of tokens that a free answer may have beyond the longest known answer. */
export const SPARE_TOKENS = 4;

/**
 * The most tokens of an answer to a prompt.
 *
 * @param prompt The tokens of the prompt.
 * @param maxNewTokens The most tokens of any answer.
 * @param context The context in tokens.
 * @returns The number of tokens.
 */
export function roomFor(prompt: readonly number[], maxNewTokens: number, context: number): number {
  return Math.min(maxNewTokens, context - prompt.length);
}
