/**
 * Which ids of a rendered conversation the assistant has to produce, for any chat template: the
 * conversation is rendered up to each answer and after it, and the ids are compared.
 */

import { quoted } from "@unitune/core";
import { ChatError, type ChatMessage, type EncodedSequence, firstOf } from "./chat_format.ts";

/** The parts of a chat format that rows are made from. */
export interface Renderer {
  /**
   * The text of a conversation.
   *
   * @param messages The messages.
   * @param isPrompt Whether the header of the assistant's next turn follows.
   */
  readonly render: (messages: readonly ChatMessage[], isPrompt: boolean) => string;
  /** A rendered text in parts: the ids of the text are those of its parts. */
  readonly parts: (text: string) => Iterable<string>;
  /** The ids of a part. */
  readonly encode: (part: string) => readonly number[];
  /** The ids at which generation stops. */
  readonly stops: readonly number[];
}

/** The first ids of a text. */
interface Begun {
  /** The ids, `[T]`. */
  readonly ids: readonly number[];
  /** The parts of the text behind them. */
  readonly rest: readonly string[];
}

/** Encodes the parts of a text until there are so many ids. */
function begun(
  { parts, encode }: Pick<Renderer, "parts" | "encode">,
  text: string,
  most: number,
): Begun {
  const encoded: (readonly number[])[] = [];
  const rest: string[] = [];
  let length = 0;
  for (const part of parts(text)) {
    if (length >= most) rest.push(part);
    else {
      const ids = encode(part);
      encoded.push(ids);
      length += ids.length;
    }
  }
  const [only = [], ...more] = encoded;
  return { ids: more.length === 0 ? only : encoded.flat(), rest };
}

/**
 * The first ids of a text.
 *
 * @param renderer The tokenizer.
 * @param text The text.
 * @param most The number of ids that are wanted.
 * @returns The first `most` ids; all of a shorter text.
 */
export function firstIds(
  renderer: Pick<Renderer, "parts" | "encode">,
  text: string,
  most: number,
): number[] {
  return begun(renderer, text, most).ids.slice(0, most);
}

/** A conversation that ends with an answer. */
interface Answer {
  /** The conversation. */
  readonly begun: Begun;
  /** The place of the first id that the assistant produces; infinite behind the first ids. */
  readonly start: number;
  /** The place after the last one; infinite behind the first ids. */
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
 * @param options The first message that is learned, if the assistant says it, and the number of ids
 * that are wanted of a row: no more of the texts is encoded.
 * @returns The rows.
 * @throws {ChatError} If the conversation with an answer does not begin with its prompt.
 */
export function prefixRows(
  renderer: Renderer,
  messages: readonly ChatMessage[],
  { learnedFrom, most }: { readonly learnedFrom: number; readonly most: number },
): readonly EncodedSequence[] {
  const text = renderer.render(messages, false);
  const whole = { text, ...begun(renderer, text, most) };
  const answers = messages.flatMap(({ role }, i) =>
    role === "assistant" && i >= learnedFrom
      ? [answerAt(renderer, messages, i, { whole, most })]
      : []
  );
  const isKept = ({ begun, end }: Answer) => {
    const compared = Math.min(end, knownLength(begun), knownLength(whole));
    return firstDifference(begun.ids, whole.ids) >= compared;
  };
  return answers.every(isKept)
    ? [masked(whole, answers, most)]
    : answers.map((answer) => masked(answer.begun, [answer], most));
}

/** The first ids, of which those of answers are learned. */
function masked({ ids }: Begun, answers: readonly Answer[], most: number): EncodedSequence {
  const mask = ids.map(() => false);
  for (const { start, end } of answers) mask.fill(true, start, end);
  return firstOf({ ids, mask }, most);
}

/** How many places of a text are known: infinitely many where all of it is encoded. */
function knownLength({ ids, rest }: Begun): number {
  return rest.length === 0 ? Infinity : ids.length;
}

/** The conversation that ends with an answer. */
function answerAt(
  renderer: Renderer,
  messages: readonly ChatMessage[],
  place: number,
  { whole, most }: { readonly whole: Begun & { readonly text: string }; readonly most: number },
): Answer {
  const { render, encode, stops } = renderer;
  const before = render(messages.slice(0, place), true);
  const text = render(messages.slice(0, place + 1), false);
  const difference = firstDifference(before, text);
  if (difference < before.length) throw changedPrompt(place, before, text, difference);
  const prompt = begun(renderer, before, most);
  // Encoding is the most of the work, and the whole conversation is encoded already.
  const own = text === whole.text ? whole : begun(renderer, text, most);
  const { ids, rest } = own;
  const start = prompt.rest.length === 0 ? prompt.ids.length : Infinity;
  if (firstDifference(prompt.ids, ids) < Math.min(prompt.ids.length, knownLength(own))) {
    throw joinedTokens(place, before, text);
  }
  const isStop = (id: number) => stops.includes(id);
  // The last stop token is sought from the end, so that little of a long text is encoded for it.
  if (rest.findLast((part) => encode(part).some(isStop)) !== undefined) {
    return { begun: own, start, end: Infinity };
  }
  const last = ids.findLastIndex((id, i) => i >= start && isStop(id));
  if (last >= 0) return { begun: own, start, end: last + 1 };
  return { begun: own, start, end: rest.length === 0 ? ids.length : Infinity };
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
