/**
 * What there is to train on, whatever file it came from.
 *
 * @module
 */

import type { Message } from "@unitune/models";

/** A line of a file, which errors name. */
export interface Source {
  /** The file. */
  readonly file: string;
  /** The line, from 1. */
  readonly line: number;
}

/** One conversation to learn from. */
export interface Conversation {
  /** The messages, in order; at least one is the assistant's. */
  readonly messages: readonly Message[];
  /** Where it was read. */
  readonly source?: Source;
}

/** Two answers to a prompt, of which one is preferred. */
export interface Pair {
  /** What is asked. */
  readonly prompt: readonly Message[];
  /** The preferred answer. */
  readonly chosen: readonly Message[];
  /** The other one. */
  readonly rejected: readonly Message[];
  /** Where it was read. */
  readonly source?: Source;
}

/** An answer that somebody liked or did not. */
export interface LabelledAnswer {
  /** What is asked. */
  readonly prompt: readonly Message[];
  /** The answer. */
  readonly completion: readonly Message[];
  /** Whether it was liked. */
  readonly label: boolean;
  /** Where it was read. */
  readonly source?: Source;
}

/** A prompt without an answer. */
export interface Prompt {
  /** What is asked. */
  readonly prompt: readonly Message[];
  /** The row's other columns, which rewards may read. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** Where it was read. */
  readonly source?: Source;
}

/** What the rows of a dataset are, by the kind of dataset. */
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

/** A kind of dataset whose rows are taken one by one. */
export type RowKind = keyof Rows;

/** Rows, for training and for validation. */
export interface RowDataset<Kind extends RowKind> {
  /** What a row is. */
  readonly kind: Kind;
  /** What is trained on. */
  readonly train: readonly Rows[Kind][];
  /** What is kept aside. */
  readonly validation: readonly Rows[Kind][];
}

/** Text or rows, for training and for validation. */
export type Dataset =
  | {
    /** Running text. */
    readonly kind: "text";
    /** What is trained on. */
    readonly train: string;
    /** What is kept aside. */
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
 * All that is said in a row.
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
export function messagesOf(row: Rows[RowKind]): readonly Message[] {
  if ("messages" in row) return row.messages;
  if ("chosen" in row) return [...row.prompt, ...row.chosen, ...row.rejected];
  return "completion" in row ? [...row.prompt, ...row.completion] : row.prompt;
}

/**
 * Where a sequence is cut in two: the first 90 % is for training, the rest, and always something,
 * for validation. No chance is involved, so a resumed run and a later evaluation see the same cut.
 *
 * @param length How many there are, at least 2.
 * @returns How many are for training.
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
 * The characters that a dataset is written with, validation included: the alphabet of a character
 * tokenizer.
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
    else for (const row of part) for (const { content } of messagesOf(row)) add(content);
  }
  return characters;
}
