/**
 * Which ids of a rendered conversation the assistant has to produce, for any chat template: the
 * conversation is rendered up to each answer and after it, and the ids are compared.
 */

import { quoted } from "@unitune/core";
import { ChatError, type ChatMessage, type EncodedSequence } from "./chat_format.ts";

/** The parts of a chat format that rows are made from. */
export interface Renderer {
  /**
   * The text of a conversation.
   *
   * @param messages The messages.
   * @param isPrompt Whether the header of the assistant's next turn follows.
   */
  readonly render: (messages: readonly ChatMessage[], isPrompt: boolean) => string;
  /** The ids of a rendered text. */
  readonly encode: (text: string) => readonly number[];
  /** The ids at which generation stops. */
  readonly stops: readonly number[];
}

/** A conversation that ends with an answer. */
interface Answer {
  /** The ids of the conversation, `[T]`. */
  readonly ids: readonly number[];
  /** The place of the first id that the assistant produces. */
  readonly start: number;
  /** The place after the last one. */
  readonly end: number;
}

/**
 * A conversation as training rows.
 *
 * For an answer, let `p` be the ids of the conversation before it, with the header of the
 * assistant's turn, and `c` those of the conversation that ends with it. `p` is what generation
 * starts from, so it has to be a prefix of `c`, and the ids that are learned follow it. They end
 * with the last stop token of `c`: generation does not produce the ids of the template after it.
 *
 * If the conversation as a whole begins with the same ids, up to the end of each answer, it is one
 * row. Otherwise, the template shows an earlier answer in another form later on, and each answer
 * has a row of its own, the conversation that ends with it.
 *
 * @param renderer The chat template and the tokenizer.
 * @param messages The conversation.
 * @param learnedFrom The first message that is learned, if the assistant says it.
 * @returns The rows.
 * @throws {ChatError} If the conversation with an answer does not begin with its prompt.
 */
export function prefixRows(
  renderer: Renderer,
  messages: readonly ChatMessage[],
  learnedFrom: number,
): readonly EncodedSequence[] {
  const text = renderer.render(messages, false);
  const ids = renderer.encode(text);
  const answers = messages.flatMap(({ role }, i) =>
    role === "assistant" && i >= learnedFrom ? [answerAt(renderer, messages, i, { text, ids })] : []
  );
  const isWhole = ({ ids: own, end }: Answer) => firstDifference(own.slice(0, end), ids) >= end;
  return answers.every(isWhole)
    ? [masked(ids, answers)]
    : answers.map((answer) => masked(answer.ids, [answer]));
}

/** Ids, of which those of answers are learned. */
function masked(ids: readonly number[], answers: readonly Answer[]): EncodedSequence {
  const mask = ids.map(() => false);
  for (const { start, end } of answers) mask.fill(true, start, end);
  return { ids, mask };
}

/** The conversation that ends with an answer. */
function answerAt(
  { render, encode, stops }: Renderer,
  messages: readonly ChatMessage[],
  place: number,
  whole: { readonly text: string; readonly ids: readonly number[] },
): Answer {
  const before = render(messages.slice(0, place), true);
  const text = render(messages.slice(0, place + 1), false);
  const difference = firstDifference(before, text);
  if (difference < before.length) throw changedPrompt(place, before, text, difference);
  const prompt = encode(before);
  // Encoding is the most of the work, and the whole conversation is encoded already.
  const ids = text === whole.text ? whole.ids : encode(text);
  const start = prompt.length;
  if (firstDifference(prompt, ids) < start) throw joinedTokens(place, before, text);
  const last = ids.findLastIndex((id, i) => i >= start && stops.includes(id));
  return { ids, start, end: last < 0 ? ids.length : last + 1 };
}

/** The first place at which two sequences differ, or the length of the shorter one. */
export function firstDifference<T>(a: ArrayLike<T>, b: ArrayLike<T>): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

/** The part of a text around a place, for people. */
function around(text: string, place: number): string {
  return quoted(text.slice(Math.max(0, place - 20), place + 20));
}

function changedPrompt(place: number, before: string, text: string, difference: number): ChatError {
  return new ChatError(
    `The chat template does not keep the prompt of message ${place + 1}, an answer: at character ` +
      `${difference}, the prompt has ${
        around(before, difference)
      }, and the conversation with the ` +
      `answer ${around(text, difference)}. Which tokens are the answer's is unknown: use a ` +
      `template that keeps prompts`,
  );
}

function joinedTokens(place: number, before: string, text: string): ChatError {
  return new ChatError(
    `The answer in message ${place + 1} begins inside a token: the tokenizer joins its first ` +
      `characters with the end of its prompt, ${
        around(text, before.length)
      }, which generation never ` +
      `does. Remove white space at the start of the answer, or use a chat template that ends ` +
      `prompts otherwise`,
  );
}
