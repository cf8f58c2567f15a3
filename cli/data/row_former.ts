/**
 * Rows of files read one by one: the first row decides the form of them all.
 *
 * @module
 */

import type { Source } from "@unitune/training";
import { isRecord } from "../files/guards.ts";
import { type JsonObject, kindOf, wrong } from "./cells.ts";
import { formOf, type FormOptions, requireColumns } from "./forms/recognition.ts";
import { type FormedRow, type RowForm, rowForms } from "./forms/row_forms.ts";
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
