/**
 * The rows to train on, and those that are kept for validation.
 *
 * @module
 */

import {
  type Dataset,
  pickedRows,
  type RowKind,
  type Rows,
  type RowTable,
  trainingLength,
  UserError,
  type UserMessage,
} from "@unitune/training";
import { datasetOf, type RowsSummary } from "./row_table.ts";

/** Rows, with a number for each by which those that say the same are found. */
export interface MarkedRows {
  /** The rows. */
  readonly rows: RowTable<Rows[RowKind]>;
  /** Their marks. */
  readonly marks: Float64Array;
}

/** The rows of both parts. */
export interface RowParts {
  /** Those to train on. */
  readonly train: MarkedRows;
  /** Those that are kept for validation. */
  readonly validation: MarkedRows;
}

/**
 * Splits rows by their number.
 *
 * @param gathered The rows.
 * @param name The name of the data, for errors.
 * @param share The share from the end that is for validation (default 0.1).
 * @returns Both parts.
 * @throws {UserError} If there is one row only, and a share of the rows is for validation.
 */
export function partsOf({ rows, marks }: MarkedRows, name: string, share?: number): RowParts {
  if (rows.length < 2 && share !== 0) {
    throw new UserError(
      `${name} has 1 row: it takes 2, one of them for validation, or --validation-share 0`,
    );
  }
  const cut = trainingLength(rows.length, share);
  return {
    train: { rows: rows.slice(0, cut), marks: marks.subarray(0, cut) },
    validation: { rows: rows.slice(cut), marks: marks.subarray(cut) },
  };
}

/**
 * Splits rows into a dataset; see {@linkcode partsOf}.
 *
 * @param gathered The rows.
 * @param name The name of the data, for errors.
 * @returns The dataset; the last 10 % of the rows, and at least one, are for validation.
 */
export function splitRows(gathered: MarkedRows & Pick<RowsSummary, "kind">, name: string): Dataset {
  const { train, validation } = partsOf(gathered, name);
  return datasetOf(gathered.kind, train.rows, validation.rows);
}

/** Validation rows that are no training rows. */
export interface DistinctRows {
  /** The rows. */
  readonly rows: RowTable<Rows[RowKind]>;
  /** Sentences for the user on those that were left out. */
  readonly notes: readonly UserMessage[];
}

/**
 * Leaves out validation rows that say what a training row says: a model would be asked for what it has
 * learned. Training rows stay as they are: what is trained on never depends on what is asked.
 *
 * @param validation The validation rows.
 * @param trained All training rows.
 * @returns The other validation rows.
 */
export function distinctRows(
  { rows, marks }: MarkedRows,
  trained: readonly Pick<MarkedRows, "marks">[],
): DistinctRows {
  const asked = new Set(marks);
  const learned = new Set<number>();
  for (const { marks } of trained) {
    for (const mark of marks) if (asked.has(mark)) learned.add(mark);
  }
  if (learned.size === 0) return { rows, notes: [] };
  const kept = [...marks.keys()].filter((index) => !learned.has(marks[index] ?? NaN));
  const count = rows.length - kept.length;
  const effect = kept.length === 0 ? "there is no validation" : "they are left out of validation";
  return {
    rows: pickedRows(rows, kept),
    notes: [`${count} of ${rows.length} validation rows are training rows as well: ${effect}.`],
  };
}
