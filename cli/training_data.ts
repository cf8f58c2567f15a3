/**
 * What a stage trains on: rows of a dataset as tokens, in the form that its objective reads.
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
import type { RowKind, Rows } from "./data/dataset.ts";
import { fitSequence, longestRow } from "./data/fit.ts";
import { UserError } from "./errors.ts";
import { longest } from "./longest.ts";
import { GOLD } from "./rewards.ts";

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
  /** What is known of it; each reward sees what it reads of this. */
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

/** What a stage trains on. */
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
    /** What is trained on. */
    readonly train: readonly PairCandidate[];
    /** What is kept aside. */
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
    readonly kind: "prompts";
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
 * import { dataOf, prepare, trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const { stages: [stage] } = await prepare(trainSettings({ objective: "grpo", examples: 50 }));
 * assertEquals(stage && dataOf(stage.data, "prompts").train.length, 50);
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
 * import { encodeAnswer } from "@unitune/cli";
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
  const { ids, mask } = encodeConversation(tokenizer, [...prompt, ...answer]);
  const given = encodeConversation(tokenizer, prompt).ids.length;
  return { ids, mask: mask.map((learned, i) => learned && i >= given) };
}

/** The text of a prompt, as questions and rewards show it. */
export function promptText(prompt: readonly Message[]): string {
  return prompt.map(({ content }) => content).join("\n");
}

/** A row of any kind, as what can be made of it: a question, and answers where it has any. */
export interface Example {
  /** What is asked. */
  readonly prompt: readonly Message[];
  /** A right or preferred answer. */
  readonly chosen?: readonly Message[];
  /** Another answer. */
  readonly rejected?: readonly Message[];
  /** What rewards may read. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** Whether an answer is right; the chosen one is, unless said. */
  readonly isRight?: (answer: string) => boolean;
}

/**
 * A row as an example; undefined where it has no last answer to ask for.
 *
 * @param row A row of a dataset.
 * @returns The example.
 */
export function exampleOf(row: Rows[RowKind]): Example | undefined {
  if ("messages" in row) {
    const last = row.messages.at(-1);
    if (last?.role !== "assistant") return undefined;
    const prompt = row.messages.slice(0, -1);
    return { prompt, chosen: [last], columns: { [GOLD]: last.content } };
  }
  if ("chosen" in row) {
    const { prompt, chosen, rejected } = row;
    return { prompt, chosen, rejected, columns: { [GOLD]: chosen.at(-1)?.content } };
  }
  if ("completion" in row) {
    const { prompt, completion, label } = row;
    return label
      ? { prompt, chosen: completion, columns: { [GOLD]: completion.at(-1)?.content } }
      : { prompt, rejected: completion, columns: {} };
  }
  return { prompt: row.prompt, columns: row.columns };
}

/** What is made of some rows, and how many did not fit. */
export interface Made<T> {
  /** What was made. */
  readonly rows: readonly T[];
  /** How many had no room for an answer in the context, or no answer. */
  readonly skipped: number;
}

/** What is made of each, where something is. */
function made<T>(
  examples: readonly Example[],
  make: (example: Example) => readonly T[] | undefined,
): Made<T> {
  const all = examples.map(make);
  return {
    rows: all.flatMap((rows) => rows ?? []),
    skipped: all.filter((rows) => rows === undefined).length,
  };
}

/**
 * Examples as pairs.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples; those without a preferred answer are skipped.
 * @returns The pairs.
 */
export function pairsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
): Made<PairCandidate> {
  const fit = (prompt: readonly Message[], answer: readonly Message[]) =>
    fitSequence(encodeAnswer(tokenizer, prompt, answer), longestRow(context));
  return made(examples, ({ prompt, chosen = [], rejected, isRight }) => {
    const [a, b] = [
      fit(prompt, chosen),
      rejected === undefined ? undefined : fit(prompt, rejected),
    ];
    const ids = encodePrompt(tokenizer, prompt);
    if (a === undefined || (rejected !== undefined && b === undefined)) return undefined;
    if (ids.length >= context) return undefined;
    const gold = chosen.at(-1)?.content;
    return [{
      prompt: ids,
      chosen: a,
      ...(b !== undefined && { rejected: b }),
      isRight: isRight ?? ((answer) => answer === gold),
    }];
  });
}

/**
 * Examples as prompts.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples.
 * @returns The prompts.
 */
export function promptsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
): Made<TrainingPrompt> {
  return made(examples, ({ prompt, columns }) => {
    const ids = encodePrompt(tokenizer, prompt);
    return ids.length >= context ? undefined : [{ ids, prompt: promptText(prompt), columns }];
  });
}

/**
 * Rows with labels as answers.
 *
 * @param tokenizer The tokenizer.
 * @param context The tokens that the model sees.
 * @param examples The examples: a preferred answer is liked, another one is not.
 * @returns The answers.
 */
export function labelsOf(
  tokenizer: Tokenizer,
  context: number,
  examples: readonly Example[],
): Made<EncodedLabel> {
  return made(examples, ({ prompt, chosen, rejected }) => {
    const answers = [{ answer: chosen, label: true }, { answer: rejected, label: false }];
    const rows = answers.flatMap(({ answer, label }) => {
      if (answer === undefined) return [];
      const whole = encodeAnswer(tokenizer, prompt, answer);
      const sequence = fitSequence(whole, longestRow(context));
      return sequence === undefined ? [] : [{ sequence, label }];
    });
    return rows.length === 0 ? undefined : rows;
  });
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

/** Refuses data of which nothing is left. */
export function requireRows<T>({ rows, skipped }: Made<T>, what: string, context: number): void {
  if (rows.length > 0) return;
  throw new UserError(
    skipped === 0
      ? `the data has no ${what}`
      : `none of the ${skipped} rows of the data gives ${what} in a context of ${context} tokens: ` +
        `give a larger --context, or rows with answers`,
  );
}

/** The tokens and the characters of the longest preferred answer. */
export function longestAnswer(
  tokenizer: Tokenizer,
  examples: readonly Example[],
): { readonly tokens: number; readonly characters: number } {
  const answers = examples.map(({ chosen }) => chosen?.at(-1)?.content ?? "");
  return {
    tokens: longest(answers, (answer) => tokenizer.encode(answer).length),
    characters: longest(answers, (answer) => answer.length),
  };
}
