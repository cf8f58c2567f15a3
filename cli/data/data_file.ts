/**
 * Reading data files.
 *
 * @module
 */

import { type Dataset, type TableStore, UserError, type Watch } from "@unitune/training";
import { beginDigest } from "../files/digest.ts";
import { fileError } from "../files/file_error.ts";
import { readBytes } from "../files/read.ts";
import { PIECE } from "../files/write.ts";
import { columnsIn, type GatheredRows, gatherRows } from "./formed_rows.ts";
import { splitRows } from "./row_splits.ts";
import { formOf } from "./forms/recognition.ts";
import { type Columns, type FormName, rowForms } from "./forms/row_forms.ts";
import { watchMemory } from "./memory.ts";
import { parsePrompts, type PromptRow } from "./prompt_rows.ts";
import { alternatives } from "../flags/words.ts";
import { fileBytes, followed } from "./readers/bytes.ts";
import { packedEndings, unpacked, unpackedName } from "./readers/compression.ts";
import type { FoundRow, RowReader } from "./readers/reader.ts";
import { rowReaders } from "./readers/row_readers.ts";
import { longestText, parseText, textDataset } from "./text.ts";

/** Options of reading a file. */
export interface DataOptions {
  /** The preferred forms, for rows that fit several (default: none). */
  readonly needs?: readonly FormName[];
  /** Whether rows keep all their columns beside the prompt, for rewards (default: no). */
  readonly keepsColumns?: boolean;
  /** Follows the progress and the memory (default: the memory only). */
  readonly watch?: Watch;
  /** Keeps the rows for another time (default: they are kept in memory). */
  readonly tables?: TableStore;
}

/** The ending of files of running text. */
const TEXT = ".txt";

/**
 * Reads a data file: `.txt` as running text, others as rows.
 *
 * @param path The path of the file.
 * @param columns The names of the columns of a file of rows, where they differ from the usual ones.
 * @param options The preferred forms, and the watch.
 * @returns The dataset.
 * @throws {UserError} If the file can't be read, is empty, does not match its ending, or is too
 * large for the memory.
 */
export async function readDataset(
  path: string,
  columns: Columns = {},
  { watch = watchMemory(), ...options }: DataOptions = {},
): Promise<Dataset> {
  if (isText(path)) return textDataset(await readText(path, columns), path);
  return splitRows(await readRows(path, columns, { watch, ...options }), path);
}

/** Tells whether a file has running text, and no rows. */
export const isText = (path: string): boolean => hasEnding(path, TEXT);

/** The edition of the rows that files are read as, which changes with the forms. */
const EDITION = 1;

/**
 * Reads the rows of a data file, or finds them where they were kept the last time: by a digest of the
 * file and the options that decide how its rows are read.
 *
 * @param path The path of the file.
 * @param columns The names of the columns, where they differ from the usual ones.
 * @param options The preferred forms, the watch, and where rows are kept.
 * @returns The rows, with the key by which what is made of them can be kept.
 * @throws {UserError} If the file can't be read, is empty, does not match its ending, or changes
 * while it is read.
 */
export async function readRows(
  path: string,
  columns: Columns = {},
  { watch = watchMemory(), tables, ...options }: DataOptions = {},
): Promise<GatheredRows & { readonly key?: string }> {
  if (tables === undefined) {
    return await gatherRows(rowsIn(path, watch), path, { ...options, columns });
  }
  const { keepsColumns = false, needs = [] } = options;
  const form = await formIn(path, columns, needs);
  const digest = await digestOfFile(path);
  const key = JSON.stringify(["rows", EDITION, path, digest, form, columns, keepsColumns]);
  const found = unchanged(rowsIn(path, watch), path, digest);
  return { ...await gatherRows(found, path, { ...options, columns, tables, key }), key };
}

/** The rows of a file that still has a digest when all of them are read. */
async function* unchanged(
  rows: AsyncIterable<FoundRow>,
  path: string,
  digest: string,
): AsyncGenerator<FoundRow> {
  yield* rows;
  if (await digestOfFile(path) === digest) return;
  throw new UserError(`${path} has changed while it was read: start again`);
}

/** The digest of the bytes of a file. */
async function digestOfFile(path: string): Promise<string> {
  try {
    const digest = beginDigest();
    using file = await Deno.open(path);
    const piece = new Uint8Array(PIECE);
    for (let count; (count = await file.read(piece)) !== null;) {
      digest.add(piece.subarray(0, count));
    }
    return digest.value();
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * Finds the form in which {@linkcode readDataset} reads a file, from its first row.
 *
 * @param path The path of the file.
 * @param columns The names of the columns of a file of rows, where they differ from the usual ones.
 * @param needs The preferred forms, for rows that fit several.
 * @returns The form; undefined for running text.
 * @throws {UserError} If the file can't be read, is empty, or does not match its ending.
 */
export async function formIn(
  path: string,
  columns: Columns = {},
  needs: readonly FormName[] = [],
): Promise<FormName | undefined> {
  if (hasEnding(path, TEXT)) return undefined;
  for await (const found of rowsIn(path)) {
    return formOf(columnsIn(found), rowForms(columns), { needs, columns }, found.source).name;
  }
  throw new UserError(`${path} is empty: there is nothing to train on`);
}

/**
 * Reads the prompts of a file of rows, in order.
 *
 * @param path The path of the file.
 * @returns The prompts.
 * @throws {UserError} If the file can't be read, has no prompt, or a row holds none.
 */
export async function readPromptRows(path: string): Promise<readonly PromptRow[]> {
  return await parsePrompts(rowsIn(path), path);
}

/**
 * The rows of a file, by the reader for its ending.
 *
 * @param path The path of the file.
 * @param watch Follows the progress and the memory (default: nobody).
 * @returns The rows, in order.
 * @throws {UserError} If the file can't be read, or does not match its ending.
 */
export async function* rowsIn(path: string, watch?: Watch): AsyncGenerator<FoundRow> {
  try {
    const reader = await readerOf(path);
    const bytes = await fileBytes(path);
    const tell = watch?.begin({ doing: `reading ${path}`, subject: path });
    const read = tell === undefined ? bytes : followed(bytes, (read) => tell(read, bytes.size));
    yield* reader(unpacked(read));
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

const hasEnding = (path: string, ending: string) => path.toLowerCase().endsWith(ending);

async function readerOf(path: string): Promise<RowReader> {
  // Checked first, because a folder may have any name.
  if ((await Deno.stat(path)).isDirectory) {
    throw new UserError(`${path} is a folder: --data takes a file`);
  }
  const { inner } = unpackedName(path);
  const ending = Object.keys(rowReaders).find((ending) => hasEnding(inner, ending));
  const reader = ending === undefined ? undefined : rowReaders[ending];
  if (reader !== undefined) return reader;
  throw new UserError(
    `${path}: a data file is named ${alternatives([TEXT, ...Object.keys(rowReaders)])}, and rows ` +
      `may be packed as ${alternatives(packedEndings)}: rename or convert it`,
  );
}

/**
 * Reads running text.
 *
 * @param path The path of the file.
 * @param columns The names of columns, of which text has none.
 * @returns The text.
 * @throws {UserError} If the file can't be read or is no text, or columns are named.
 */
export async function readText(
  path: string,
  { prompt, completion }: Columns,
): Promise<string> {
  if (prompt !== undefined || completion !== undefined) {
    throw new UserError(
      `${path} is plain text and has no columns: leave out --prompt-column and --completion-column`,
    );
  }
  try {
    const { size } = await Deno.stat(path);
    if (size > longestText) {
      throw new UserError(
        `${path} has ${size} bytes, and a text has at most ${longestText}: cut it in pieces`,
      );
    }
  } catch (error) {
    throw fileError(error, "read", path);
  }
  return parseText(await readBytes(path), path);
}
