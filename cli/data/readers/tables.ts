/**
 * Files of comma- and tab-separated values, by the package `csv-parse`, which is loaded from npm where
 * this module is imported, and nowhere else.
 *
 * @module
 */

import { CsvError, parse } from "npm:csv-parse@^7.0.3/stream";
import { rowLimit } from "../cells.ts";
import type { ByteSource, FoundRow, RowReader } from "./reader.ts";
import {
  isTableRecord,
  rowMaker,
  tableFault,
  tableOptions,
  type TableRecord,
} from "./table_rows.ts";
import { checkedUtf8 } from "./utf8.ts";

/** Reads a table whose cells are separated by a sign. */
function separatedBy(delimiter: string): RowReader {
  return async function* (bytes): AsyncGenerator<FoundRow> {
    const rowOf = rowMaker(bytes.name);
    for await (const record of recordsOf(bytes, delimiter)) {
      const row = rowOf(record);
      if (row !== undefined) yield row;
    }
  };
}

async function* recordsOf(bytes: ByteSource, delimiter: string): AsyncGenerator<TableRecord> {
  const { name: file } = bytes;
  const limit = rowLimit(file, "quotes may be missing");
  const parser = parse(tableOptions(delimiter, limit.bytes));
  try {
    const checked = ReadableStream.from(asBuffers(checkedUtf8(bytes.chunks(), file)));
    for await (const value of checked.pipeThrough(parser)) {
      if (!isTableRecord(value)) throw new RangeError("csv-parse gives records in another form");
      yield value;
    }
  } catch (error) {
    throw error instanceof CsvError ? tableFault(error, file) : error;
  }
}

/** The package reads the type of Node. */
async function* asBuffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { Buffer } = await import("node:buffer");
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

/** The readers of tables, by the ending of a file's name. */
export const readers: Readonly<Record<string, RowReader>> = {
  ".csv": separatedBy(","),
  ".tsv": separatedBy("\t"),
};
