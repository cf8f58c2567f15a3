/**
 * Splits: held-out data, as sequences to predict and questions to answer.
 *
 * @module
 */

import { type EncodedSequence, encodePrompt, type Tokenizer } from "@unitune/models";
import { windowAt } from "./batches.ts";
import type { Conversation, TextRow } from "./dataset.ts";
import { MOST_QUESTIONS, MOST_SEQUENCES } from "../limits.ts";
import {
  describeFit,
  encodedTokens,
  fitConversations,
  fitOne,
  longestRow,
  naming,
  requireFit,
} from "./fit.ts";
import { fitTexts } from "./texts.ts";
import { readTable, type RowTable, spread } from "./table.ts";
import type { UserMessage } from "../text/message.ts";
import {
  encodeAnswer,
  type Example,
  isKnownAnswer,
  knownAnswer,
  promptsOf,
  promptText,
} from "./examples.ts";

/** A prompt whose answers are judged. */
export interface Question {
  /** The kind of question, for metrics by kind. */
  readonly kind: string;
  /** The text of the prompt. */
  readonly prompt: string;
  /** A right answer; for running text, its continuation. */
  readonly gold: string;
  /** The tokens of the prompt, ready to be completed. */
  readonly ids: readonly number[];
  /** The prompt and the right answer as a sequence, of which the answer alone is learned. */
  readonly sequence: EncodedSequence;
  /** Tells whether an answer is right; undefined if answers are not judged. */
  readonly isRight?: ((answer: string) => boolean) | undefined;
}

/** A held-out part of the data. */
export interface Split {
  /** The name in metrics and reports. */
  readonly name: string;
  /** The sequences to predict, each token after the right prefix; none without right answers. */
  readonly sequences: readonly EncodedSequence[];
  /** The questions to answer freely. */
  readonly questions: readonly Question[];
  /** Sentences for the user on rows that were cut, skipped or left out. */
  readonly notes: readonly UserMessage[];
}

/** A held-out conversation. */
export interface Exam {
  /** The conversation. */
  readonly conversation: Conversation;
  /** The kind of question. */
  readonly kind: string;
  /** Tells whether a last answer is right (default: it equals that of the conversation). */
  readonly isRight?: (answer: string) => boolean;
}

/** The number of places at which a text is continued; they are evenly spread. */
const MOST_OPENINGS = 3;

/** The fewest tokens of a text whose first half is continued. */
const SHORTEST_OPENED = 4;

/**
 * Tokens trained on between two evaluations for each by which a text is continued. A token that is
 * chosen reads all weights, which takes as long as the gradient of several tokens.
 */
const TRAINED_TOKENS = 64;

/** The tokens of a continuation in any run, if the text has them: fewer show little. */
const LEAST_CONTINUED = 32;

/** The most that evaluations look at. */
export interface SplitLimits {
  /** The most sequences that are predicted (default 1024). */
  readonly evalExamples?: number;
  /** The most questions that are answered (default 256). */
  readonly evalAnswers?: number;
  /** The number of rows that were left out, since they have no right answer (default 0). */
  readonly unanswered?: number;
  /**
   * The rows that are trained on between two evaluations (default: more than any). The fewer, the
   * shorter are the openings of texts and their continuations.
   */
  readonly trainedRows?: number;
}

/**
 * Makes a split of conversations. All answers are predicted; the last answer of each conversation
 * is also a question, if the conversation fits as a whole. Of many conversations, some are taken,
 * evenly spread, and no other becomes tokens.
 *
 * @param name The name of the split.
 * @param exams The conversations.
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @param limits The most that is taken, and the number of rows that were left out.
 * @returns The split.
 * @throws {UserError} If no conversation that was taken fits the context.
 */
export function conversationSplit(
  name: string,
  exams: RowTable<Exam>,
  tokenizer: Tokenizer,
  context: number,
  { evalExamples = MOST_SEQUENCES, evalAnswers = MOST_QUESTIONS, unanswered = 0 }: SplitLimits = {},
): Split {
  const taken = spread(exams, evalExamples).map(({ conversation }) => conversation);
  const fitted = fitConversations(tokenizer, taken, context);
  requireFit(fitted, `${name} examples`);
  const questions = spread(exams, MOST_QUESTIONS).flatMap((exam) =>
    questionOf(exam, tokenizer, context) ?? []
  );
  return {
    name,
    sequences: spread(fitted.rows, evalExamples),
    questions: spread(questions, evalAnswers),
    notes: [
      describeFit({ ...fitted, unanswered }, `${name} examples`) ?? [],
      exams.length <= evalExamples && questions.length <= evalAnswers
        ? []
        : `evaluations look at ${taken.length} of ${exams.length} ${name} examples and answer ` +
          `${Math.min(questions.length, evalAnswers)}, evenly spread.`,
    ].flat(),
  };
}

/**
 * Makes the last answer of a conversation into a question, as the model sees it then.
 *
 * @param exam The conversation.
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @returns The question; undefined if the last message is not the assistant's, nothing precedes it, or
 * the conversation does not fit as a whole.
 */
export function questionOf(
  { conversation, kind, isRight }: Exam,
  tokenizer: Tokenizer,
  context: number,
): Question | undefined {
  const { messages, rendering, source } = conversation;
  const asked = messages.slice(0, -1);
  const last = messages.at(-1);
  if (last?.role !== "assistant") return undefined;
  const options = { ...rendering, most: encodedTokens(context) };
  const sequence = naming(source, () => encodeAnswer(tokenizer, asked, [last], options));
  // An answer that nothing precedes answers nothing.
  if (sequence.mask[0] === true) return undefined;
  const ids = naming(source, () => encodePrompt(tokenizer, asked, options));
  if (fitOne(sequence, context).isCut || ids.length >= context) return undefined;
  return {
    kind,
    prompt: promptText(asked),
    gold: last.content ?? knownAnswer(tokenizer, sequence).text,
    ids,
    sequence,
    isRight: isRight ?? isKnownAnswer(tokenizer, sequence, last),
  };
}

/**
 * Makes a split of a text. Adjacent windows are predicted, of which the last may be shorter, and
 * some of them are questions: the first half, or less of it in a short run, is to be continued.
 *
 * @param name The name of the split.
 * @param ids The tokens of the text; at least two.
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @param limits The most that is taken.
 * @returns The split.
 */
export function textSplit(
  name: string,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
  context: number,
  { evalExamples = MOST_SEQUENCES, evalAnswers = MOST_QUESTIONS, trainedRows }: SplitLimits = {},
): Split {
  const length = Math.min(longestRow(context), ids.length);
  // Neighbours share a token: the first of a window is read, and is predicted as the last of
  // another.
  const stride = length - 1;
  const count = Math.floor((ids.length - 1) / stride);
  const rest = ids.length - count * stride;
  const all = readTable(count + Number(rest >= 2), {
    read: (i) => windowAt(ids, i * stride, Math.min(length, ids.length - i * stride)),
  });
  const openings = length < SHORTEST_OPENED
    ? []
    : spread(spread(all.slice(0, count), MOST_SEQUENCES), MOST_OPENINGS);
  return {
    name,
    sequences: spread(all, evalExamples),
    questions: spread(openings, evalAnswers).map((row) => opening(row, tokenizer, trainedRows)),
    notes: [spreadNote(all.length, evalExamples, `windows of the ${name} text`) ?? []].flat(),
  };
}

/**
 * Makes a split of texts: all of each is predicted, and the first half of some of them, or less of it
 * in a short run, is to be continued.
 *
 * @param name The name of the split.
 * @param texts The texts.
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @param limits The most that is taken.
 * @returns The split.
 * @throws {UserError} If no text fits the context.
 */
export function textsSplit(
  name: string,
  texts: RowTable<TextRow>,
  tokenizer: Tokenizer,
  context: number,
  { evalExamples = MOST_SEQUENCES, evalAnswers = MOST_QUESTIONS, trainedRows }: SplitLimits = {},
): Split {
  const fitted = fitTexts(tokenizer, spread(texts, evalExamples), context);
  const long = fitted.rows.filter(({ ids }) => ids.length >= SHORTEST_OPENED);
  const openings = spread(spread(long, MOST_OPENINGS), evalAnswers);
  return {
    name,
    sequences: fitted.rows,
    questions: openings.map((row) => opening(row, tokenizer, trainedRows)),
    notes: [
      describeFit(fitted, `${name} texts`) ?? [],
      spreadNote(texts.length, evalExamples, `${name} texts`) ?? [],
    ].flat(),
  };
}

/**
 * Makes a split of prompts without right answers: nothing is predicted, and answers are not judged.
 *
 * @param name The name of the split.
 * @param examples The prompts.
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @param limits The most that is taken.
 * @returns The split.
 */
export function promptSplit(
  name: string,
  examples: RowTable<Example>,
  tokenizer: Tokenizer,
  context: number,
  { evalAnswers = MOST_QUESTIONS }: SplitLimits = {},
): Split {
  const fitted = promptsOf(tokenizer, context, spread(examples, evalAnswers));
  const questions = fitted.rows.map(({ ids, prompt }): Question => {
    const sequence = { ids, mask: ids.map(() => false) };
    return { kind: "all", prompt, gold: "", ids, sequence };
  });
  return {
    name,
    sequences: [],
    questions,
    notes: [
      describeFit(fitted, `${name} prompts`) ?? [],
      spreadNote(examples.length, evalAnswers, `${name} prompts`) ?? [],
    ].flat(),
  };
}

/**
 * The question to continue the first half of a window, or as many of its first tokens as follow from
 * the rows that are trained on between two evaluations, by as many tokens.
 */
function opening(
  { ids: all, mask }: EncodedSequence,
  tokenizer: Tokenizer,
  trainedRows = Infinity,
): Question {
  const most = Math.max(LEAST_CONTINUED, Math.floor(trainedRows * all.length / TRAINED_TOKENS));
  const start = Math.min(most, Math.floor(all.length / 2));
  const ids = all.slice(0, start);
  const end = start + most;
  return {
    kind: "text",
    prompt: tokenizer.decode(ids),
    gold: tokenizer.decode(all.slice(start, end)),
    ids,
    sequence: { ids: all.slice(0, end), mask: mask.slice(0, end) },
  };
}

/** The sentence on a split that has more elements than are used. */
export function spreadNote(count: number, most: number, examples: string): string | undefined {
  return count <= most
    ? undefined
    : `evaluations look at ${most} of ${count} ${examples}, evenly spread.`;
}
