/**
 * Rows of files as rows of a dataset: the first row decides the form of them all.
 *
 * @module
 */

import {
  type Dataset,
  type RowDataset,
  type RowKind,
  type Rows,
  type Source,
  trainingLength,
  UserError,
} from "@unitune/training";
import { isRecord } from "../files/guards.ts";
import { type JsonObject, kindOf, wrong } from "./cells.ts";
import { formOf, type FormOptions, requireColumns } from "./forms/recognition.ts";
import { type FormedRow, type RowForm, rowForms, type RowOf } from "./forms/row_forms.ts";
import type { FoundRow } from "./readers/reader.ts";

/**
 * The columns of a row.
 *
 * @param found The row.
 * @returns Its columns.
 * @throws {UserError} If it is no object; the message has its place.
 */
export function columnsIn({ row, source }: FoundRow): JsonObject {
  if (isRecord(row)) return row;
  throw wrong(source, `a row is a JSON object, not ${kindOf(row)}`);
}

/** A row with the form in which it was read. */
export interface ReadRow {
  /** The form, that of all rows. */
  readonly form: RowForm;
  /** The row. */
  readonly formed: FormedRow;
  /** Its place. */
  readonly source: Source;
}

/**
 * Reads rows in the form of the first.
 *
 * @param found The rows.
 * @param options The preferred forms, and the names of columns.
 * @returns The rows, in order.
 * @throws {UserError} If a row is no object, or a column is missing or of the wrong type; the message
 * has the place of the row.
 */
export async function* formedRows(
  found: AsyncIterable<FoundRow>,
  options: FormOptions = {},
): AsyncGenerator<ReadRow> {
  const known = rowForms(options.columns, options.keepsColumns);
  let form: RowForm | undefined;
  for await (const one of found) {
    const { source } = one;
    const row = columnsIn(one);
    form ??= formOf(row, known, options, source);
    requireColumns(row, form, known, source);
    yield { form, formed: form.read(row, source), source };
  }
}

/** The rows of a dataset, as they come. */
export interface Gathering {
  /** Adds a row. */
  add(formed: FormedRow): void;
  /** The number of rows so far. */
  count(): number;
  /** The dataset of the rows so far; the last 10 % of them, and at least one, are for validation. */
  dataset(): Dataset;
}

/** Datasets of each kind of rows. */
const datasets: { readonly [Kind in RowKind]: (parts: Parts<Kind>) => Dataset } = {
  texts: (parts) => ({ kind: "texts", ...parts }),
  conversations: (parts) => ({ kind: "conversations", ...parts }),
  pairs: (parts) => ({ kind: "pairs", ...parts }),
  labels: (parts) => ({ kind: "labels", ...parts }),
  scores: (parts) => ({ kind: "scores", ...parts }),
  steps: (parts) => ({ kind: "steps", ...parts }),
  prompts: (parts) => ({ kind: "prompts", ...parts }),
};

type Parts<Kind extends RowKind> = Pick<RowDataset<Kind>, "train" | "validation">;

function isOf<Kind extends RowKind>(
  formed: RowOf<RowKind>,
  kind: Kind,
): formed is RowOf<Kind> {
  return formed.kind === kind;
}

/**
 * Gathers rows of a kind.
 *
 * @param kind The kind.
 * @returns What gathers them.
 */
export function gatheringOf<Kind extends RowKind>(kind: Kind): Gathering {
  const rows: Rows[Kind][] = [];
  return {
    add: (formed) => {
      if (!isOf(formed, kind)) throw new RangeError(`${formed.kind} among ${kind}`);
      rows.push(formed.row);
    },
    count: () => rows.length,
    dataset: () => {
      const cut = trainingLength(rows.length);
      return datasets[kind]({ train: rows.slice(0, cut), validation: rows.slice(cut) });
    },
  };
}

/**
 * Reads rows as a dataset.
 *
 * @param found The rows.
 * @param name The name of the data, for errors.
 * @param options The preferred forms, and the names of columns.
 * @returns The dataset; the last 10 % of the rows, and at least one, are for validation.
 * @throws {UserError} If a row is none of a dataset (the message has its place), or there are too few
 * to be split.
 */
export async function gatherRows(
  found: AsyncIterable<FoundRow>,
  name: string,
  options: FormOptions = {},
): Promise<Dataset> {
  let gathering: Gathering | undefined;
  for await (const { formed } of formedRows(found, options)) {
    gathering ??= gatheringOf(formed.kind);
    gathering.add(formed);
  }
  if (gathering === undefined) {
    throw new UserError(`${name} is empty: there is nothing to train on`);
  }
  if (gathering.count() > 1) return gathering.dataset();
  throw new UserError(`${name} has 1 row: it takes 2, one of them for validation`);
}
