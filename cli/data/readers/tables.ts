/**
 * Tables as texts: comma- and tab-separated values, by the package `csv-parse`, which is loaded from
 * npm where this module is imported, and nowhere else.
 *
 * The first line names the columns. A cell is a text as it stands; an empty one without quotes is
 * null. In columns that hold no text, a cell is JSON, where `true` and `false` may begin with a
 * capital, as pandas writes them. A list of messages is written as JSON in any column that may have
 * one.
 *
 * @module
 */

import { CsvError, parse } from "npm:csv-parse@^7.0.3/stream";
import { quoted } from "@unitune/core";
import { type Source, UserError } from "@unitune/training";
import { isRecord } from "../../files/guards.ts";
import { rowLimit, wrong } from "../cells.ts";
import { contentOf } from "../forms/columns.ts";
import type { ByteSource, FoundRow, RowReader } from "./reader.ts";
import { checkedUtf8 } from "./utf8.ts";

/** A record as the package gives it. */
interface Parsed {
  /** The cells: a text; null for an empty one without quotes. */
  readonly record: readonly (string | null)[];
  /** The text of the record with the line's end, and blank lines before it. */
  readonly raw: string;
  /** Where it ends. */
  readonly info: { readonly lines: number };
}

function isParsed(value: unknown): value is Parsed {
  return isRecord(value) && Array.isArray(value.record) && typeof value.raw === "string" &&
    isRecord(value.info) && typeof value.info.lines === "number";
}

/** The line at which a record begins. */
function lineOf({ raw, info: { lines } }: Parsed): number {
  return lines - (raw.trim().split("\n").length - 1);
}

/** Reads a table whose cells are separated by a sign. */
function separatedBy(delimiter: string): RowReader {
  return async function* (bytes): AsyncGenerator<FoundRow> {
    const { name: file } = bytes;
    let columns: readonly string[] | undefined;
    for await (const parsed of recordsOf(bytes, delimiter)) {
      const { record } = parsed;
      const source = { file, line: lineOf(parsed) };
      if (columns === undefined) {
        columns = columnsIn(record, source);
        continue;
      }
      const names = columns;
      if (record.length !== names.length) {
        throw wrong(
          source,
          `the row has ${record.length} cells, and the first line names ${names.length} columns: ` +
            `put cells with the separator, a quote or a line's end in quotes`,
        );
      }
      const cells = record.map((cell, i): [string, unknown] => {
        const name = names[i] ?? "";
        return [name, valueOf(cell, name, source)];
      });
      yield { row: Object.fromEntries(cells), source };
    }
  };
}

async function* recordsOf(bytes: ByteSource, delimiter: string): AsyncGenerator<Parsed> {
  const { name: file } = bytes;
  const limit = rowLimit(file, "quotes may be missing");
  const parser = parse({
    delimiter,
    bom: true,
    info: true,
    raw: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: limit.bytes,
    cast: (cell: string, { quoting }: { readonly quoting: boolean }) =>
      cell === "" && !quoting ? null : cell,
  });
  try {
    const checked = ReadableStream.from(asBuffers(checkedUtf8(bytes.chunks(), file)));
    for await (const value of checked.pipeThrough(parser)) {
      if (!isParsed(value)) throw new RangeError("csv-parse gives records in another form");
      yield value;
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = "lines" in error && typeof error.lines === "number" ? error.lines : undefined;
    if (line === undefined) throw new UserError(`${file}: ${faultOf(error)}`, { cause: error });
    throw wrong({ file, line }, faultOf(error));
  }
}

/** What is wrong with a table, by the package's code. */
const faults: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_INVALID_CLOSING_QUOTE: "a quote inside of quotes: write it twice",
  INVALID_OPENING_QUOTE: "a quote inside of a cell without quotes: quote the cell, and write the " +
    "quote twice",
  CSV_MAX_RECORD_SIZE: "the row is longer than rows can be: quotes may be missing",
};

function faultOf({ code, message }: CsvError): string {
  return faults[code] ?? message;
}

/** The package reads the type of Node. */
async function* asBuffers(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { Buffer } = await import("node:buffer");
  for await (const chunk of chunks) yield Buffer.from(chunk);
}

/** The names of the columns, each of which is there once. */
function columnsIn(record: readonly (string | null)[], source: Source): readonly string[] {
  const names = record.map((name) => name ?? "");
  const twice = names.find((name, i) => name !== "" && names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw wrong(source, `the first line names the column ${quoted(twice)} twice`);
}

/** A list of messages as Python prints it, which pandas writes where a column holds lists. */
const PYTHON_MESSAGES = /^\s*\[\s*\{\s*'(?:role|content|from|value)'\s*:[^]*\}\s*\]\s*$/;

/** The value of a cell. */
function valueOf(cell: string | null, column: string, source: Source): unknown {
  if (cell === null) return null;
  const content = contentOf(column);
  if (content === "text") return cell;
  if (PYTHON_MESSAGES.test(cell)) {
    throw wrong(
      source,
      `${
        quoted(column)
      } has messages as Python prints them, which is no JSON: write the column by ` +
        `json.dumps`,
    );
  }
  if (content === "side") return /^\s*\[\s*\{/.test(cell) ? jsonIn(cell) ?? cell : cell;
  const value = jsonIn(cell.replace(/^\s*(True|False)\s*$/, (word) => word.toLowerCase()));
  if (value !== undefined) return value;
  throw wrong(source, `${quoted(column)} is no JSON: ${quoted(cell, 80)}`);
}

/** The value of a text of JSON; undefined if it is none. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The readers of tables, by the ending of a file's name. */
export const readers: Readonly<Record<string, RowReader>> = {
  ".csv": separatedBy(","),
  ".tsv": separatedBy("\t"),
};
