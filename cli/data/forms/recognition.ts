/**
 * The form of the rows of a file, by the columns of the first.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import type { Source } from "@unitune/training";
import { type JsonObject, wrong } from "../cells.ts";
import type { Columns, FormName, RowForm } from "./row_forms.ts";

/** What decides the form of rows, beside their columns. */
export interface FormOptions {
  /** The forms that are preferred, for rows that fit several (default: none). */
  readonly needs?: readonly FormName[];
  /** Whether rows keep all their columns beside the prompt, for rewards (default: no). */
  readonly keepsColumns?: boolean;
  /** The names of columns that were given (default: none). */
  readonly columns?: Columns;
  /** What to do about columns of other names, behind a semicolon (default: to name them by flags). */
  readonly remedy?: string;
}

/** The remedy of commands. */
const FLAGS = "name others with --prompt-column and --completion-column";

/**
 * The form of a row: the first preferred one that it fits, otherwise the first that it fits. A column
 * that is null counts as missing, if another form has all of its own.
 *
 * @param row The row.
 * @param known The forms.
 * @param options The preferred forms, and the names of columns.
 * @param source The place of the row.
 * @returns The form.
 * @throws {UserError} If it fits none; the message has the place and the columns.
 */
export function formOf(
  row: JsonObject,
  known: readonly RowForm[],
  { needs = [], columns = {}, remedy = FLAGS }: FormOptions,
  source: Source,
): RowForm {
  const isWhole = ({ columns }: RowForm) => columns.every((column) => row[column] !== null);
  const fitting = known.filter((form) => has(row, form));
  const needed = needs.flatMap((name) => fitting.filter((form) => form.name === name));
  const form = [...needed, ...fitting].find(isWhole) ?? fitting[0];
  if (form !== undefined) return form;
  const unknown = [columns.prompt, columns.completion].flatMap((name) =>
    name === undefined || Object.hasOwn(row, name) ? [] : [name]
  );
  if (unknown.length > 0) {
    throw wrong(
      source,
      `there is no column ${listed(unknown, " or ")}; the columns are ${columnsOf(row)}`,
    );
  }
  const least = known.filter((form) =>
    !known.some(({ columns }) =>
      columns.length < form.columns.length &&
      columns.every((column) => form.columns.includes(column))
    )
  );
  const expected = least.map((form) => listed(form.columns, " and ")).join(", or ");
  const hint = known.length > 1 ? `; ${remedy}` : "";
  throw wrong(source, `there is no ${expected}; the columns are ${columnsOf(row)}${hint}`);
}

/**
 * Refuses a row that lacks columns of the first row's form.
 *
 * @param row The row.
 * @param form The form of the rows before it.
 * @param known All forms.
 * @param source The place of the row.
 * @throws {UserError} If it lacks some; the message has the place and the columns.
 */
export function requireColumns(
  row: JsonObject,
  form: RowForm,
  known: readonly RowForm[],
  source: Source,
): void {
  if (has(row, form)) return;
  const missing = form.columns.filter((column) => !Object.hasOwn(row, column));
  // A row that merely lacks some of the columns has no other form.
  const other = known.find((other) =>
    has(row, other) && other.columns.some((column) => !form.columns.includes(column))
  );
  throw wrong(
    source,
    other === undefined
      ? `there is no ${listed(missing, " and ")}; the columns are ${columnsOf(row)}`
      : `this row has ${listed(other.columns, " and ")}, but the rows before it have ` +
        `${listed(form.columns, " and ")}: keep one format in a file`,
  );
}

const has = (row: JsonObject, form: RowForm) =>
  form.columns.every((column) => Object.hasOwn(row, column));

/** The columns of a row, for an error. */
export function columnsOf(row: JsonObject): string {
  const names = Object.keys(row);
  return names.length === 0 ? "none" : listed(names, ", ");
}

/** The most columns that a message lists. */
const MOST_NAMED = 12;

/** A list of column names; of many names, the first, and of long names, the beginning. */
function listed(names: readonly string[], separator: string): string {
  const more = names.length - MOST_NAMED;
  const shown = names.slice(0, MOST_NAMED).map((name) => quoted(name, 40)).join(separator);
  return more > 0 ? `${shown}${separator}and ${more} more` : shown;
}
