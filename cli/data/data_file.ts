/**
 * Reading data files.
 *
 * @module
 */

import { fileError } from "../files/file_error.ts";
import { type Dataset, UserError, type Watch } from "@unitune/training";
import { readBytes, requireFile } from "../files/read.ts";
import { type Columns, type FormatName, jsonlFormat, parseJsonl } from "./jsonl.ts";
import { parsePrompts, type PromptRow } from "./prompt_rows.ts";
import { type LineLimit, linesOf } from "../files/lines.ts";
import { longestText, parseText, textDataset } from "./text.ts";
import { watchMemory } from "./memory.ts";

/** Options of reading a file. */
export interface DataOptions {
  /** The preferred formats, for rows that fit several (default: none). */
  readonly needs?: readonly FormatName[];
  /** Whether rows keep all their columns beside the prompt, for rewards (default: no). */
  readonly keepsColumns?: boolean;
  /** Follows the progress and the memory (default: the memory only). */
  readonly watch?: Watch;
}

/** A kind of file. */
interface Reader {
  readonly formatOf: (
    path: string,
    columns: Columns,
    needs: DataOptions["needs"],
  ) => Promise<FormatName>;
  readonly read: (path: string, columns: Columns, options: DataOptions) => Promise<Dataset>;
}

/** The most bytes of a row: parsed JSON takes up to twenty times its size in memory. */
const largestRow = 2 ** 25;

/** The limit of a line's length in a file of rows. */
function limitFor(path: string): LineLimit {
  return {
    bytes: largestRow,
    refuse: (line) =>
      new UserError(
        `${path}:${line}: the line has more than ${largestRow} bytes, the most that a row can ` +
          `have: write a row on each line`,
      ),
  };
}

/** Bytes of tokens and masks that are later made for each byte of the rows. */
const LATER = 4;

const readers: Readonly<Record<string, Reader>> = {
  ".txt": {
    formatOf: () => Promise.resolve("text"),
    read: async (path, columns) => {
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
      return textDataset(parseText(await readBytes(path), path), path);
    },
  },
  ".jsonl": {
    formatOf: async (path, columns, needs) => {
      await requireFile(path);
      using file = await Deno.open(path);
      return await jsonlFormat(linesOf(chunksOf(file), limitFor(path)), path, columns, needs);
    },
    read: async (path, columns, { watch = watchMemory(), ...options }) => {
      await requireFile(path);
      using file = await Deno.open(path);
      const { size } = await file.stat();
      const tell = watch.begin({ doing: `reading ${path}`, subject: path, later: LATER });
      return await parseJsonl(linesOf(chunksOf(file), limitFor(path)), path, columns, {
        ...options,
        tell: (bytes) => tell(bytes, size),
      });
    },
  },
};

/** The bytes of an open file, in pieces of 64 KiB. */
async function* chunksOf(file: Deno.FsFile): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = new Uint8Array(2 ** 16);
    const read = await file.read(chunk);
    if (read === null) return;
    yield chunk.subarray(0, read);
  }
}

/**
 * Reads a data file: `.txt` as running text, `.jsonl` as rows.
 *
 * @param path The path of the file.
 * @param columns The names of the columns of a `.jsonl` file, where they differ from the usual
 * ones.
 * @param options The preferred formats, and the watch.
 * @returns The dataset.
 * @throws {UserError} If the file can't be read, is empty, does not match its ending, or is too
 * large for the memory.
 */
export function readDataset(
  path: string,
  columns: Columns = {},
  options: DataOptions = {},
): Promise<Dataset> {
  return withReader(path, (reader) => reader.read(path, columns, options));
}

/**
 * Finds the format in which {@linkcode readDataset} reads a file, from its first row.
 *
 * @param path The path of the file.
 * @param columns The names of the columns of a `.jsonl` file, where they differ from the usual
 * ones.
 * @param needs The preferred formats, for rows that fit several.
 * @returns The format.
 * @throws {UserError} If the file can't be read, is empty, or does not match its ending.
 */
export function datasetFormat(
  path: string,
  columns: Columns = {},
  needs: readonly FormatName[] = [],
): Promise<FormatName> {
  return withReader(path, (reader) => reader.formatOf(path, columns, needs));
}

/**
 * Reads the prompts of a `.jsonl` file, in order.
 *
 * @param path The path of the file.
 * @returns The prompts.
 * @throws {UserError} If the file can't be read, has no prompt, or a row holds none.
 */
export async function readPromptRows(path: string): Promise<readonly PromptRow[]> {
  try {
    await requireFile(path);
    using file = await Deno.open(path);
    return await parsePrompts(linesOf(chunksOf(file), limitFor(path)), path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

async function withReader<T>(path: string, use: (reader: Reader) => Promise<T>): Promise<T> {
  try {
    // Checked first, because a folder may have any name.
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
    return await use(reader);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
