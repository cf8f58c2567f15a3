/**
 * The training data of a stage: rows of a dataset as tokens, in the form that its objective reads.
 *
 * @module
 */

import {
  encodeConversation,
  type EncodedSequence,
  encodePrompt,
  type Message,
  type Tokenizer,
} from "@unitune/models";
import type { RowSource } from "./batches.ts";
import type { RowKind, Rows, Source } from "./dataset.ts";
import {
  fitOne,
  type FitOptions,
  fitRows,
  type Fitted,
  isSameSequence,
  naming,
  type RowFit,
} from "./fit.ts";
import { graphemeCount } from "../text/graphemes.ts";
import { longest } from "../longest.ts";
import { GOLD } from "../rewards/rewards.ts";

/** Two answers to a prompt as tokens; each is learned, the prompt is not. */
export interface EncodedPair {
  /** The prompt and the preferred answer. */
  readonly chosen: EncodedSequence;
  /** The prompt and the other one. */
  readonly rejected: EncodedSequence;
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
  }
  | {
    /** Preferences. */
    readonly kind: "pairs";
    /** Training rows. */
    readonly train: readonly PairCandidate[];
    /** Validation rows. */
    readonly validation: readonly EncodedPair[];
  }
  | {
    /** Labels. */
    readonly kind: "labels";
    /** Answers that are in the data. */
    readonly train: readonly EncodedLabel[];
    /** Preferences, each of them an answer that is liked and one that is not. */
    readonly pairs: readonly PairCandidate[];
  }
  | {
    /** Prompts, to be answered by the model. */
    readonly kind: "rollouts";
    /** The prompts. */
    readonly train: readonly TrainingPrompt[];
    /** The tokens of the longest answer that is known, without the stop token; 0 without any. */
    readonly longestAnswer: number;
    /** The characters of the longest answer that is known. */
    readonly longestText: number;
  };

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
 * assistant has said before.
 *
 * @param tokenizer The tokenizer.
 * @param prompt The conversation so far.
 * @param answer What follows.
 * @returns The sequence.
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
  prompt: readonly Message[],
  answer: readonly Message[],
): EncodedSequence {
  return encodeConversation(tokenizer, [...prompt, ...answer], { learnedFrom: prompt.length });
}

/** The text of a prompt, as questions and rewards show it. */
export function promptText(prompt: readonly Message[]): string {
  return prompt.map(({ content }) => content).join("\n");
}

/** A row of any kind, as what can be made of it: a question, and answers where it has any. */
export interface Example {
  /** The prompt. */
  readonly prompt: readonly Message[];
  /** A right or preferred answer. */
  readonly chosen?: readonly Message[];
  /** Another answer. */
  readonly rejected?: readonly Message[];
  /** The columns that rewards may read. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** Tells whether an answer is right (default: only the chosen one is). */
  readonly isRight?: (answer: string) => boolean;
  /** The file and line of its row. */
  readonly source?: Source;
}

/**
 * A row as an example; undefined where it has no last answer to ask for.
 *
 * @param row A row of a dataset.
 * @returns The example.
 */
export function exampleOf(row: Rows[RowKind]): Example | undefined {
  const source = row.source === undefined ? {} : { source: row.source };
  if ("messages" in row) {
    const last = row.messages.at(-1);
    if (last?.role !== "assistant") return undefined;
    const prompt = row.messages.slice(0, -1);
    return { prompt, chosen: [last], columns: { [GOLD]: last.content }, ...source };
  }
  if ("chosen" in row) {
    const { prompt, chosen, rejected } = row;
    return { prompt, chosen, rejected, columns: { [GOLD]: chosen.at(-1)?.content }, ...source };
  }
  if ("completion" in row) {
    const { prompt, completion, label } = row;
    return label
      ? { prompt, chosen: completion, columns: { [GOLD]: completion.at(-1)?.content }, ...source }
      : { prompt, rejected: completion, columns: {}, ...source };
  }
  return { prompt: row.prompt, columns: row.columns, ...source };
}

/** The tokens of a prompt and an answer to it, or a refusal that names the line. */
function wholeAnswer(
  tokenizer: Tokenizer,
  { prompt, source }: Example,
  answer: readonly Message[],
): EncodedSequence {
  return naming(source, () => encodeAnswer(tokenizer, prompt, answer));
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
): Fitted<PairCandidate> {
  return fitRows(examples, context, (example): RowFit<PairCandidate> => {
    const { prompt, chosen = [], rejected, isRight } = example;
    const a = fitOne(wholeAnswer(tokenizer, example, chosen), context);
    const ids = encodePrompt(tokenizer, prompt);
    const gold = chosen.at(-1)?.content;
    const candidate = { prompt: ids, isRight: isRight ?? ((answer: string) => answer === gold) };
    if (rejected === undefined) {
      // The model's own answer is generated, so that its first token has to be read, too.
      const made: RowFit<PairCandidate>["made"] = "skipped" in a.made || ids.length >= context
        ? { skipped: "no room" }
        : { row: { ...candidate, chosen: a.made.row } };
      const least = ids.length + 1;
      return { made, isCut: a.isCut, least, whole: Math.max(a.whole, least) };
    }
    const b = fitOne(wholeAnswer(tokenizer, example, rejected), context);
    return {
      made: pairOf(candidate, a.made, b.made),
      isCut: a.isCut || b.isCut,
      least: Math.max(a.least, b.least),
      whole: Math.max(a.whole, b.whole),
    };
  }, options);
}

/** A pair from both of its sides, or why there is none. */
function pairOf(
  candidate: Pick<PairCandidate, "prompt" | "isRight">,
  a: RowFit<EncodedSequence>["made"],
  b: RowFit<EncodedSequence>["made"],
): RowFit<PairCandidate>["made"] {
  if ("skipped" in a || "skipped" in b) return { skipped: "no room" };
  return isSameSequence(a.row, b.row)
    ? { skipped: "equal" }
    : { row: { ...candidate, chosen: a.row, rejected: b.row } };
}

/**
 * Examples as prompts.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns The prompts and the counts: a prompt that leaves no room for an answer is skipped.
 * @throws {UserError} Where a character is unknown, with file and line.
 */
export function promptsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
  options: FitOptions = {},
): Fitted<TrainingPrompt> {
  return fitRows(examples, context, ({ prompt, columns, chosen, source }) => {
    const ids = naming(source, () => encodePrompt(tokenizer, prompt));
    const answer = naming(source, () => tokenizer.encode(chosen?.at(-1)?.content ?? ""));
    return {
      made: ids.length >= context
        ? { skipped: "no room" }
        : { row: { ids, prompt: promptText(prompt), columns } },
      isCut: false,
      least: ids.length + 1,
      // An answer that is known has a stop token, which is predicted and not read.
      whole: ids.length + Math.max(1, answer.length),
    };
  }, options);
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
): Fitted<EncodedLabel> {
  const answers = examples.flatMap((example) => [
    ...(example.chosen === undefined ? [] : [{ example, answer: example.chosen, label: true }]),
    ...(example.rejected === undefined
      ? []
      : [{ example, answer: example.rejected, label: false }]),
  ]);
  return fitRows(answers, context, ({ example, answer, label }) => {
    const { made, ...fit } = fitOne(wholeAnswer(tokenizer, example, answer), context);
    return { ...fit, made: "skipped" in made ? made : { row: { sequence: made.row, label } } };
  }, options);
}

/**
 * Rows as conversations that are learned from as a whole: of pairs the preferred answers, of labels
 * those that were liked.
 *
 * @param rows Rows of a dataset.
 * @returns The conversations.
 * @throws {UserError} Where rows have no answers.
 */
export function conversationsOf(rows: readonly Rows[RowKind][]): readonly Rows["conversations"][] {
  return rows.flatMap((row) => {
    if ("messages" in row) return [row];
    const example = exampleOf(row);
    const source = row.source === undefined ? {} : { source: row.source };
    if (example?.chosen !== undefined) {
      return [{ messages: [...example.prompt, ...example.chosen], ...source }];
    }
    return [];
  });
}

/** The tokens and the characters of the longest preferred answer. */
export function longestAnswer(
  tokenizer: Tokenizer,
  examples: readonly Example[],
): { readonly tokens: number; readonly characters: number } {
  const answers = examples.map(({ chosen }) => chosen?.at(-1)?.content ?? "");
  return {
    tokens: longest(answers, (answer) => tokenizer.encode(answer).length),
    characters: longest(answers, graphemeCount),
  };
}
