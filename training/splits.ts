/**
 * What is kept aside, and the questions that are asked of it.
 *
 * @module
 */

import { type EncodedSequence, encodePrompt, type Tokenizer } from "@unitune/models";
import { windowAt } from "./batches.ts";
import type { Conversation } from "./data/dataset.ts";
import { describeFit, fitConversations, longestRow, requireFit } from "./data/fit.ts";
import type { Message } from "./message.ts";
import { type Example, promptsOf, promptText } from "./data/examples.ts";

/** A prompt, and how an answer to it is judged. */
export interface Question {
  /** The kind of question; questions of one kind are reported together. */
  readonly kind: string;
  /** The prompt as it is shown. */
  readonly prompt: string;
  /** A right answer; for running text, how it went on. */
  readonly gold: string;
  /** The prompt's tokens, ready to be completed. */
  readonly ids: readonly number[];
  /** The prompt and the right answer as a sequence. */
  readonly sequence: EncodedSequence;
  /** Whether an answer is right; undefined where nothing is right or wrong. */
  readonly isRight?: ((answer: string) => boolean) | undefined;
}

/** A part of the data that is kept aside. */
export interface Split {
  /** Its name in metrics and reports. */
  readonly name: string;
  /** What is predicted with the right prefix at hand; none where no right answer is known. */
  readonly sequences: readonly EncodedSequence[];
  /** What is answered freely. */
  readonly questions: readonly Question[];
  /** What was cut, skipped or left out of it, for the user. */
  readonly notes: readonly Message[];
}

/** A conversation kept aside. */
export interface Exam {
  /** The conversation. */
  readonly conversation: Conversation;
  /** The kind of question. */
  readonly kind: string;
  /** Whether a last answer is right; that of the conversation is, unless said. */
  readonly isRight?: (answer: string) => boolean;
}

/** The most sequences, or pairs, that are looked at, evenly spread. */
export const MOST_SEQUENCES = 1024;

/** The most questions that are asked, evenly spread. */
const MOST_QUESTIONS = 256;

/** The places of a text where it is gone on with, evenly spread. */
const MOST_OPENINGS = 3;

/**
 * Conversations as a split: their answers are predicted, and the last answer of each is also given
 * freely, where it fits as a whole.
 *
 * @param name The split's name.
 * @param exams The conversations.
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param unanswered Rows that were left out before, since they have no right answer (default 0).
 * @returns The split.
 * @throws {UserError} Where none fits the context.
 */
export function conversationSplit(
  name: string,
  exams: readonly Exam[],
  tokenizer: Tokenizer,
  context: number,
  unanswered = 0,
): Split {
  const fitted = fitConversations(
    tokenizer,
    exams.map(({ conversation }) => conversation),
    context,
  );
  requireFit(fitted, `${name} examples`);
  return {
    name,
    sequences: spread(fitted.rows, MOST_SEQUENCES),
    questions: spread(exams, MOST_QUESTIONS).flatMap((exam) =>
      questionOf(exam, tokenizer, context) ?? []
    ),
    notes: [
      describeFit({ ...fitted, unanswered }, `${name} examples`) ?? [],
      spreadNote(fitted.rows.length, MOST_SEQUENCES, `${name} examples`) ?? [],
    ].flat(),
  };
}

/**
 * The question that a conversation's last answer is the answer to.
 *
 * @param exam The conversation.
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The question; undefined where the assistant does not speak last, or not all of it fits.
 */
export function questionOf(
  { conversation, kind, isRight }: Exam,
  tokenizer: Tokenizer,
  context: number,
): Question | undefined {
  const { messages } = conversation;
  const asked = messages.slice(0, -1);
  const last = messages.at(-1);
  if (last?.role !== "assistant") return undefined;
  const { content: gold } = last;
  const { rows: [sequence], truncated } = fitConversations(tokenizer, [conversation], context);
  const ids = encodePrompt(tokenizer, asked);
  if (sequence === undefined || truncated > 0 || ids.length >= context) return undefined;
  return {
    kind,
    prompt: promptText(asked),
    gold,
    ids,
    sequence,
    isRight: isRight ?? ((answer) => answer === gold),
  };
}

/**
 * A text as a split: windows side by side are predicted, the last one shorter where the text ends,
 * and a few are gone on with from their middle.
 *
 * @param name The split's name.
 * @param ids The text's tokens; at least two.
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The split.
 */
export function textSplit(
  name: string,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
  context: number,
): Split {
  const length = Math.min(longestRow(context), ids.length);
  // Neighbours share a token: the first of a window is given, and learned as the last of the one before.
  const count = Math.floor((ids.length - 1) / (length - 1));
  const windows = Array.from({ length: count }, (_, i) => windowAt(ids, i * (length - 1), length));
  const rest = ids.length - count * (length - 1);
  const last = rest < 2 ? [] : [windowAt(ids, ids.length - rest, rest)];
  const openings = length < 4 ? [] : spread(spread(windows, MOST_SEQUENCES), MOST_OPENINGS);
  const all = [...windows, ...last];
  return {
    name,
    sequences: spread(all, MOST_SEQUENCES),
    questions: openings.map((window) => opening(window, tokenizer)),
    notes: [spreadNote(all.length, MOST_SEQUENCES, `windows of the ${name} text`) ?? []].flat(),
  };
}

/**
 * Prompts without right answers as a split: nothing is predicted, and the answers are not judged.
 *
 * @param name The split's name.
 * @param examples The prompts.
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The split.
 */
export function promptSplit(
  name: string,
  examples: readonly Example[],
  tokenizer: Tokenizer,
  context: number,
): Split {
  const fitted = promptsOf(tokenizer, context, examples);
  const questions = spread(fitted.rows, MOST_QUESTIONS).map(({ ids, prompt }): Question => {
    const sequence = { ids, mask: ids.map(() => false) };
    return { kind: "all", prompt, gold: "", ids, sequence };
  });
  return {
    name,
    sequences: [],
    questions,
    notes: [
      describeFit(fitted, `${name} prompts`) ?? [],
      spreadNote(fitted.rows.length, MOST_QUESTIONS, `${name} prompts`) ?? [],
    ].flat(),
  };
}

/** The first half of a window, to be gone on with. */
function opening(sequence: EncodedSequence, tokenizer: Tokenizer): Question {
  const half = Math.floor(sequence.ids.length / 2);
  const ids = sequence.ids.slice(0, half);
  return {
    kind: "text",
    prompt: tokenizer.decode(ids),
    gold: tokenizer.decode(sequence.ids.slice(half)),
    ids,
    sequence,
  };
}

/** What is told of a split of which only so many are looked at. */
export function spreadNote(count: number, most: number, examples: string): string | undefined {
  return count <= most
    ? undefined
    : `evaluations look at ${most} of ${count} ${examples}, evenly spread.`;
}

/** At most so many elements, evenly spread. */
export function spread<T>(elements: readonly T[], most: number): readonly T[] {
  if (elements.length <= most) return elements;
  const places = Array.from({ length: most }, (_, i) => Math.floor(i * elements.length / most));
  return places.flatMap((place) => elements.slice(place, place + 1));
}
