/**
 * Tables in memory, by whichever build of `csv-parse` the caller has: that for pages does not run in
 * Deno, nor that of Node in a page.
 *
 * @module
 */

import { concatenated } from "../../files/concatenated.ts";
import { rowLimit } from "../cells.ts";
import type { FoundRow, RowReader } from "./reader.ts";
import {
  isTableRecord,
  rowMaker,
  tableFault,
  type TableOptions,
  tableOptions,
} from "./table_rows.ts";

/** `parse` of `csv-parse/sync` or of `csv-parse/browser/esm/sync`. */
export type ParseTable = (
  text: string,
  options: TableOptions,
) => readonly unknown[];

/**
 * What reads a table in memory.
 *
 * @param delimiter The sign between two cells.
 * @param parse The package's function.
 * @returns The reader.
 */
export function pastedTable(delimiter: string, parse: ParseTable): RowReader {
  return async function* (bytes): AsyncGenerator<FoundRow> {
    const { name: file } = bytes;
    const rowOf = rowMaker(file);
    const whole = concatenated(await Array.fromAsync(bytes.chunks()));
    for (const record of recordsOf(new TextDecoder().decode(whole), delimiter, parse, file)) {
      if (!isTableRecord(record)) throw new RangeError("csv-parse gives records in another form");
      const row = rowOf(record);
      if (row !== undefined) yield row;
    }
  };
}

function recordsOf(
  text: string,
  delimiter: string,
  parse: ParseTable,
  file: string,
): readonly unknown[] {
  try {
    return parse(text, tableOptions(delimiter, rowLimit(file, "quotes may be missing").bytes));
  } catch (error) {
    throw isCsvError(error) ? tableFault(error, file) : error;
  }
}

/** Whether an error is one of the package, whichever build of it has thrown. */
function isCsvError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && "code" in error && typeof error.code === "string";
}
