/**
 * The readers of files of rows, by the ending of their names.
 *
 * @module
 */

import { readJsonLines } from "./json_lines.ts";
import type { RowReader } from "./reader.ts";

/** What reads the rows of a file, by the ending of its name. */
export const rowReaders: Readonly<Record<string, RowReader>> = {
  ".jsonl": readJsonLines,
};
