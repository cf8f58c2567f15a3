/**
 * Tables as texts: comma- and tab-separated values, whoever takes them apart into records.
 *
 * The first line names the columns. A cell is a text as it stands; an empty one without quotes is
 * null. In columns that hold no text, a cell is JSON, where `true` and `false` may begin with a
 * capital, as pandas writes them. A list of messages is written as JSON in any column that may have
 * one.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { type Source, UserError } from "@unitune/training";
import { isRecord } from "../../files/guards.ts";
import { wrong } from "../cells.ts";
import { contentOf } from "../forms/columns.ts";
import type { FoundRow } from "./reader.ts";

/** A record as the package `csv-parse` gives it. */
export interface TableRecord {
  /** The cells: a text; null for an empty one without quotes. */
  readonly record: readonly (string | null)[];
  /** The text of the record with the line's end, and blank lines before it. */
  readonly raw: string;
  /** Where it ends. */
  readonly info: { readonly lines: number };
}

/** Whether a value is such a record. */
export function isTableRecord(value: unknown): value is TableRecord {
  return isRecord(value) && Array.isArray(value.record) && typeof value.raw === "string" &&
    isRecord(value.info) && typeof value.info.lines === "number";
}

/** The line at which a record begins. */
function lineOf({ raw, info: { lines } }: TableRecord): number {
  return lines - (raw.trim().split("\n").length - 1);
}

/** Options of the package. */
export interface TableOptions {
  /** The sign between two cells. */
  readonly delimiter: string;
  /** Whether a byte order mark is skipped. */
  readonly bom: boolean;
  /** Whether a record has its place. */
  readonly info: boolean;
  /** Whether a record has its text. */
  readonly raw: boolean;
  /** The ends of lines. */
  readonly record_delimiter: string[];
  /** Whether records may have any number of cells. */
  readonly relax_column_count: boolean;
  /** Whether blank lines are no records. */
  readonly skip_empty_lines: boolean;
  /** The most bytes of a record. */
  readonly max_record_size: number;
  /** Makes a cell of its text. */
  readonly cast: (cell: string, context: { readonly quoting: boolean }) => string | null;
}

/**
 * The options by which the package takes a table apart.
 *
 * @param delimiter The sign between two cells.
 * @param longest The most bytes of a record.
 * @returns The options.
 */
export function tableOptions(delimiter: string, longest: number): TableOptions {
  return {
    delimiter,
    bom: true,
    info: true,
    raw: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: longest,
    cast: (cell, { quoting }) => cell === "" && !quoting ? null : cell,
  };
}

/**
 * What makes rows of records: the first names the columns, and is no row.
 *
 * @param file The name of the file, for errors.
 * @returns A function from each record to its row; undefined for the first.
 */
export function rowMaker(file: string): (parsed: TableRecord) => FoundRow | undefined {
  let columns: readonly string[] | undefined;
  return (parsed) => {
    const { record } = parsed;
    const source = { file, line: lineOf(parsed) };
    if (columns === undefined) {
      columns = columnsIn(record, source);
      return undefined;
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
    return { row: Object.fromEntries(cells), source };
  };
}

/** What is wrong with a table, by the package's code. */
const faults: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "a quote is opened and never closed",
  CSV_INVALID_CLOSING_QUOTE: "a quote inside of quotes: write it twice",
  INVALID_OPENING_QUOTE: "a quote inside of a cell without quotes: quote the cell, and write the " +
    "quote twice",
  CSV_MAX_RECORD_SIZE: "the row is longer than rows can be: quotes may be missing",
};

/**
 * An error of the package as one of the file.
 *
 * @param error The error.
 * @param file The name of the file.
 * @returns The error for the user; the message has the line, where it is known.
 */
export function tableFault(
  error: Error & { readonly code: string; readonly lines?: unknown },
  file: string,
): UserError {
  const { code, message, lines } = error;
  const fault = faults[code] ?? message;
  return typeof lines === "number"
    ? wrong({ file, line: lines }, fault)
    : new UserError(`${file}: ${fault}`, { cause: error });
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
