/**
 * Reading data files.
 *
 * @module
 */

import { type Dataset, type TableStore, UserError, type Watch } from "@unitune/training";
import { beginDigest } from "../files/digest.ts";
import { fileError } from "../files/file_error.ts";
import { readBytes } from "../files/read.ts";
import { type GatheredRows, gatherRows } from "./formed_rows.ts";
import { columnsIn } from "./row_former.ts";
import { splitRows } from "./row_splits.ts";
import { formOf } from "./forms/recognition.ts";
import { type Columns, type FormName, rowForms } from "./forms/row_forms.ts";
import { watchMemory } from "./memory.ts";
import { type DataPlace, type DataSource, findData } from "./places/places.ts";
import { type CountedSource, spreadOrder, takenRows } from "./places/mixture.ts";
import { parsePrompts, type PromptRow } from "./prompt_rows.ts";
import { alternatives } from "../flags/words.ts";
import { fileBytes, followed } from "./readers/bytes.ts";
import { packedEndings, unpacked } from "./readers/compression.ts";
import type { FoundRow, RowReader } from "./readers/reader.ts";
import { rowEnding, rowReaders } from "./readers/row_readers.ts";
import {
  isTextFile,
  longestText,
  type NamedText,
  parseText,
  TEXT_ENDING,
  textDataset,
} from "./text.ts";

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

/**
 * Reads data: the text of a `.txt` file, or rows.
 *
 * @param data What `--data` names, or its text.
 * @param columns The names of the columns of rows, where they differ from the usual ones.
 * @param options The preferred forms, and the watch.
 * @returns The dataset.
 * @throws {UserError} If a file can't be read, is empty, does not match its ending, or is too large
 * for the memory.
 */
export async function readDataset(
  data: DataPlace | string,
  columns: Columns = {},
  { watch = watchMemory(), ...options }: DataOptions = {},
): Promise<Dataset> {
  const place = typeof data === "string" ? await findData(data) : data;
  const texts = textFiles(place);
  if (texts !== undefined) return textDataset(await readTexts(texts, columns));
  return splitRows(await readRows(place, columns, { watch, ...options }), place.name);
}

/**
 * The files of running text that a place is.
 *
 * @param place What `--data` names.
 * @returns The files; undefined if the place has rows.
 * @throws {UserError} If it has both, or texts have shares.
 */
export function textFiles({ sources }: DataPlace): readonly string[] | undefined {
  const files = sources.flatMap(({ files }) => files);
  const text = files.find(isTextFile);
  if (text === undefined) return undefined;
  const other = files.find((file) => !isTextFile(file));
  if (other !== undefined) {
    throw new UserError(
      `${text} is running text, and ${other} has rows: leave out one of them, or make rows of the ` +
        `text`,
    );
  }
  if (sources.some(({ weight }) => weight !== undefined)) {
    throw new UserError(`${text} is running text, which is taken whole: leave out the shares`);
  }
  return files;
}

/** The edition of the rows that files are read as, which changes with the forms. */
const EDITION = 2;

/**
 * Reads rows, or finds them where they were kept the last time: by digests of the files and the
 * options that decide how their rows are read.
 *
 * @param place What `--data` names.
 * @param columns The names of the columns, where they differ from the usual ones.
 * @param options The preferred forms, the watch, and where rows are kept.
 * @returns The rows, with the key by which what is made of them can be kept.
 * @throws {UserError} If a file can't be read, does not match its ending, or changes while it is
 * read, or all are empty.
 */
export async function readRows(
  place: DataPlace,
  columns: Columns = {},
  { watch = watchMemory(), tables, ...options }: DataOptions = {},
): Promise<GatheredRows & { readonly key?: string }> {
  if (tables === undefined) {
    return await gatherRows(rowsOf(place, watch), place.name, { ...options, columns });
  }
  const { keepsColumns = false, needs = [] } = options;
  const form = await formIn(place, columns, needs);
  const digest = await digestOfFiles(place);
  const shares = place.sources.map(({ weight, files }) => [weight ?? null, files]);
  const key = JSON.stringify(["rows", EDITION, shares, digest, form, columns, keepsColumns]);
  const found = unchanged(rowsOf(place, watch), place, digest);
  return { ...await gatherRows(found, place.name, { ...options, columns, tables, key }), key };
}

/** Rows of files that still have a digest when all of them are read. */
async function* unchanged(
  rows: AsyncIterable<FoundRow>,
  place: DataPlace,
  digest: string,
): AsyncGenerator<FoundRow> {
  yield* rows;
  if (await digestOfFiles(place) === digest) return;
  throw new UserError(`${place.name} has changed while it was read: start again`);
}

/** The digest of the bytes of all files. */
async function digestOfFiles({ sources }: DataPlace): Promise<string> {
  const digests: string[] = [];
  for (const { files } of sources) {
    for (const file of files) digests.push(await digestOfFile(file));
  }
  return digests.join();
}

/**
 * The rows of all sources. Those of several are spread evenly, by their numbers, for which they are
 * read once before.
 *
 * @param place What `--data` names.
 * @param watch Follows the progress and the memory (default: nobody).
 * @returns The rows, in order.
 */
export async function* rowsOf(place: DataPlace, watch?: Watch): AsyncGenerator<FoundRow> {
  const { sources } = place;
  const [first, ...more] = sources;
  if (first !== undefined && more.length === 0) return yield* rowsInAll(first, watch);
  const counted: CountedSource[] = [];
  for (const { weight, ...source } of sources) {
    let count = 0;
    for await (const _ of rowsInAll(source)) count += 1;
    counted.push({ count, ...weight !== undefined && { weight } });
  }
  const readers = sources.map((source) => rowsInAll(source, watch));
  try {
    for (const source of spreadOrder(takenRows(counted))) {
      const next = await readers[source]?.next();
      if (next === undefined || next.done === true) {
        throw new UserError(`${place.name} has changed while it was read: start again`);
      }
      yield next.value;
    }
  } finally {
    for (const reader of readers) await reader.return(undefined);
  }
}

/** The rows of the files of a source. */
async function* rowsInAll({ files }: DataSource, watch?: Watch): AsyncGenerator<FoundRow> {
  for (const file of files) yield* rowsIn(file, watch);
}

/** The digest of the bytes of a file. */
async function digestOfFile(path: string): Promise<string> {
  const digest = beginDigest();
  const bytes = await fileBytes(path);
  for await (const chunk of bytes.chunks()) digest.add(chunk);
  return digest.value();
}

/**
 * Finds the form in which {@linkcode readDataset} reads rows, from the first of them.
 *
 * @param place What `--data` names.
 * @param columns The names of the columns of rows, where they differ from the usual ones.
 * @param needs The preferred forms, for rows that fit several.
 * @returns The form; undefined for running text.
 * @throws {UserError} If a file can't be read or does not match its ending, or there is no row.
 */
export async function formIn(
  place: DataPlace,
  columns: Columns = {},
  needs: readonly FormName[] = [],
): Promise<FormName | undefined> {
  if (textFiles(place) !== undefined) return undefined;
  for await (const found of firstRows(place)) {
    return formOf(columnsIn(found), rowForms(columns), { needs, columns }, found.source).name;
  }
  throw new UserError(`${place.name} is empty: there is nothing to train on`);
}

/** The rows of the sources, one after the other. */
async function* firstRows({ sources }: DataPlace): AsyncGenerator<FoundRow> {
  for (const source of sources) yield* rowsInAll(source);
}

/**
 * Reads the prompts of rows, in order.
 *
 * @param data The names of the files, as `--data` has them.
 * @returns The prompts.
 * @throws {UserError} If a file can't be read, there is no prompt, or a row holds none.
 */
export async function readPromptRows(data: string): Promise<readonly PromptRow[]> {
  return await parsePrompts(rowsOf(await findData(data)), data);
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

async function readerOf(path: string): Promise<RowReader> {
  // Checked first, because a folder may have any name.
  if ((await Deno.stat(path)).isDirectory) {
    throw new UserError(`${path} is a folder, which has no rows itself: name a file`);
  }
  const ending = rowEnding(path);
  const reader = ending === undefined ? undefined : rowReaders[ending];
  if (reader !== undefined) return reader;
  throw new UserError(
    `${path}: a data file is named ${
      alternatives([TEXT_ENDING, ...Object.keys(rowReaders)])
    }, and rows ` +
      `may be packed as ${alternatives(packedEndings)}: rename or convert it`,
  );
}

/**
 * Reads running text.
 *
 * @param files The paths of the files.
 * @param columns The names of columns, of which text has none.
 * @returns The texts, in order.
 * @throws {UserError} If a file can't be read or is no text, or columns are named.
 */
export async function readTexts(
  files: readonly string[],
  { prompt, completion }: Columns,
): Promise<readonly NamedText[]> {
  if (prompt !== undefined || completion !== undefined) {
    throw new UserError(
      `${files[0]} is plain text and has no columns: leave out --prompt-column and ` +
        `--completion-column`,
    );
  }
  const texts: NamedText[] = [];
  for (const file of files) texts.push({ file, text: await readText(file) });
  return texts;
}

/** Reads a file of running text. */
async function readText(path: string): Promise<string> {
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
