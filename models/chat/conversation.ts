/** Conversations and texts as token ids, with a mask of the ids that are learned. */

import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import {
  ChatError,
  type ChatFormat,
  type ChatMessage,
  type ChatOptions,
  type EncodedSequence,
  firstOf,
  type RowOptions,
} from "./chat_format.ts";
import { plainFormat } from "./plain_format.ts";

/** The chat format of a tokenizer; without one, it takes texts alone. */
function chatOf(tokenizer: Tokenizer): ChatFormat {
  return tokenizer.chat ?? plainFormat(tokenizer);
}

/**
 * A conversation as training rows, in the tokenizer's chat format.
 *
 * The mask is true on the tokens that the assistant has to produce, in every one of its turns: its
 * content **and the stop token that ends it**, without which a model never learns to end an answer.
 * There is one row, unless the format shows earlier answers in another form than that in which they
 * were given (as Qwen3 drops their thinking). Then there is one row for each answer, as the model
 * sees the conversation when it gives that answer.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation, in order.
 * @param options Tools, variables of the template, and the first message that is learned.
 * @returns Ids and masks of equal length.
 * @throws {ChatError} If the tokenizer has no chat format and the messages are no plain text, or the
 * format cannot express them.
 * @throws {UnknownCharacterError} If a character is not in the vocabulary.
 *
 * @example
 * ```ts
 * import { byteTokenizer, conversationRows } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = conversationRows(byteTokenizer(), [{ role: "assistant", content: "a" }]);
 * assertEquals(rows, [{ ids: [4, 102, 1], mask: [false, true, true] }]);
 * ```
 */
export function conversationRows(
  tokenizer: Tokenizer,
  messages: Iterable<ChatMessage>,
  options: RowOptions = {},
): readonly EncodedSequence[] {
  return chatOf(tokenizer).rows([...messages], options);
}

/**
 * A conversation as one training row; see {@linkcode conversationRows}.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation, in order.
 * @param options Tools, variables of the template, and the first message that is learned.
 * @returns Ids and mask of equal length.
 * @throws {ChatError} If the conversation takes more than one row, or cannot be expressed.
 * @throws {UnknownCharacterError} If a character is not in the vocabulary.
 *
 * @example
 * ```ts
 * import { characterTokenizer, encodeConversation } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("ab");
 * const { ids, mask } = encodeConversation(tokenizer, [
 *   { role: "user", content: "ab" },
 *   { role: "assistant", content: "b" },
 * ]);
 * assertEquals(ids.map((id) => tokenizer.tokens[id]).join(""), "<user>ab<assistant>b<stop>");
 * assertEquals(mask, [false, false, false, false, true, true]);
 * ```
 */
export function encodeConversation(
  tokenizer: Tokenizer,
  messages: Iterable<ChatMessage>,
  options: RowOptions = {},
): EncodedSequence {
  const [row, ...others] = conversationRows(tokenizer, messages, options);
  if (row !== undefined && others.length === 0) return row;
  throw new ChatError(
    `The chat template changes earlier answers, so the conversation takes ${others.length + 1} ` +
      `rows, one for each answer: encode it by conversationRows, or learn its last answer only`,
  );
}

/**
 * A conversation up to the assistant's next turn, from which generation starts.
 *
 * With `messages` and then an answer, {@linkcode encodeConversation} begins with exactly these ids.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation so far.
 * @param options Tools and variables of the template.
 * @returns The ids.
 * @throws {ChatError} If the tokenizer has no chat format and the messages are no plain text, or the
 * format cannot express them.
 * @throws {UnknownCharacterError} If a character is not in the vocabulary.
 *
 * @example
 * ```ts
 * import { characterTokenizer, encodePrompt } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("ab");
 * const ids = encodePrompt(tokenizer, [{ role: "user", content: "ab" }]);
 * assertEquals(ids.map((id) => tokenizer.tokens[id]).join(""), "<user>ab<assistant>");
 * ```
 */
export function encodePrompt(
  tokenizer: Tokenizer,
  messages: Iterable<ChatMessage>,
  options: ChatOptions = {},
): readonly number[] {
  return chatOf(tokenizer).prompt([...messages], options);
}

/**
 * Plain text as a training sequence: every token of the text is learned. The beginning token of a
 * model that has one comes first, and is not learned.
 *
 * @param tokenizer The tokenizer.
 * @param text The text.
 * @param most The number of ids that are wanted: of a longer text, only the first ones are given
 * (default: all).
 * @returns Ids and a mask that is true on all tokens of the text.
 * @throws {UnknownCharacterError} If a character is not in the vocabulary.
 *
 * @example
 * ```ts
 * import { characterTokenizer, encodeText } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const sequence = encodeText(characterTokenizer("ab"), "ba");
 * assertEquals(sequence, { ids: [6, 5], mask: [true, true] });
 * ```
 */
export function encodeText(
  tokenizer: Tokenizer,
  text: string,
  most: number = Infinity,
): EncodedSequence {
  const { begin } = tokenizer;
  const said = tokenizer.encode(text, most);
  const mask = [...begin.map(() => false), ...said.map(() => true)];
  return firstOf({ ids: [...begin, ...said], mask }, most);
}
