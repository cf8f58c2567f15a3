/**
 * The training data of a stage: rows of a dataset as tokens, in the form that its objective reads.
 *
 * @module
 */

import {
  ChatError,
  type ChatMessage,
  type ChatOptions,
  conversationRows,
  type EncodedSequence,
  encodePrompt,
  firstOf,
  type Tokenizer,
} from "@unitune/models";
import type { RowSource } from "./batches.ts";
import type { PackedRow } from "./packing.ts";
import { mappedTable, type RowTable } from "./table.ts";
import { detailsOf, type RowDetails, type RowKind, type Rows, type Source } from "./dataset.ts";
import {
  encodedTokens,
  type Fit,
  fitOne,
  type FitOptions,
  fitRows,
  type Fitted,
  type FittedList,
  isSameSequence,
  naming,
  type RowFit,
} from "./fit.ts";
import type { EncodedSteps } from "./steps.ts";
import { graphemeCount } from "../text/graphemes.ts";
import { GOLD, type TextReward } from "../rewards/rewards.ts";

/** Two answers to a prompt as tokens; each is learned, the prompt is not. */
export interface EncodedPair {
  /** The prompt and the preferred answer. */
  readonly chosen: EncodedSequence;
  /** The prompt and the other one. */
  readonly rejected: EncodedSequence;
}

/** A pair and a gold answer to its prompt as tokens. */
export interface EncodedTriple extends EncodedPair {
  /** The prompt and the gold answer. */
  readonly gold: EncodedSequence;
}

/** An answer with a label as tokens. */
export interface EncodedLabel {
  /** The prompt and the answer, which is learned. */
  readonly sequence: EncodedSequence;
  /** Whether it was liked. */
  readonly label: boolean;
}

/** A prompt to be answered. */
export interface TrainingPrompt {
  /** Its tokens, ready to be completed. */
  readonly ids: readonly number[];
  /** The prompt as rewards see it. */
  readonly prompt: string;
  /** The columns of its row; each reward sees those that it names. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** The line of its row. */
  readonly source?: Source;
  /**
   * The tokens of the right answer, with the stop token that ends it, where the stage reads right
   * answers.
   */
  readonly answer?: readonly number[];
}

/** A pair whose rejected answer may be the model's own. */
export interface PairCandidate {
  /** The prompt's tokens. */
  readonly prompt: readonly number[];
  /** The prompt and the preferred answer. */
  readonly chosen: EncodedSequence;
  /** The prompt and another answer, where there is one. */
  readonly rejected?: EncodedSequence;
  /** Whether an answer that the model gives is as good as the preferred one. */
  readonly isRight: (answer: string) => boolean;
}

/** The training data of a stage. */
export type StageData =
  | {
    /** Right answers, or text. */
    readonly kind: "demonstrations";
    /** The rows. */
    readonly source: RowSource<EncodedSequence>;
    /** The same rows packed, where they are to be (default: they are not). */
    readonly packed?: RowSource<PackedRow>;
  }
  | {
    /** Preferences. */
    readonly kind: "pairs";
    /** Training rows. */
    readonly train: RowTable<PairCandidate>;
    /** The tokens of the longest sequence of a training row. */
    readonly longest: number;
    /** Validation rows. */
    readonly validation: readonly EncodedPair[];
  }
  | {
    /** Preferences, each with a gold answer. */
    readonly kind: "triples";
    /** Training rows. */
    readonly train: RowTable<EncodedTriple>;
    /** The tokens of the longest sequence of a training row. */
    readonly longest: number;
    /** Validation rows. */
    readonly validation: readonly EncodedTriple[];
  }
  | {
    /** Labels. */
    readonly kind: "labels";
    /** Answers that are in the data. */
    readonly train: RowTable<EncodedLabel>;
    /** Preferences, each of them an answer that is liked and one that is not. */
    readonly pairs: RowTable<PairCandidate>;
    /**
     * What is known of the answers without their tokens; undefined where those that are not liked
     * are to be the model's own.
     */
    readonly marks?: Float64Array;
  }
  | {
    /** Answers in steps, each with a label. */
    readonly kind: "steps";
    /** Training rows. */
    readonly train: RowTable<EncodedSteps>;
    /** The tokens of the longest training row. */
    readonly longest: number;
    /** Validation rows. */
    readonly validation: readonly EncodedSteps[];
  }
  | {
    /** Prompts, to be answered by the model. */
    readonly kind: "rollouts";
    /** The prompts. */
    readonly train: RowTable<TrainingPrompt>;
    /** The tokens of the longest prompt. */
    readonly longestPrompt: number;
    /** The tokens of the longest answer that is known, without the stop token; 0 without any. */
    readonly longestAnswer: number;
    /** The characters of the longest answer that is known. */
    readonly longestText: number;
    /** The rewards of the stage that cannot judge answers to some prompts. */
    readonly unscorable: readonly Unscorable[];
  };

/** A reward, and the prompts whose answers it cannot judge, whatever they are. */
export interface Unscorable {
  /** The reward. */
  readonly reward: TextReward;
  /** The number of prompts of that kind. */
  readonly count: number;
}

/**
 * A stage's data of a kind.
 *
 * @param data What was prepared.
 * @param kind What it has to be.
 * @returns The same.
 * @throws {RangeError} Where it is of another kind.
 *
 * @example
 * ```ts
 * import { prepare } from "@unitune/cli";
 * import { dataOf, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { stages: [stage] } = await prepare(trainSettings({ objective: "grpo", examples: 50 }));
 * assertEquals(stage && dataOf(stage.data, "rollouts").train.length, 50);
 * ```
 */
export function dataOf<Kind extends StageData["kind"]>(
  data: StageData,
  kind: Kind,
): Extract<StageData, { readonly kind: Kind }> {
  const isOf = (data: StageData): data is Extract<StageData, { readonly kind: Kind }> =>
    data.kind === kind;
  if (isOf(data)) return data;
  throw new RangeError(`expected data of the kind ${kind}, got ${data.kind}`);
}

/**
 * A prompt and an answer as tokens, of which those of the answer alone are learned, whatever the
 * assistant has said before. The prompt is shown as the model sees it when it answers, and the
 * sequence ends with the last token that is learned: what a chat template writes behind an answer,
 * no answer that the model gives has.
 *
 * @param tokenizer The tokenizer.
 * @param prompt The conversation so far.
 * @param answer What follows.
 * @param rendering The tools, and variables of the chat template (default: none), and the number of
 * tokens that are wanted.
 * @returns The sequence.
 * @throws {ChatError} If the tokenizer cannot express the conversation, or the chat template shows an
 * earlier turn of the answer in another form later on: then the answer is no one sequence.
 *
 * @example
 * ```ts
 * import { encodeAnswer } from "@unitune/training";
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const said = [{ role: "assistant", content: "a" } as const];
 * const { mask } = encodeAnswer(characterTokenizer("ab"), said, said);
 * assertEquals(mask, [false, false, false, false, true, true]);
 * ```
 */
export function encodeAnswer(
  tokenizer: Tokenizer,
  prompt: readonly ChatMessage[],
  answer: readonly ChatMessage[],
  rendering: ChatOptions = {},
): EncodedSequence {
  const [row, ...others] = conversationRows(tokenizer, [...prompt, ...answer], {
    ...rendering,
    learnedFrom: prompt.length,
  });
  if (row === undefined || others.length > 0) {
    throw new ChatError(
      `The answer has ${
        others.length + 1
      } turns of the assistant, and the chat template shows the ` +
        `earlier ones in another form later on, so there is no one sequence of tokens to compare: ` +
        `move all messages but the last turn to the prompt`,
    );
  }
  const { ids, mask } = row;
  const end = mask.lastIndexOf(true) + 1;
  // Of a prompt that is longer than what is wanted, the answer is not there yet.
  return end === 0 && ids.length === rendering.most ? row : firstOf(row, end);
}

/** The text of a prompt, as questions and rewards show it: of calls, there is none. */
export function promptText(prompt: readonly ChatMessage[]): string {
  return prompt.flatMap(({ content }) => content ?? []).join("\n");
}

/** An answer that is known, as a model gives it. */
export interface KnownAnswer {
  /** Its tokens, without the stop token. */
  readonly ids: readonly number[];
  /** The text of its tokens; beside the content, that of calls and thoughts. */
  readonly text: string;
}

/**
 * The last turn of a right answer, as a model gives it.
 *
 * @param tokenizer The tokenizer.
 * @param sequence A prompt and the answer; see {@linkcode encodeAnswer}.
 * @returns Tokens and text of the last tokens that are learned in a row.
 */
export function knownAnswer(
  { stops, decode }: Tokenizer,
  { ids, mask }: EncodedSequence,
): KnownAnswer {
  const end = mask.lastIndexOf(true) + 1;
  const start = mask.slice(0, end).lastIndexOf(false) + 1;
  const last = ids[end - 1];
  const said = ids.slice(start, last !== undefined && stops.includes(last) ? end - 1 : end);
  return { ids: said, text: decode(said, { special: "shown" }) };
}

/**
 * Tells whether an answer is a known one: its content, or all of the text that is learned for it.
 *
 * @param tokenizer The tokenizer.
 * @param sequence A prompt and the known answer; see {@linkcode encodeAnswer}.
 * @param message The last message of the known answer.
 * @returns The judge of answers.
 */
export function isKnownAnswer(
  tokenizer: Tokenizer,
  sequence: EncodedSequence,
  { content }: ChatMessage,
): (answer: string) => boolean {
  // Few answers are judged: decoding each known one beforehand would take long.
  return (answer) => answer === content || answer === knownAnswer(tokenizer, sequence).text;
}

/** Three answers to a prompt. */
export interface TripleMessages {
  /** A good answer. */
  readonly gold: readonly ChatMessage[];
  /** Another answer, which is preferred to the third. */
  readonly chosen: readonly ChatMessage[];
  /** The third answer. */
  readonly rejected: readonly ChatMessage[];
}

/** A row of any kind, as what can be made of it: a question, and answers where it has any. */
export interface Example extends RowDetails {
  /** The prompt. */
  readonly prompt: readonly ChatMessage[];
  /** A right or preferred answer. */
  readonly chosen?: readonly ChatMessage[];
  /** Another answer. */
  readonly rejected?: readonly ChatMessage[];
  /** Three answers, where the row has as many. */
  readonly triple?: TripleMessages;
  /** The columns that rewards may read. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** Tells whether an answer is right (default: only the chosen one is). */
  readonly isRight?: (answer: string) => boolean;
}

/** The columns of a row, with the text of the right answer, where it has one, by the name for it. */
function columnsOf(
  { columns = {} }: RowDetails,
  answer: readonly ChatMessage[] = [],
): Example["columns"] {
  // A completion that was read as messages, or that nobody liked, is not the text of a right answer.
  const { [GOLD]: _, ...others } = columns;
  const content = answer.at(-1)?.content;
  return typeof content === "string" ? { ...others, [GOLD]: content } : others;
}

/**
 * A row as an example; undefined where it has no last answer to ask for. Of answers with scores, the
 * first of the highest score is preferred to the first of the lowest, if that is lower
 * (Self-Rewarding Language Models, arXiv 2401.10020, section 2.4). In a triple the highest is gold,
 * and the next one is preferred to the lowest (TPO, arXiv 2405.16681, section 4).
 *
 * @param row A row of a dataset.
 * @returns The example.
 *
 * @example
 * ```ts
 * import { exampleOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answers = [2, 5, 1].map((score) => ({
 *   answer: [{ role: "assistant", content: `${score}` } as const],
 *   score,
 * }));
 * const { chosen, rejected } = exampleOf({ prompt: [], answers }) ?? {};
 * assertEquals([chosen?.[0]?.content, rejected?.[0]?.content], ["5", "1"]);
 * ```
 */
export function exampleOf(row: Rows[RowKind]): Example | undefined {
  const details = detailsOf(row);
  if ("text" in row || "steps" in row) return undefined;
  if ("messages" in row) {
    const { messages, learnedFrom = messages.length - 1 } = row;
    if (messages.at(-1)?.role !== "assistant") return undefined;
    const [prompt, chosen] = [messages.slice(0, learnedFrom), messages.slice(learnedFrom)];
    return { prompt, chosen, columns: columnsOf(row, chosen), ...details };
  }
  if ("chosen" in row) {
    const { prompt, chosen, rejected, gold } = row;
    return {
      ...{ prompt, chosen, rejected, columns: columnsOf(row, chosen), ...details },
      ...gold !== undefined && { triple: { gold, chosen, rejected } },
    };
  }
  if ("answers" in row) {
    const { prompt, answers } = row;
    const [best, ...others] = answers.toSorted((a, b) => b.score - a.score);
    if (best === undefined) return undefined;
    const worst = answers.reduce((worst, own) => own.score < worst.score ? own : worst);
    const [next] = others;
    return {
      prompt,
      chosen: best.answer,
      ...worst.score < best.score && { rejected: worst.answer },
      ...next !== undefined && worst.score < next.score && {
        triple: { gold: best.answer, chosen: next.answer, rejected: worst.answer },
      },
      columns: columnsOf(row, best.answer),
      ...details,
    };
  }
  if ("completion" in row) {
    const { prompt, completion, label } = row;
    return label
      ? { prompt, chosen: completion, columns: columnsOf(row, completion), ...details }
      : { prompt, rejected: completion, columns: columnsOf(row), ...details };
  }
  return { prompt: row.prompt, columns: row.columns, ...details };
}

/** The tokens of a prompt and an answer to it, or a refusal that names the line. */
function answerOf(
  tokenizer: Tokenizer,
  { prompt, rendering, source }: Example,
  answer: readonly ChatMessage[],
  most: number,
): EncodedSequence {
  return naming(source, () => encodeAnswer(tokenizer, prompt, answer, { ...rendering, most }));
}

/** A prompt, and the last turn of its right answer as a model gives it, where one is known. */
interface Asked {
  readonly ids: readonly number[];
  readonly answer?: AskedAnswer;
}

/** A right answer, and all of its tokens that are learned. */
interface AskedAnswer extends KnownAnswer {
  readonly learned: readonly number[];
}

/** The tokens of an example's prompt and of the last turn of its right answer. */
function askedOf(tokenizer: Tokenizer, example: Example, most: number): Asked {
  const { prompt, chosen = [], rendering, source } = example;
  const encoded = () =>
    naming(source, () => encodePrompt(tokenizer, prompt, { ...rendering, most }));
  const last = chosen.at(-1);
  if (last?.role !== "assistant") return { ids: encoded() };
  const whole = { ...example, prompt: [...prompt, ...chosen.slice(0, -1)] };
  const sequence = answerOf(tokenizer, whole, [last], most);
  const start = sequence.mask.indexOf(true);
  return {
    // The learned tokens follow the prompt, so that it is encoded once.
    ids: chosen.length === 1 && start > 0 ? sequence.ids.slice(0, start) : encoded(),
    answer: {
      ...knownAnswer(tokenizer, sequence),
      learned: start < 0 ? [] : sequence.ids.slice(start),
    },
  };
}

/** The parts of a pair, of which a {@linkcode PairCandidate} is made. */
export interface PairParts {
  /** The number of tokens of the prompt, with which the sequences begin. */
  readonly prompt: number;
  /** The prompt and the preferred answer. */
  readonly chosen: EncodedSequence;
  /** The prompt and another answer, where there is one. */
  readonly rejected?: EncodedSequence;
  /** The text of the preferred answer, where it has one. */
  readonly content?: string;
  /** Whether the preferred answer is there to its end. */
  readonly isWhole: boolean;
  /** The judge of answers, where there is another than the preferred answer. */
  readonly isRight?: (answer: string) => boolean;
}

/**
 * A pair of its parts.
 *
 * @param tokenizer The tokenizer of its tokens.
 * @param parts The parts.
 * @returns The pair. An answer is right if it is the preferred one: its content, or all of the text
 * that is learned for it, where that was not cut.
 */
export function candidateOf(
  tokenizer: Tokenizer,
  { prompt, chosen, rejected, content, isWhole, isRight }: PairParts,
): PairCandidate {
  return {
    prompt: chosen.ids.slice(0, prompt),
    chosen,
    ...rejected !== undefined && { rejected },
    // Few answers are judged: decoding each known one beforehand would take long.
    isRight: isRight ??
      ((answer) => answer === content || isWhole && answer === knownAnswer(tokenizer, chosen).text),
  };
}

/**
 * Fits examples as pairs into a context.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The function that fits an example with a preferred answer as a pair.
 */
export function pairFit(
  tokenizer: Tokenizer,
  context: number,
): (example: Example) => RowFit<PairParts> {
  const most = encodedTokens(context);
  return (example) => {
    const { chosen = [], rejected, rendering, source, isRight } = example;
    const a = fitOne(answerOf(tokenizer, example, chosen, most), context);
    // The learned tokens follow the prompt; without any, there is no pair.
    const prompt = a.least;
    const { content } = chosen.at(-1) ?? never();
    const parts = {
      prompt,
      isWhole: !a.isCut,
      ...typeof content === "string" && { content },
      ...isRight !== undefined && { isRight },
    };
    if (rejected === undefined) {
      if (prompt === 0) naming(source, () => encodePrompt(tokenizer, example.prompt, rendering));
      // The model's own answer is generated, so that its first token has to be read, too.
      const made: RowFit<PairParts>["made"] = "skipped" in a.made || prompt >= context
        ? { skipped: "no room" }
        : { row: { ...parts, chosen: a.made.row } };
      const least = prompt + 1;
      return { ...a, made, least, whole: Math.max(a.whole, least) };
    }
    const b = fitOne(answerOf(tokenizer, example, rejected, most), context);
    return {
      made: pairOf(parts, a.made, b.made),
      isCut: a.isCut || b.isCut,
      least: Math.max(a.least, b.least),
      whole: Math.max(a.whole, b.whole),
      length: Math.max(a.length, b.length),
    };
  };
}

/** A pair from both of its sides, or why there is none. */
function pairOf(
  parts: Omit<PairParts, "chosen" | "rejected">,
  a: RowFit<EncodedSequence>["made"],
  b: RowFit<EncodedSequence>["made"],
): RowFit<PairParts>["made"] {
  if ("skipped" in a || "skipped" in b) return { skipped: "no room" };
  return isSameSequence(a.row, b.row)
    ? { skipped: "equal" }
    : { row: { ...parts, chosen: a.row, rejected: b.row } };
}

/**
 * Fits examples as triples into a context.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The function that fits an example; undefined where it has no three answers.
 */
export function tripleFit(
  tokenizer: Tokenizer,
  context: number,
): (example: Example) => RowFit<EncodedTriple> | undefined {
  const most = encodedTokens(context);
  return (example) => {
    const { triple } = example;
    if (triple === undefined) return undefined;
    const fitted = (answer: readonly ChatMessage[]) =>
      fitOne(answerOf(tokenizer, example, answer, most), context);
    const [gold, chosen, rejected] = [
      fitted(triple.gold),
      fitted(triple.chosen),
      fitted(triple.rejected),
    ];
    const all = [gold, chosen, rejected];
    const largest = (of: (fit: RowFit<EncodedSequence>) => number) =>
      all.reduce((most, fit) => Math.max(most, of(fit)), 0);
    return {
      made: tripleOf(gold.made, chosen.made, rejected.made),
      isCut: all.some(({ isCut }) => isCut),
      least: largest(({ least }) => least),
      whole: largest(({ whole }) => whole),
      length: largest(({ length }) => length),
    };
  };
}

/** A triple from its three answers, or why there is none. */
function tripleOf(
  gold: RowFit<EncodedSequence>["made"],
  chosen: RowFit<EncodedSequence>["made"],
  rejected: RowFit<EncodedSequence>["made"],
): RowFit<EncodedTriple>["made"] {
  if ("skipped" in gold || "skipped" in chosen || "skipped" in rejected) {
    return { skipped: "no room" };
  }
  return isSameSequence(chosen.row, rejected.row)
    ? { skipped: "equal" }
    : { row: { gold: gold.row, chosen: chosen.row, rejected: rejected.row } };
}

/**
 * Examples as pairs.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples, each with a preferred answer.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns The pairs and the counts.
 * @throws {UserError} Where a character is unknown, with file and line.
 */
export function pairsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
  options: FitOptions = {},
): FittedList<PairCandidate> {
  const fitted = fitRows(examples, context, pairFit(tokenizer, context), options);
  return { ...fitted, rows: fitted.rows.map((parts) => candidateOf(tokenizer, parts)) };
}

/**
 * Pairs whose rejected answers are there.
 *
 * @param candidates The pairs: all of them have a rejected answer, or none has.
 * @returns The same pairs; undefined if their rejected answers are to be the model's own.
 */
export function knownPairs(candidates: RowTable<PairCandidate>): RowTable<EncodedPair> | undefined {
  const [first] = candidates.slice(0, 1);
  if (first !== undefined && first.rejected === undefined) return undefined;
  return mappedTable(
    candidates,
    ({ chosen, rejected }) => ({ chosen, rejected: rejected ?? never() }),
  );
}

/** Prompts that were fitted into a context, and the size of the answers that are known. */
export interface FittedPrompts extends Fitted<TrainingPrompt>, KnownSizes {}

/** The sizes of the answers that are known. */
export interface KnownSizes {
  /** The tokens of the longest known answer, without the stop token; 0 without any. */
  readonly longestAnswer: number;
  /** The characters of the longest known answer. */
  readonly longestText: number;
}

/** Refuses a prompt of which the right answer is not known. */
function unanswered(): never {
  throw new ChatError(
    "The prompt has no right answer, and the objective learns from right answers: give it a " +
      "completion",
  );
}

/** What a stage does with the right answers to its prompts. */
export interface AnswerUse {
  /**
   * The tokens beside a prompt that its rows need room for, of an answer of some tokens: a prompt
   * without an answer, or without room, is left out.
   */
  readonly room: (prompt: number, answer: number) => number;
}

/**
 * Fits examples as prompts into a context, and measures their right answers.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param use What is done with right answers (default: they are measured, and not kept).
 * @returns The function that fits one, and the sizes of the answers of all that it has fitted.
 */
export function promptFit(
  tokenizer: Tokenizer,
  context: number,
  use?: AnswerUse,
): {
  readonly fit: (example: Example) => RowFit<TrainingPrompt>;
  readonly sizes: () => KnownSizes;
} {
  let [longestAnswer, longestText] = [0, 0];
  const most = encodedTokens(context);
  const fit = (example: Example): RowFit<TrainingPrompt> => {
    const { prompt, columns, source } = example;
    const { ids, answer } = askedOf(tokenizer, example, most);
    const known = answer?.learned ?? [];
    if (use !== undefined && known.length === 0) naming(source, unanswered);
    const room = use === undefined ? 1 : use.room(ids.length, known.length);
    const fits = ids.length + room <= context;
    if (answer !== undefined) {
      longestAnswer = Math.max(longestAnswer, answer.ids.length);
      longestText = Math.max(longestText, graphemeCount(answer.text));
    }
    return {
      made: !fits ? { skipped: "no room" } : {
        row: {
          ...{ ids, prompt: promptText(prompt), columns },
          ...source && { source },
          ...use && { answer: known },
        },
      },
      isCut: false,
      least: ids.length + room,
      // An answer that is known has a stop token, which is predicted and not read.
      whole: ids.length + Math.max(room, answer?.ids.length ?? 0),
      length: ids.length,
    };
  };
  return { fit, sizes: () => ({ longestAnswer, longestText }) };
}

/**
 * Examples as prompts.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns The prompts and the counts: a prompt that leaves no room for an answer is skipped.
 * @throws {UserError} Where a character is unknown, or there is no form for a message, with file and
 * line.
 */
export function promptsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
  options: FitOptions = {},
): FittedPrompts & FittedList<TrainingPrompt> {
  const { fit, sizes } = promptFit(tokenizer, context);
  return { ...fitRows(examples, context, fit, options), ...sizes() };
}

/**
 * Fits an example with labels into a context.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @returns The function that fits one as answers: a preferred answer is liked, another one is not.
 */
export function labelFit(
  tokenizer: Tokenizer,
  context: number,
): (example: Example) => readonly RowFit<EncodedLabel>[] {
  const most = encodedTokens(context);
  return (example) => {
    const { chosen, rejected } = example;
    const of = (answer: Example["chosen"], label: boolean): readonly RowFit<EncodedLabel>[] => {
      if (answer === undefined) return [];
      const { made, ...fit } = fitOne(answerOf(tokenizer, example, answer, most), context);
      return [{ ...fit, made: "skipped" in made ? made : { row: { sequence: made.row, label } } }];
    };
    return [...of(chosen, true), ...of(rejected, false)];
  };
}

/**
 * Examples with labels as answers.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples: a preferred answer is liked, another one is not.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns The answers and the counts, of answers.
 * @throws {UserError} Where a character is unknown, with file and line.
 */
export function labelsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
  options: FitOptions = {},
): FittedList<EncodedLabel> {
  return fitRows(examples, context, labelFit(tokenizer, context), options);
}

/**
 * Fits the examples of a row.
 *
 * @param fit Fits one example.
 * @returns The function that fits all of a row; a row without any has no answer.
 */
export function answeredFit<T>(
  fit: (example: Example) => RowFit<T> | readonly RowFit<T>[],
): Fit<readonly Example[], T> {
  return (examples) => examples.length === 0 ? undefined : examples.flatMap(fit);
}

/**
 * A row as conversations to learn from: a conversation, or the prompt and its answer, which is learned.
 * Of a pair that is the preferred answer, of labels one that was liked.
 *
 * @param row A row of a dataset.
 * @returns One conversation; none where the row has no right answer.
 */
export function conversationsIn(row: Rows[RowKind]): readonly Rows["conversations"][] {
  if ("messages" in row) return [row];
  const example = exampleOf(row);
  if (example?.chosen === undefined) return [];
  const { prompt, chosen } = example;
  return [{ messages: [...prompt, ...chosen], learnedFrom: prompt.length, ...detailsOf(row) }];
}

function never(): never {
  throw new RangeError("a pair has a preferred answer");
}
