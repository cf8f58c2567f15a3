/**
 * The data of a training, before it becomes tokens.
 *
 * @module
 */

import type { Tokenizer } from "@unitune/models";
import { charactersOf, type Dataset, isOfTexts, type RowKind, type Rows } from "./dataset.ts";
import { conversationsOf, type Example, exampleOf } from "./examples.ts";
import { describeFit, type Fitted, requireFit } from "./fit.ts";
import { forEachTold, type Watch } from "./watch.ts";
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
  readonly exams: ReadonlyMap<string, readonly Exam[]>;
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
}

/** The rows of a dataset as examples. */
export interface MaterialExamples {
  /** Those to train on. */
  readonly train: readonly Example[];
  /** Those that are kept aside. */
  readonly validation: readonly Example[];
  /** Rows without an answer at their end, which are no examples. */
  readonly unanswered: { readonly train: number; readonly validation: number };
}

/** Memory that encoding takes for each byte of what is sorted. */
export const ENCODING_LATER = 4;

/**
 * A dataset as material.
 *
 * @param name What it is called.
 * @param dataset The data.
 * @param watch Follows the sorting of its rows.
 * @param subject What the data is called in messages (default: its name).
 * @returns The material.
 *
 * @example
 * ```ts
 * import { datasetMaterial, silentWatch } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = ["1+1", "2+2"].map((content) => ({
 *   messages: [{ role: "user", content }, { role: "assistant", content: "?" }] as const,
 * }));
 * const [train, validation] = [rows.slice(0, 1), rows.slice(1)];
 * const dataset = { kind: "conversations", train, validation } as const;
 * const { characters, exams } = datasetMaterial("sums", dataset, silentWatch);
 * assertEquals([...characters].toSorted(), ["+", "1", "2", "?"]);
 * assertEquals([...exams.keys()], ["validation"]);
 * ```
 */
export function datasetMaterial(
  name: string,
  dataset: Dataset,
  watch: Watch,
  subject: string = name,
): Material {
  const rows = (part: string | readonly Rows[RowKind][]) => typeof part === "string" ? [] : part;
  const tell = watch.begin({ doing: `sorting ${subject}`, subject, later: ENCODING_LATER });
  const examplesOf = (own: readonly Rows[RowKind][]) => {
    const found: Example[] = [];
    forEachTold(own, tell, (row) => {
      const example = exampleOf(row);
      if (example !== undefined) found.push(example);
    });
    return found;
  };
  const [own, kept] = [rows(dataset.train), rows(dataset.validation)];
  const [train, validation] = [examplesOf(own), examplesOf(kept)];
  const right = conversationsOf(kept);
  return {
    name,
    dataset,
    characters: charactersOf(dataset),
    examples: {
      train,
      validation,
      unanswered: {
        train: own.length - train.length,
        validation: kept.length - validation.length,
      },
    },
    exams: new Map([["validation", right.map((conversation) => ({ conversation, kind: "all" }))]]),
    unjudged: kept.length - right.length,
    test: new Map(),
    mistaught: [],
    judges: [],
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
  fitted: Fitted<unknown>,
  { what, header, validation, objective, source }: RowsTold,
): readonly UserMessage[] {
  requireFit(fitted, `training ${what}`);
  if (fitted.rows.length === 0) throw new UserError(`${source} has no ${what} for ${objective}`);
  const fit = describeFit(fitted, `training ${what}`) ?? [];
  return [`${fitted.rows.length} ${header}, ${validation} for validation`, fit].flat();
}

/** Examples to make pairs of, and how many have no answers for that. */
export interface PairMaterial {
  /** The examples. */
  readonly examples: readonly Example[];
  /** The number of rows without one. */
  readonly unanswered: number;
}

/**
 * The examples that pairs are made of.
 *
 * @param settings The settings of the stage.
 * @param examples All examples.
 * @param source What the data is called in messages.
 * @returns Those to train on, and those kept aside.
 * @throws {UserError} Where the data has one answer to a prompt, and rejected ones are to be its own.
 */
export function trainingPairs(
  settings: TrainSettings,
  { train, validation, unanswered }: MaterialExamples,
  source: string,
): { readonly train: PairMaterial; readonly validation: PairMaterial } {
  const of = (own: readonly Example[], without: number): PairMaterial => {
    const examples = withRejected(settings, own, source);
    return { examples, unanswered: without + own.length - examples.length };
  };
  return { train: of(train, unanswered.train), validation: of(validation, unanswered.validation) };
}

/**
 * Examples as they are where their rejected answers are those of the data; without them where these
 * are to be the model's own, and only mistakes are known.
 */
function withRejected(
  { objective, rejected, data }: TrainSettings,
  examples: readonly Example[],
  source: string,
): readonly Example[] {
  const preferred = examples.filter(({ chosen }) => chosen !== undefined);
  const given = preferred.filter(({ rejected }) => rejected !== undefined);
  if (data !== undefined && given.length === 0 && preferred.length > 0 && rejected !== "model") {
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
  if (rejected !== "model") return given;
  return preferred.map(({ rejected: _, ...example }) => example);
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
