/**
 * The chat template: conversations to token ids, and a mask of the ids that are learned.
 *
 * A message is its role's token and its content; an assistant's content ends with `<stop>`:
 *
 *     <system> content  <user> content  <assistant> content <stop>  <user> content …
 *
 * @module
 */

import type { Tokenizer } from "./tokenizer.ts";

/** The roles of speakers, in order of appearance. */
export const roles = ["system", "user", "assistant"] as const;

/** The role of a speaker. */
export type Role = typeof roles[number];

/** One turn of a conversation. */
export interface Message {
  /** The role of the speaker. */
  readonly role: Role;
  /** The text of the turn. */
  readonly content: string;
}

/** Token ids `[T]` and, for each, whether the model learns to produce it. */
export interface EncodedSequence {
  /** The token ids, `[T]`. */
  readonly ids: readonly number[];
  /** True where the token is a target of training, `[T]`. */
  readonly mask: readonly boolean[];
}

/**
 * A conversation as a training sequence.
 *
 * The mask is true on the tokens that the assistant has to produce, in every one of its turns: its
 * content **and the `<stop>` that ends it**, without which a model never learns to end an answer.
 * Role tokens are given, not produced.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation, in order.
 * @returns Ids and mask of equal length.
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
  messages: Iterable<Message>,
): EncodedSequence {
  const ids: number[] = [];
  const mask: boolean[] = [];
  for (const { role, content } of messages) {
    const said = tokenizer.encode(content);
    const learned = role === "assistant";
    if (learned) said.push(tokenizer.special.stop);
    ids.push(tokenizer.special[role]);
    mask.push(false);
    for (const id of said) {
      ids.push(id);
      mask.push(learned);
    }
  }
  return { ids, mask };
}

/**
 * A conversation up to the assistant's next turn, from which generation starts.
 *
 * With `messages` and then an answer, {@linkcode encodeConversation} begins with exactly these ids.
 *
 * @param tokenizer The tokenizer.
 * @param messages The conversation so far.
 * @returns The ids; the last one is `<assistant>`.
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
export function encodePrompt(tokenizer: Tokenizer, messages: Iterable<Message>): number[] {
  return [...encodeConversation(tokenizer, messages).ids, tokenizer.special.assistant];
}

/**
 * Plain text as a training sequence: every token is learned, and no special token is added.
 *
 * @param tokenizer The tokenizer.
 * @param text The text.
 * @returns Ids and a mask that is true throughout.
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
export function encodeText(tokenizer: Tokenizer, text: string): EncodedSequence {
  const ids = tokenizer.encode(text);
  return { ids, mask: ids.map(() => true) };
}
