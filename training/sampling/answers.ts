/**
 * Answers of a model: the tokens that are learned, and the text that is judged.
 *
 * @module
 */

import {
  type Completion,
  type EncodedSequence,
  generatedIds,
  isEnded,
  textBefore,
  type Tokenizer,
} from "@unitune/models";

/** An answer of a model. */
export interface GivenAnswer {
  /** The generated tokens, with the stop token or the tokens of the stop string that ended them. */
  readonly ids: readonly number[];
  /**
   * The text without the stop token or the stop string. Other special tokens are written by name:
   * `<user>`.
   */
  readonly text: string;
  /** Whether a stop token or a stop string ended the answer; otherwise it was cut off. */
  readonly isEnded: boolean;
  /** The stop string that ended it, if one did. */
  readonly stopString?: string;
  /** Whether the answer is only text. An answer with special tokens inside is never right. */
  readonly isText: boolean;
}

/**
 * Makes an answer of a completion. Its tokens are exactly those that the model generated: of several
 * stop tokens it has the one that was generated, and an answer that was cut off has none, so that it
 * does not teach where to end. The tokens of a stop string are learned, as the stop token is.
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
  const { ids, stopString } = completion;
  return {
    ids: generatedIds(completion),
    text: textBefore(tokenizer.decode(ids, { special: "shown" }), stopString),
    isEnded: isEnded(completion),
    isText: ids.every((id) => !tokenizer.special.has(id)),
    ...stopString !== undefined && { stopString },
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
