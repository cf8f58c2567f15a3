/**
 * Datasets: text or rows, whatever file they came from.
 *
 * @module
 */

import type { ChatMessage, ChatOptions } from "@unitune/models";

/** The line of a file, for errors. */
export interface Source {
  /** The name of the file. */
  readonly file: string;
  /** The number of the line, from 1. */
  readonly line: number;
}

/** What every row has beside its messages. */
export interface RowDetails {
  /** The tools and the variables that its messages are rendered with (default: none). */
  readonly rendering?: ChatOptions;
  /** Its columns beside the prompt, where rewards may read them. */
  readonly columns?: Readonly<Record<string, unknown>>;
  /** The line from which it was read. */
  readonly source?: Source;
}

/** A conversation to learn from. */
export interface Conversation extends RowDetails {
  /** The messages, in order; at least one is the assistant's. */
  readonly messages: readonly ChatMessage[];
}

/** A preference: two answers to a prompt. */
export interface Pair extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The preferred answer. */
  readonly chosen: readonly ChatMessage[];
  /** The other answer. */
  readonly rejected: readonly ChatMessage[];
}

/** An answer with a label. */
export interface LabelledAnswer extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The answer. */
  readonly completion: readonly ChatMessage[];
  /** Whether the answer is desirable. */
  readonly label: boolean;
}

/** A prompt without an answer. */
export interface Prompt extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The other columns of the row, which rewards may read. */
  readonly columns: Readonly<Record<string, unknown>>;
}

/** The types of rows, by the kind of dataset. */
export interface Rows {
  /** Conversations to learn from. */
  readonly conversations: Conversation;
  /** Preferences between two answers. */
  readonly pairs: Pair;
  /** Single answers with a label. */
  readonly labels: LabelledAnswer;
  /** Prompts only. */
  readonly prompts: Prompt;
}

/** A kind of dataset with rows. */
export type RowKind = keyof Rows;

/** Rows, for training and for validation. */
export interface RowDataset<Kind extends RowKind> {
  /** The kind of rows. */
  readonly kind: Kind;
  /** The rows for training. */
  readonly train: readonly Rows[Kind][];
  /** The held-out rows. */
  readonly validation: readonly Rows[Kind][];
}

/** Text or rows, for training and for validation. */
export type Dataset =
  | {
    /** Running text. */
    readonly kind: "text";
    /** The text for training. */
    readonly train: string;
    /** The held-out text. */
    readonly validation: string;
  }
  | { [Kind in RowKind]: RowDataset<Kind> }[RowKind];

/** The kinds of datasets. */
export const datasetKinds = [
  "text",
  "conversations",
  "pairs",
  "labels",
  "prompts",
] as const satisfies readonly Dataset["kind"][];

/**
 * What a row has beside its messages and columns, for another row that is made of it.
 *
 * @param row A row of any kind.
 * @returns Its tools, variables and line, as far as there are any.
 *
 * @example
 * ```ts
 * import { detailsOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { prompt: [], columns: {}, source: { file: "rows.jsonl", line: 3 } };
 * assertEquals(detailsOf(row), { source: row.source });
 * ```
 */
export function detailsOf({ rendering, source }: RowDetails): RowDetails {
  return {
    ...rendering !== undefined && { rendering },
    ...source !== undefined && { source },
  };
}

/**
 * All messages of a row.
 *
 * @param row A row of any kind.
 * @returns The messages.
 *
 * @example
 * ```ts
 * import { messagesOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const said = (content: string) => [{ role: "user", content } as const];
 * const row = { prompt: said("1"), chosen: said("2"), rejected: said("3") };
 * assertEquals(messagesOf(row).map(({ content }) => content), ["1", "2", "3"]);
 * ```
 */
export function messagesOf(row: Rows[RowKind]): readonly ChatMessage[] {
  if ("messages" in row) return row.messages;
  if ("chosen" in row) return [...row.prompt, ...row.chosen, ...row.rejected];
  return "completion" in row ? [...row.prompt, ...row.completion] : row.prompt;
}

/**
 * The length of the training part of a sequence: its first 90 %. The rest, and at least one
 * element, is for validation. The split is not random, so a resumed run and a later evaluation have
 * the same one.
 *
 * @param length The number of elements, at least 2.
 * @returns The number of elements for training.
 *
 * @example
 * ```ts
 * import { trainingLength } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(trainingLength(100), 90);
 * assertEquals(trainingLength(2), 1);
 * ```
 */
export function trainingLength(length: number): number {
  return Math.min(length - 1, Math.max(1, Math.floor((length * 9) / 10)));
}

/**
 * The characters in a dataset, validation included: the alphabet of a character tokenizer.
 *
 * @param dataset The dataset.
 * @returns The distinct characters.
 *
 * @example
 * ```ts
 * import { charactersOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const characters = charactersOf({ kind: "text", train: "abba", validation: "c" });
 * assertEquals([...characters], ["a", "b", "c"]);
 * ```
 */
export function charactersOf(dataset: Dataset): Set<string> {
  const characters = new Set<string>();
  const add = (text: string) => {
    for (const character of text) characters.add(character);
  };
  for (const part of [dataset.train, dataset.validation]) {
    if (typeof part === "string") add(part);
    else for (const row of part) for (const { content } of messagesOf(row)) add(content ?? "");
  }
  return characters;
}
