/**
 * Prompts and answers in the columns of a row: texts or lists of messages, in which an answer may
 * repeat its prompt.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { ChatMessage, Role } from "@unitune/models";
import type { Source } from "@unitune/training";
import { string, wrong } from "../cells.ts";
import { messageList } from "./messages.ts";

/** A prompt and an answer to it. */
export interface Answered {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The messages of the answer. */
  readonly answer: readonly ChatMessage[];
}

/**
 * The messages in a column: a text is one message of the given role.
 *
 * @param value What the column holds.
 * @param column Its name.
 * @param role The role of a text.
 * @param source The place of the row.
 * @returns The messages.
 * @throws {UserError} If it is neither; the message has the place of the row.
 */
export function side(value: unknown, column: string, role: Role, source: Source): ChatMessage[] {
  return Array.isArray(value)
    ? messageList(value, column, source)
    : [{ role, content: string(value, column, source) }];
}

/** Separates the system messages at the start of a conversation from the rest. */
function withoutSystem(messages: readonly ChatMessage[]) {
  const start = messages.findIndex(({ role }) => role !== "system");
  const end = start < 0 ? messages.length : start;
  return { system: messages.slice(0, end), rest: messages.slice(end) };
}

/** Tells whether a list contains some messages at an index. */
function standAt(
  part: readonly ChatMessage[],
  list: readonly ChatMessage[],
  place: number,
): boolean {
  return part.every(({ role, content, tool_calls }, i) => {
    const other = list[place + i];
    return role === other?.role && content === other.content &&
      JSON.stringify(tool_calls) === JSON.stringify(other.tool_calls);
  });
}

/** Whether the assistant says something in a conversation. */
export function isAnswered(messages: readonly ChatMessage[]): boolean {
  return messages.some(({ role }) => role === "assistant");
}

/**
 * Finds a repeated prompt in a conversation: the whole prompt, perhaps after earlier messages, or
 * only its last messages, from one of the user on. Both lists have no system messages.
 *
 * @returns The end of the prompt and whether all of it is repeated; undefined if the conversation
 * is an answer alone.
 */
function repeated(
  prompt: readonly ChatMessage[],
  said: readonly ChatMessage[],
): { readonly end: number; readonly isWhole: boolean } | undefined {
  const { length } = prompt;
  if (length === 0) return undefined;
  const whole = said.findIndex((_, place) =>
    standAt(prompt, said, place) && isAnswered(said.slice(place + length)) &&
    (place === 0 || said[0]?.role === "user")
  );
  if (whole >= 0) return { end: whole + length, isWhole: true };
  if (said[0]?.role !== "user") return undefined;
  const first = prompt.findIndex((_, i) => standAt(prompt.slice(i), said, 0));
  return first < 0 ? undefined : { end: length - first, isWhole: false };
}

/**
 * The prompt of a row and the assistant's answer from one of its columns. If the messages of the
 * answer repeat the prompt, the answer is read from behind it; earlier messages and system messages
 * there belong to the prompt.
 *
 * @param value What the column holds.
 * @param prompt The messages of the prompt.
 * @param column The name of the column.
 * @param source The place of the row.
 * @returns The prompt and the answer.
 * @throws {UserError} If there is no answer, or none that a model gives; the message has the place.
 */
export function answerIn(
  value: unknown,
  prompt: readonly ChatMessage[],
  column: string,
  source: Source,
): Answered {
  const said = side(value, column, "assistant", source);
  const answered = splitAnswer(prompt, said, column, source);
  requireTurn(answered, source);
  return answered;
}

/** Refuses an answer in which the assistant says nothing. */
export function requireAnswer(
  answer: readonly ChatMessage[],
  column: string,
  source: Source,
): void {
  if (isAnswered(answer)) return;
  throw wrong(source, `${quoted(column)} has no message of the assistant: nothing to learn from`);
}

/** Separates an answer from the messages of the prompt that stand before it. */
function splitAnswer(
  prompt: readonly ChatMessage[],
  said: readonly ChatMessage[],
  column: string,
  source: Source,
): Answered {
  const [asked, given] = [withoutSystem(prompt), withoutSystem(said)];
  const place = repeated(asked.rest, given.rest);
  if (place === undefined) {
    requireAnswer(said, column, source);
    return { prompt, answer: said };
  }
  const { end, isWhole } = place;
  const [own, other] = [asked.system, given.system];
  if (own.length > 0 && other.length > 0 && JSON.stringify(own) !== JSON.stringify(other)) {
    throw wrong(source, `${quoted(column)} repeats the prompt with another message of the system`);
  }
  const answer = given.rest.slice(end);
  requireAnswer(answer, column, source);
  const system = own.length > 0 ? own : other;
  return {
    prompt: [...system, ...(isWhole ? given.rest.slice(0, end) : asked.rest)],
    answer,
  };
}

/**
 * Refuses a prompt that ends with the assistant, where the assistant goes on: TRL reads it now as the
 * beginning of the answer, now as an answer of its own.
 *
 * @param answered The prompt, and the answer where there is one.
 * @param source The place of the row.
 * @throws {UserError} If it does; the message has the place.
 */
export function requireTurn({ prompt, answer }: Answered, source: Source): void {
  const [last, next] = [prompt.at(-1), answer[0]];
  if (last?.role !== "assistant" || (next !== undefined && next.role !== "assistant")) return;
  throw wrong(
    source,
    "the prompt ends with a message of the assistant, which an answer cannot go on with: end it " +
      "with a message of the user or of a tool, and begin the answer with what the assistant has said",
  );
}

/**
 * The prompt of several answers: some of them may have messages from before the prompt.
 *
 * @param asked The prompt in its column.
 * @param answers The answers, each with the prompt that it is to.
 * @param columns The names of the columns of the answers, in words.
 * @param source The place of the row.
 * @returns The one prompt.
 * @throws {UserError} If the answers are to different prompts; the message has the place.
 */
export function samePrompt(
  asked: readonly ChatMessage[],
  answers: readonly Answered[],
  columns: string,
  source: Source,
): readonly ChatMessage[] {
  const told = answers.map(({ prompt }) => prompt).filter((own) => own.length > asked.length);
  const [first = asked] = told;
  if (told.every((own) => JSON.stringify(own) === JSON.stringify(first))) return first;
  throw wrong(source, `${columns} have different messages before the prompt`);
}
