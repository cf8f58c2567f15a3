/** Conversations, and what turns them into token ids. */

/** The roles of speakers that every tokenizer knows, in order of appearance. */
export const roles = ["system", "user", "assistant"] as const;

/** The role of a speaker. */
export type Role = typeof roles[number];

/** All roles of speakers: a developer is a second system, a tool answers a call. */
export const chatRoles = [...roles, "developer", "tool"] as const;

/** The role of a speaker in a conversation with tools. */
export type ChatRole = typeof chatRoles[number];

/** One turn of a conversation, in a role that every tokenizer knows. */
export interface Message {
  /** The role of the speaker. */
  readonly role: Role;
  /** The text of the turn. */
  readonly content: string;
}

/**
 * One turn of a conversation, as the chat template of a pretrained model reads it. The object is
 * handed to the template as it is, other fields included.
 */
export interface ChatMessage {
  /** The role of the speaker. */
  readonly role: ChatRole;
  /** The text of the turn; null or absent where the turn consists of calls. */
  readonly content?: string | null;
  /** The assistant's thoughts before the text, where the template has a place for them. */
  readonly reasoning_content?: string;
  /** The same thoughts, under the name that the template of gpt-oss reads. */
  readonly thinking?: string;
  /** The assistant's calls of tools: `{ type: "function", function: { name, arguments } }`. */
  readonly tool_calls?: readonly unknown[];
  /** The call that a tool answers. */
  readonly tool_call_id?: string;
  /** The name of the tool that answers, or of the speaker. */
  readonly name?: string;
}

/** What a conversation is rendered with. */
export interface ChatOptions {
  /** The tools that the assistant may call, as JSON schemas. */
  readonly tools?: readonly unknown[];
  /** More variables of the chat template, such as `enable_thinking`: `chat_template_kwargs`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /**
   * Whether the messages are a text and its continuation, without turns (default false). A chat
   * format shows them as turns; a model without one reads them one after the other.
   */
  readonly plain?: boolean;
  /**
   * The number of ids that are wanted: of a longer conversation, only the first ones are given, and
   * little more of it than they take is encoded (default: all).
   */
  readonly most?: number;
}

/** How a conversation becomes training rows. */
export interface RowOptions extends ChatOptions {
  /** The first message that is learned, if the assistant says it (default 0, all of them). */
  readonly learnedFrom?: number;
}

/** Token ids `[T]` and, for each, whether the model learns to produce it. */
export interface EncodedSequence {
  /** The token ids, `[T]`. */
  readonly ids: readonly number[];
  /** True where the token is a target of training, `[T]`. */
  readonly mask: readonly boolean[];
}

/**
 * The beginning of a sequence.
 *
 * @param sequence The ids and the mask, `[T]`.
 * @param length The most ids that are wanted.
 * @returns The first ids, and their mask; the sequence itself where it has no more.
 *
 * @example
 * ```ts
 * import { firstOf } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const sequence = { ids: [3, 7, 4], mask: [false, false, true] };
 * assertEquals(firstOf(sequence, 2), { ids: [3, 7], mask: [false, false] });
 * ```
 */
export function firstOf(sequence: EncodedSequence, length: number): EncodedSequence {
  const { ids, mask } = sequence;
  if (ids.length <= length) return sequence;
  return { ids: ids.slice(0, length), mask: mask.slice(0, length) };
}

/** Encodes conversations for one model. */
export interface ChatFormat {
  /**
   * A conversation as training rows: one, unless the format shows earlier answers in another form
   * than that in which they were given; then one for each answer, as the model sees it.
   *
   * @throws {ChatError} If the format cannot express the conversation.
   */
  rows(messages: readonly ChatMessage[], options?: RowOptions): readonly EncodedSequence[];
  /**
   * The ids of a conversation up to the assistant's next turn, from which generation starts.
   *
   * @throws {ChatError} If the format cannot express the conversation.
   */
  prompt(messages: readonly ChatMessage[], options?: ChatOptions): readonly number[];
}

/** A conversation that a chat format cannot express. */
export class ChatError extends Error {
  /** The name by which the error is told from others. */
  override readonly name = "ChatError";
}
