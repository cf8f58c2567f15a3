/**
 * Rows of files as rows of a dataset: the first row decides the form of them all.
 *
 * @module
 */

import {
  memoryTables,
  type RowKind,
  type Source,
  type TableStore,
  UserError,
} from "@unitune/training";
import { isRecord } from "../files/guards.ts";
import { type JsonObject, kindOf, wrong } from "./cells.ts";
import { formOf, type FormOptions, requireColumns } from "./forms/recognition.ts";
import { type FormedRow, type RowForm, rowForms } from "./forms/row_forms.ts";
import type { FoundRow } from "./readers/reader.ts";
import type { MarkedRows } from "./row_splits.ts";
import { gatherSummary, type RowsSummary, rowTable } from "./row_table.ts";

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

/** Reads rows one by one, in the form of the first that has one. */
export interface RowFormer {
  /**
   * Reads a row.
   *
   * @throws {UserError} If it is none of the form; the message has its place.
   */
  read(found: FoundRow): ReadRow;
  /** The form; undefined before the first row that has one. */
  form(): RowForm | undefined;
}

/**
 * What reads rows in the form of the first.
 *
 * @param options The preferred forms, and the names of columns.
 * @returns No row was read yet.
 */
export function rowFormer(options: FormOptions = {}): RowFormer {
  const known = rowForms(options.columns, options.keepsColumns);
  let form: RowForm | undefined;
  return {
    read(found) {
      const { source } = found;
      const row = columnsIn(found);
      form ??= formOf(row, known, options, source);
      requireColumns(row, form, known, source);
      return { form, formed: form.read(row, source), source };
    },
    form: () => form,
  };
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
  const { read } = rowFormer(options);
  for await (const one of found) yield read(one);
}

/** Rows that were read, all of one kind, and what is known of them. */
export interface GatheredRows extends RowsSummary, MarkedRows {}

/** Where rows are kept. */
export interface Keeping {
  /** Keeps them (default: in memory). */
  readonly tables?: TableStore;
  /** A text that names all that the rows depend on (default: they are not kept for another time). */
  readonly key?: string;
}

/**
 * Reads rows.
 *
 * @param found The rows; they are not read if they were kept before.
 * @param name The name of the data, for errors.
 * @param options The preferred forms, the names of columns, and where rows are kept.
 * @returns The rows, and what is known of them.
 * @throws {UserError} If a row is none of a dataset (the message has its place), or there is none.
 */
export async function gatherRows(
  found: AsyncIterable<FoundRow>,
  name: string,
  { tables = memoryTables, key, ...options }: FormOptions & Keeping = {},
): Promise<GatheredRows> {
  const { rows, marks, summary } = await tables.keep(key, rowTable, async (add) => {
    const gathering = gatherSummary();
    let kind: RowKind | undefined;
    for await (const { formed } of formedRows(found, options)) {
      kind ??= formed.kind;
      add(formed.row, [gathering.add(formed.row)]);
    }
    if (kind !== undefined) return gathering.summary(kind);
    throw new UserError(`${name} is empty: there is nothing to train on`);
  });
  return { ...summary, rows, marks };
}
