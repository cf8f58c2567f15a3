/**
 * The values in the columns of a row, or refusals that name file, line and column.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { placeText, type Source, UserError } from "@unitune/training";
import type { LineLimit } from "../files/lines.ts";

/** The columns of a row. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The text in a column. */
export function string(value: unknown, column: string, source: Source): string {
  if (typeof value !== "string") {
    throw wrong(source, `${quoted(column)} is a text, not ${kindOf(value)}`);
  }
  // JSON can escape half of a surrogate pair, which is no character and has no encoding in UTF-8.
  if (!value.isWellFormed()) {
    throw wrong(source, `${quoted(column)} has half a surrogate pair (\\ud…)`);
  }
  return value;
}

/** The elements of a list. */
export function list(value: unknown, column: string, source: Source): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw wrong(source, `${quoted(column)} is a list, not ${kindOf(value)}`);
}

/** A truth value; 1 and 0 are accepted as well. */
export function truth(value: unknown, column: string, source: Source): boolean {
  if (value === true || value === 1) return true;
  if (value === false || value === 0) return false;
  throw wrong(source, `${quoted(column)} is true or false, not ${quoted(value)}`);
}

/** The kind of a value, in words. */
export function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The refusal of a row. */
export function wrong(source: Source, why: string): UserError {
  return new UserError(`${placeText(source)}: ${why}`);
}

/**
 * The most bytes of a row, 64 MiB: parsed JSON takes up to twenty times its size in memory, of which
 * the engine has 4 GB.
 */
const LARGEST_ROW = 2 ** 26;

/**
 * The limit of the length of a row in a file.
 *
 * @param file The name of the file.
 * @param remedy What to do about a longer one.
 * @returns The limit.
 */
export function rowLimit(file: string, remedy: string): LineLimit {
  return {
    bytes: LARGEST_ROW,
    refuse: (line) =>
      wrong(
        { file, line },
        `the line has more than ${LARGEST_ROW} bytes, the most that a row can have: ${remedy}`,
      ),
  };
}
