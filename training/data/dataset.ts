/**
 * Datasets: text or rows, whatever file they came from.
 *
 * @module
 */

import type { ChatMessage, ChatOptions } from "@unitune/models";
import { VALIDATION_SHARE } from "../limits.ts";
import type { RowTable } from "./table.ts";

/** The place of a row in a file, for errors. */
export interface Source {
  /** The name of the file. */
  readonly file: string;
  /** The number of the line, from 1; in a file without lines, of the row. */
  readonly line: number;
  /** What is numbered (default: lines). */
  readonly unit?: "row";
}

/**
 * The place of a row, in words.
 *
 * @param source The place.
 * @returns File and line, or file and row.
 *
 * @example
 * ```ts
 * import { placeText } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(placeText({ file: "rows.jsonl", line: 3 }), "rows.jsonl:3");
 * assertEquals(placeText({ file: "rows.parquet", line: 3, unit: "row" }), "rows.parquet, row 3");
 * ```
 */
export function placeText({ file, line, unit }: Source): string {
  return unit === undefined ? `${file}:${line}` : `${file}, ${unit} ${line}`;
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

/** A text to learn from, from its first token to its end. */
export interface TextRow extends RowDetails {
  /** The text. */
  readonly text: string;
}

/** A conversation to learn from. */
export interface Conversation extends RowDetails {
  /** The messages, in order; at least one is the assistant's. */
  readonly messages: readonly ChatMessage[];
  /** The first message that is learned, if the assistant says it (default 0: all of them). */
  readonly learnedFrom?: number;
}

/** A preference: two answers to a prompt, and perhaps a gold one beside them. */
export interface Pair extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The preferred answer. */
  readonly chosen: readonly ChatMessage[];
  /** The other answer. */
  readonly rejected: readonly ChatMessage[];
  /** An answer that is good whatever the other two are (default: none is known). */
  readonly gold?: readonly ChatMessage[];
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

/** An answer with a score. */
export interface ScoredAnswer {
  /** The messages of the answer. */
  readonly answer: readonly ChatMessage[];
  /** Its score; the higher, the better. */
  readonly score: number;
}

/** Several answers to a prompt, each with a score. */
export interface ScoredAnswers extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The answers, at least two. */
  readonly answers: readonly ScoredAnswer[];
}

/** An answer in steps, each of which is right or wrong: what a process reward model learns from. */
export interface Steps extends RowDetails {
  /** The messages of the prompt. */
  readonly prompt: readonly ChatMessage[];
  /** The steps of the answer, in order; at least one. */
  readonly steps: readonly string[];
  /** Whether each step is right. */
  readonly labels: readonly boolean[];
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
  /** Texts to learn from. */
  readonly texts: TextRow;
  /** Conversations to learn from. */
  readonly conversations: Conversation;
  /** Preferences between two answers. */
  readonly pairs: Pair;
  /** Single answers with a label. */
  readonly labels: LabelledAnswer;
  /** Several answers to a prompt, with scores. */
  readonly scores: ScoredAnswers;
  /** Answers in steps, with a label for each. */
  readonly steps: Steps;
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
  readonly train: RowTable<Rows[Kind]>;
  /** The held-out rows. */
  readonly validation: RowTable<Rows[Kind]>;
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
  "texts",
  "conversations",
  "pairs",
  "labels",
  "scores",
  "steps",
  "prompts",
] as const satisfies readonly Dataset["kind"][];

/**
 * Tells whether data of a kind has texts, which a model continues, and no conversations.
 *
 * @param kind The kind.
 * @returns True if so.
 *
 * @example
 * ```ts
 * import { isOfTexts } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * assert(isOfTexts("text") && isOfTexts("texts") && !isOfTexts("prompts"));
 * ```
 */
export function isOfTexts(kind: Dataset["kind"]): boolean {
  return kind === "text" || kind === "texts";
}

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
 * @returns The messages; texts and steps are none.
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
  if ("text" in row) return [];
  if ("messages" in row) return row.messages;
  if ("chosen" in row) {
    const { prompt, chosen, rejected, gold = [] } = row;
    return [...prompt, ...chosen, ...rejected, ...gold];
  }
  if ("answers" in row) return [...row.prompt, ...row.answers.flatMap(({ answer }) => answer)];
  return "completion" in row ? [...row.prompt, ...row.completion] : row.prompt;
}

/**
 * The length of the training part of a sequence: its first 90 %, or another share. The rest, and at
 * least one element, is for validation, unless its share is 0. The split is not random, so a resumed
 * run and a later evaluation have the same one.
 *
 * @param length The number of elements, at least 2.
 * @param share The share for validation, at least 0 and less than 1 (default 0.1).
 * @returns The number of elements for training.
 *
 * @example
 * ```ts
 * import { trainingLength } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(trainingLength(100), 90);
 * assertEquals(trainingLength(2), 1);
 * assertEquals([trainingLength(10, 0.25), trainingLength(10, 0)], [7, 10]);
 * ```
 */
export function trainingLength(length: number, share: number = VALIDATION_SHARE): number {
  if (share === 0) return length;
  return Math.min(length - 1, Math.max(1, Math.floor(length * (1 - share))));
}

/**
 * All texts of a row.
 *
 * @param row A row of any kind.
 * @returns The texts, and those of its messages and steps.
 *
 * @example
 * ```ts
 * import { textsOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const prompt = [{ role: "user", content: "1+1" } as const];
 * assertEquals(textsOf({ prompt, steps: ["2"], labels: [true] }), ["2", "1+1"]);
 * ```
 */
export function textsOf(row: Rows[RowKind]): readonly string[] {
  return [
    ..."text" in row ? [row.text] : [],
    ..."steps" in row ? row.steps : [],
    ...messagesOf(row).map(({ content }) => content ?? ""),
  ];
}

/** Gathers the characters of texts. */
export interface CharacterGathering {
  /** Adds those of a text. */
  add(text: string): void;
  /** The distinct characters so far. */
  characters(): Set<string>;
}

/**
 * Begins to gather characters: code points, and halves of surrogate pairs that are alone.
 *
 * @returns No character yet.
 *
 * @example
 * ```ts
 * import { gatherCharacters } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const gathering = gatherCharacters();
 * ["aba", "🦊a🦊"].forEach(gathering.add);
 * assertEquals([...gathering.characters()], ["a", "b", "🦊"]);
 * ```
 */
export function gatherCharacters(): CharacterGathering {
  const found = new Set<string>();
  // Most units of a long text are known, and a look here takes a tenth of one into the set.
  const isKnown = new Uint8Array(2 ** 16);
  const add = (text: string) => {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (isKnown[unit] === 1) continue;
      const character = String.fromCodePoint(text.codePointAt(i) ?? unit);
      found.add(character);
      if (unit < 0xd800 || unit > 0xdfff) isKnown[unit] = 1;
      i += character.length - 1;
    }
  };
  return { add, characters: () => found };
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
  const { add, characters } = gatherCharacters();
  for (const part of [dataset.train, dataset.validation]) {
    if (typeof part === "string") add(part);
    else for (const row of part) textsOf(row).forEach(add);
  }
  return characters();
}
