/**
 * Rows that a visitor of a page pastes: JSON lines, a JSON list, or a table whose first line names
 * the columns. They are read as files are, without a file, and without an API of Deno's.
 *
 * @module
 */

import type { DataKind } from "@unitune/objectives";
import {
  datasetMaterial,
  type Material,
  type RowKind,
  type Rows,
  textMark,
  UserError,
} from "@unitune/training";
import { neededForms } from "./forms/needed_forms.ts";
import { bytesInMemory } from "./readers/bytes_in_memory.ts";
import { readJsonList } from "./readers/json_list.ts";
import { type ParseTable, pastedTable } from "./readers/pasted_tables.ts";
import type { RowReader } from "./readers/reader.ts";
import type { TableOptions } from "./readers/table_rows.ts";
import { formedRows } from "./row_former.ts";
import { distinctRows, partsOf } from "./row_splits.ts";
import { datasetOf, saidText } from "./row_table.ts";

export type { ParseTable, TableOptions };

/** Where rows come from, in messages. */
const NAME = "the pasted text";

/** What reads a text: JSON begins with a bracket, and a table by tabs has one in its first line. */
async function readerOf(text: string, load: () => Promise<ParseTable>): Promise<RowReader> {
  if (/^\s*[[{]/.test(text)) return readJsonList;
  return pastedTable(/^[^\n]*\t/.test(text.trimStart()) ? "\t" : ",", await load());
}

/**
 * The rows of a text as material: the last tenth of them, and at least one, is for validation.
 *
 * @param text The text.
 * @param kind The kind of data that the objective reads, for rows that fit several forms.
 * @param load Loads `parse` of `csv-parse/sync` or of `csv-parse/browser/esm/sync`, for a table.
 * @returns The material.
 * @throws {UserError} If the text has fewer than two rows, or one is none of a dataset; the message
 * has its line.
 *
 * @example
 * ```ts
 * import { pastedMaterial } from "@unitune/cli/rows";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = '{"prompt":"1+1","completion":"2"}\n{"prompt":"1+2","completion":"3"}';
 * const { dataset } = await pastedMaterial(rows, "demonstrations", () => Promise.reject());
 * assertEquals([dataset.train.length, dataset.validation.length], [1, 1]);
 * ```
 */
export async function pastedMaterial(
  text: string,
  kind: DataKind,
  load: () => Promise<ParseTable>,
): Promise<Material> {
  const bytes = bytesInMemory(NAME, new TextEncoder().encode(text.trim() === "" ? "" : text));
  if (bytes.size === 0) throw new UserError("there are no rows: paste some, one on each line");
  const rows: Rows[RowKind][] = [];
  const marks: number[] = [];
  let found: RowKind | undefined;
  const options = {
    needs: neededForms[kind],
    keepsColumns: kind === "rollouts",
    remedy: "give the columns such names",
  };
  const read = await readerOf(text, load);
  for await (const { formed } of formedRows(read(bytes), options)) {
    found ??= formed.kind;
    rows.push(formed.row);
    marks.push(textMark(saidText(formed.row)));
  }
  if (found === undefined || rows.length < 2) {
    throw new UserError(
      `${NAME} has ${
        rows.length === 1 ? "1 row" : "no rows"
      }: paste at least 2, of which the last ` +
        `is for validation`,
    );
  }
  const { train, validation } = partsOf({ rows, marks: Float64Array.from(marks) }, NAME);
  const kept = distinctRows(validation, [train]);
  return datasetMaterial(NAME, datasetOf(found, train.rows, kept.rows), { notes: kept.notes });
}
