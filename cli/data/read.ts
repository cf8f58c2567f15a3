/**
 * Data files from the disk.
 *
 * @module
 */

import { fileError, UserError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { type Columns, parseJsonl } from "./jsonl.ts";
import { linesOf } from "./lines.ts";
import { parseText, textDataset } from "./text.ts";

/** The most characters that a string of the JavaScript engine can have. */
const longestText = 2 ** 29 - 24;

/** How a file is read, by the end of its name. */
type Reader = (path: string, columns: Columns) => Promise<Dataset>;

const readers: Readonly<Record<string, Reader>> = {
  ".txt": async (path, columns) => {
    if (columns.prompt !== undefined || columns.completion !== undefined) {
      throw new UserError(
        `${path} is plain text and has no columns: leave out --prompt-column and ` +
          `--completion-column`,
      );
    }
    const { size } = await Deno.stat(path);
    if (size > longestText) {
      throw new UserError(
        `${path} has ${size} bytes, and a text has at most ${longestText}: cut it in pieces`,
      );
    }
    const bytes = await Deno.readFile(path);
    return textDataset(parseText(bytes, path), path);
  },
  ".jsonl": async (path, columns) => {
    const file = await Deno.open(path);
    return await parseJsonl(linesOf(file.readable), path, columns);
  },
};

/**
 * Reads a data file: `.txt` as running text, `.jsonl` as text or conversations.
 *
 * @param path The file.
 * @param columns Where the prompt and the completion of a `.jsonl` are, under other names.
 * @returns The dataset.
 * @throws {UserError} Where the file can't be read, is empty or is not what its name says.
 */
export async function readDataset(path: string, columns: Columns = {}): Promise<Dataset> {
  try {
    // Told apart first, because a folder may have any name.
    if ((await Deno.stat(path)).isDirectory) {
      throw new UserError(`${path} is a folder: --data takes a file`);
    }
    const ending = Object.keys(readers).find((ending) => path.toLowerCase().endsWith(ending));
    const reader = ending === undefined ? undefined : readers[ending];
    if (reader === undefined) {
      throw new UserError(
        `${path}: a data file is named ${Object.keys(readers).join(" or ")}: rename or convert it`,
      );
    }
    return await reader(path, columns);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
