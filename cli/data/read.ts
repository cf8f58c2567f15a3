/**
 * Data files from the disk.
 *
 * @module
 */

import { fileError } from "../files/file_error.ts";
import { type Dataset, UserError, type Watch } from "@unitune/training";
import { readBytes, requireFile } from "../files/read.ts";
import { type Columns, type FormatName, jsonlFormat, parseJsonl } from "./jsonl.ts";
import { type LineLimit, linesOf } from "../files/lines.ts";
import { longestText, parseText, textDataset } from "./text.ts";
import { watchMemory } from "./memory.ts";

/** How a file is read. */
export interface DataOptions {
  /** The formats to read first, where rows fit several (default: none). */
  readonly needs?: readonly FormatName[];
  /** Follows the reading. */
  readonly watch?: Watch;
}

/** A kind of file: how its format is told, and how it is read. */
interface Reader {
  readonly formatOf: (
    path: string,
    columns: Columns,
    needs: DataOptions["needs"],
  ) => Promise<FormatName>;
  readonly read: (path: string, columns: Columns, options: DataOptions) => Promise<Dataset>;
}

/** The most bytes of a row: JSON takes some twenty times its size in memory at the worst. */
const largestRow = 2 ** 25;

/** How long the lines of a file of rows may be. */
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

/** Memory that preparing rows takes beside them, for each byte of theirs: tokens and masks. */
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
    read: async (path, columns, { needs = [], watch = watchMemory() }) => {
      await requireFile(path);
      using file = await Deno.open(path);
      const { size } = await file.stat();
      const tell = watch.begin({ doing: `reading ${path}`, subject: path, later: LATER });
      return await parseJsonl(linesOf(chunksOf(file), limitFor(path)), path, columns, {
        needs,
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
 * Reads a data file: `.txt` as running text, `.jsonl` as text or conversations.
 *
 * @param path The file.
 * @param columns Where the prompt and the completion of a `.jsonl` are, under other names.
 * @param options What to read first where rows fit several formats, and who follows the reading.
 * @returns The dataset.
 * @throws {UserError} Where the file can't be read, is empty, is not what its name says or does not
 * fit into memory.
 */
export function readDataset(
  path: string,
  columns: Columns = {},
  options: DataOptions = {},
): Promise<Dataset> {
  return withReader(path, (reader) => reader.read(path, columns, options));
}

/**
 * The format in which {@linkcode readDataset} reads a file, from its beginning alone.
 *
 * @param path The file.
 * @param columns Where the prompt and the completion of a `.jsonl` are, under other names.
 * @param needs The formats to read first where rows fit several.
 * @returns The format.
 * @throws {UserError} Where the file can't be read, is empty or is not what its name says.
 */
export function datasetFormat(
  path: string,
  columns: Columns = {},
  needs: readonly FormatName[] = [],
): Promise<FormatName> {
  return withReader(path, (reader) => reader.formatOf(path, columns, needs));
}

async function withReader<T>(path: string, use: (reader: Reader) => Promise<T>): Promise<T> {
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
    return await use(reader);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}
