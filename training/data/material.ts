/**
 * The data of a training, before it becomes tokens.
 *
 * @module
 */

import type { Tokenizer } from "@unitune/models";
import { charactersOf, type Dataset, isOfTexts, type RowKind, type Rows } from "./dataset.ts";
import { conversationsIn, type Example, exampleOf } from "./examples.ts";
import { describeFit, type FitCounts, requireFit } from "./fit.ts";
import { foundRows, mappedTable, type RowTable } from "./table.ts";
import type { Watch } from "./watch.ts";
import { UserError } from "../text/errors.ts";
import { message, setting, type UserMessage } from "../text/message.ts";
import type { TextReward } from "../rewards/rewards.ts";
import type { TrainSettings } from "../settings.ts";
import type { Exam } from "./splits.ts";

/** A dataset, the judgment of what it keeps aside, and what is known of answers. */
export interface Material {
  /** The name of the data. */
  readonly name: string;
  /** The data. */
  readonly dataset: Dataset;
  /** Its characters. */
  readonly characters: ReadonlySet<string>;
  /** Its rows as examples, and those of what it keeps aside. */
  readonly examples: MaterialExamples;
  /** The splits of conversations, by name. */
  readonly exams: ReadonlyMap<string, RowTable<Exam>>;
  /** Rows kept aside that have no right answer. */
  readonly unjudged: number;
  /** The splits that nothing is chosen by. */
  readonly test: ReadonlyMap<string, readonly Exam[]>;
  /** Training prompts with wrong answers on purpose, and the judge of right ones. */
  readonly mistaught: readonly Exam[];
  /** Rewards that come with the data. */
  readonly judges: readonly TextReward[];
  /** The expected format of answers, if it is known. */
  readonly format?: RegExp;
  /** A text that names the rows and all that they depend on (default: they are not kept). */
  readonly key?: string;
  /** Sentences for the user on what is kept aside (default: none). */
  readonly notes?: readonly UserMessage[];
  /** Whether examples have functions, so that only lists hold them (default: no). */
  readonly isListed?: boolean;
}

/** The examples of each row of a dataset: one, or none where it has no answer at its end. */
export interface MaterialExamples {
  /** Those to train on. */
  readonly train: RowTable<readonly Example[]>;
  /** Those that are kept aside. */
  readonly validation: RowTable<readonly Example[]>;
}

/** Facts about a dataset that are known beforehand. */
export interface KnownMaterial {
  /** Its characters (default: those that its rows have). */
  readonly characters?: ReadonlySet<string>;
  /**
   * A text that names the dataset and all that its rows depend on, by which their tokens are found
   * again another time (default: they are not kept).
   */
  readonly key?: string;
  /** Sentences for the user on what is kept aside (default: none). */
  readonly notes?: readonly UserMessage[];
}

/**
 * A dataset as material.
 *
 * @param name What it is called.
 * @param dataset The data.
 * @param known What is known of the dataset.
 * @returns The material.
 *
 * @example
 * ```ts
 * import { datasetMaterial } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = ["1+1", "2+2"].map((content) => ({
 *   messages: [{ role: "user", content }, { role: "assistant", content: "?" }] as const,
 * }));
 * const [train, validation] = [rows.slice(0, 1), rows.slice(1)];
 * const dataset = { kind: "conversations", train, validation } as const;
 * const { characters, exams } = datasetMaterial("sums", dataset);
 * assertEquals([...characters].toSorted(), ["+", "1", "2", "?"]);
 * assertEquals([...exams.keys()], ["validation"]);
 * ```
 */
export function datasetMaterial(
  name: string,
  dataset: Dataset,
  { characters = charactersOf(dataset), key, notes = [] }: KnownMaterial = {},
): Material {
  const rows = (part: string | RowTable<Rows[RowKind]>) => typeof part === "string" ? [] : part;
  const examplesOf = (part: RowTable<Rows[RowKind]>) =>
    mappedTable(part, (row) => [exampleOf(row) ?? []].flat());
  const kept = rows(dataset.validation);
  // Every conversation has an answer, so that none of them need be read.
  const right = dataset.kind === "conversations"
    ? dataset.validation
    : foundRows(kept, conversationsIn);
  return {
    name,
    dataset,
    characters,
    examples: { train: examplesOf(rows(dataset.train)), validation: examplesOf(kept) },
    exams: new Map([
      ["validation", mappedTable(right, (conversation): Exam => ({ conversation, kind: "all" }))],
    ]),
    unjudged: kept.length - right.length,
    test: new Map(),
    mistaught: [],
    judges: [],
    notes,
    ...key !== undefined && { key },
  };
}

/**
 * Refuses texts, where an objective needs questions and answers.
 *
 * @param dataset The data.
 * @param objective The objective's name.
 * @param source What the data is called in messages.
 * @throws {UserError} Where the data is texts.
 */
export function requireRows(
  { kind }: Pick<Dataset, "kind">,
  objective: string,
  source: string,
): void {
  if (!isOfTexts(kind)) return;
  throw new UserError(`${objective} needs questions and answers, and ${source} is running text`);
}

/** Facts for the notes on training rows. */
export interface RowsTold {
  /** The name of the rows: `"pairs"`. */
  readonly what: string;
  /** Their name behind their number: `"pairs to train on"`. */
  readonly header: string;
  /** The number of validation rows. */
  readonly validation: number;
  /** The objective's name. */
  readonly objective: string;
  /** The name of the data. */
  readonly source: string;
}

/**
 * The notes on training rows.
 *
 * @param fitted The rows and the counts.
 * @param told What they are called.
 * @returns Sentences.
 * @throws {UserError} Where there are none.
 */
export function fittedNotes(
  fitted: FitCounts,
  { what, header, validation, objective, source }: RowsTold,
): readonly UserMessage[] {
  requireFit(fitted, `training ${what}`);
  if (fitted.kept === 0) throw new UserError(`${source} has no ${what} for ${objective}`);
  const fit = describeFit(fitted, `training ${what}`) ?? [];
  return [`${fitted.kept} ${header}, ${validation} for validation`, fit].flat();
}

/**
 * The function that finds the examples that pairs are made of: as they are where their rejected
 * answers are those of the data; without them where these are to be the model's own, and only
 * mistakes are known.
 *
 * @param settings The settings of the stage.
 * @returns A function from the examples of a row to those that give a pair.
 */
export function pairedExamples(
  { rejected }: Pick<TrainSettings, "rejected">,
): (examples: readonly Example[]) => readonly Example[] {
  return (examples) => {
    const preferred = examples.filter(({ chosen }) => chosen !== undefined);
    return rejected === "model"
      ? preferred.map(({ rejected: _, ...example }) => example)
      : preferred.filter(({ rejected }) => rejected !== undefined);
  };
}

/**
 * Refuses rows of one answer to a prompt, where rejected ones are to be those of the data.
 *
 * @param settings The settings of the stage.
 * @param examples The examples of each row.
 * @param source What the data is called in messages.
 * @throws {UserError} Where no row has two answers, and some have a preferred one.
 */
export function requirePairs(
  { objective, rejected, data }: TrainSettings,
  examples: RowTable<readonly Example[]>,
  source: string,
): void {
  if (data === undefined || rejected === "model") return;
  let isPreferred = false;
  for (const own of examples) {
    for (const { chosen, rejected } of own) {
      if (chosen !== undefined && rejected !== undefined) return;
      isPreferred ||= chosen !== undefined;
    }
  }
  if (!isPreferred) return;
  const [lack, labelled] = objective.data === "labels"
    ? [
      `reads liked and disliked answers, and ${source} has only liked ones`,
      "prompt, completion and label, or ",
    ]
    : [`compares two answers, and ${source} has one to a prompt`, ""];
  throw new UserError(
    message(
      `${objective.name} ${lack}: give rows with ${labelled}prompt, chosen and rejected, or `,
      setting("rejected"),
      " model for wrong answers of the model's own",
    ),
  );
}

/** Bytes of the heap for each code unit of a text that is encoded: a list of ids, while it grows. */
const ENCODING_BYTES = 24;

/**
 * The tokens of a text, of which one is read and one is predicted at the least.
 *
 * @param tokenizer The tokenizer.
 * @param text The text.
 * @param part What it is called in messages.
 * @param watch Asked whether memory will do.
 * @returns The ids.
 * @throws {UserError} Where memory will not do, or there are less than two tokens.
 */
export function encodedText(
  tokenizer: Tokenizer,
  text: string,
  part: string,
  watch: Watch,
): Int32Array {
  watch.reserve(part, ENCODING_BYTES * text.length);
  const ids = Int32Array.from(tokenizer.encode(text));
  if (ids.length >= 2) return ids;
  throw new UserError(`${part} has ${ids.length} token: it takes 2 to predict one, add more text`);
}
