/**
 * Answers of a model: the tokens that are learned, and the text that is judged.
 *
 * @module
 */

import {
  type Completion,
  type EncodedSequence,
  generatedIds,
  type Tokenizer,
} from "@unitune/models";

/** An answer of a model. */
export interface GivenAnswer {
  /** The generated tokens, with the stop token that ended them if there was one. */
  readonly ids: readonly number[];
  /** The text without the stop token. Other special tokens are written by name: `<user>`. */
  readonly text: string;
  /** Whether the answer ends with a stop token; otherwise it was cut off. */
  readonly isEnded: boolean;
  /** Whether the answer is only text. An answer with special tokens inside is never right. */
  readonly isText: boolean;
}

/**
 * Makes an answer of a completion. Its tokens are exactly those that the model generated: of several
 * stop tokens it has the one that was generated, and an answer that was cut off has none, so that it
 * does not teach where to end.
 *
 * @param tokenizer The tokenizer of the model.
 * @param completion The completion, as a generator returns it.
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
 * const [c = 0, d = 0] = tokenizer.encode("cd");
 * const { ids, text, isEnded, isText } = givenAnswer(tokenizer, { ids: [c, user, d], stop });
 * assertEquals(ids, [c, user, d, stop]);
 * assertEquals([text, isEnded, isText], ["c<user>d", true, false]);
 * ```
 */
export function givenAnswer(
  tokenizer: Pick<Tokenizer, "decode" | "special">,
  completion: Completion,
): GivenAnswer {
  const { ids, stop } = completion;
  return {
    ids: generatedIds(completion),
    text: tokenizer.decode(ids, { special: "shown" }),
    isEnded: stop !== undefined,
    isText: ids.every((id) => !tokenizer.special.has(id)),
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
