/**
 * Tables on the disk, which the next start finds again: large ones are written to a folder while
 * their rows are added, each to a file named by the digest of its key.
 *
 * A file is written beside its place and renamed once it is whole, so that a killed process leaves
 * nothing that is read. Its unfinished file is locked while it is at work; the next process that
 * writes a table removes those that nobody locks, and tables that were not used for 30 days.
 *
 * @module
 */

import { join } from "node:path";
import {
  type AddRow,
  type MemoryRecords,
  memoryRecords,
  memoryTable,
  memoryTables,
  readTable,
  recordReader,
  recordWriter,
  type StoredTable,
  type TableForm,
  type TableStore,
  UserError,
} from "@unitune/training";
import { grantedEnvironment, type HubEnvironment } from "../../hub/environment.ts";
import { digestOf } from "../../files/digest.ts";
import { FileError, fileError } from "../../files/file_error.ts";
import { openRecordFile, type RecordFileWriter, recordFileWriter } from "./record_file.ts";

/** The bytes of rows up to which a table is kept in memory alone: making it again takes seconds. */
export const LARGE = 2 ** 26;

/** The ending of the names of tables. */
const TABLE = ".table";

/** The ending of the names of tables that are not whole. */
const PARTIAL = ".partial";

/** The names of tables, and of those that are not whole. */
const TABLE_NAME = /^[0-9a-f]{64}\.table$/;
const PARTIAL_NAME = /^[0-9a-f]{64}\.table\.[0-9a-f]{8}\.partial$/;

/** Milliseconds after which a table that nobody has used is removed. */
const UNUSED = 30 * 24 * 60 * 60 * 1000;

/**
 * The folder of tables: `unitune` in `XDG_CACHE_HOME`, or in `~/.cache` where it is not set.
 *
 * @param env The variables (default: those of the process that it may read).
 * @returns The path; undefined if no home folder is known.
 *
 * @example
 * ```ts
 * import { tablesFolder } from "./table_cache.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const home = { HOME: "/home/ann" };
 * assertEquals(tablesFolder((name) => Reflect.get(home, name)), "/home/ann/.cache/unitune/tables");
 * ```
 */
export function tablesFolder(env: HubEnvironment = grantedEnvironment): string | undefined {
  const caches = env("XDG_CACHE_HOME");
  if (caches !== undefined) return join(caches, "unitune", "tables");
  const home = env("HOME") ?? env("USERPROFILE");
  return home === undefined ? undefined : join(home, ".cache", "unitune", "tables");
}

/** Options of a cache. */
export interface TableCacheOptions {
  /** The bytes of rows up to which a table is kept in memory alone (default 64 MiB). */
  readonly large?: number;
  /** The time, in milliseconds since 1970 (default: now). */
  readonly now?: () => number;
}

/**
 * Keeps large tables on the disk.
 *
 * @param folder The folder of the tables, which is made when one is written.
 * @param options The size of a large table.
 * @returns The store.
 *
 * @example
 * ```ts
 * import { tableCache } from "./table_cache.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const form = {
 *   write: (row: number, to: { number(value: number): void }) => to.number(row),
 *   read: (from: { number(): number }) => from.number(),
 *   isSummary: (value: unknown) => value === "numbers",
 * };
 * const folder = await Deno.makeTempDir();
 * const store = tableCache(folder, { large: 0 });
 * await store.keep("two numbers", form, (add) => {
 *   [3, 300].forEach((row) => add(row));
 *   return "numbers" as const;
 * });
 * const again = await store.keep("two numbers", form, () => {
 *   throw new Error("they are there");
 * });
 * assertEquals([...again.rows], [3, 300]);
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function tableCache(
  folder: string,
  { large = LARGE, now = Date.now }: TableCacheOptions = {},
): TableStore {
  return {
    async keep(key, form, fill) {
      if (key === undefined) return await memoryTables.keep(key, form, fill);
      const path = join(folder, `${digestOf(key)}${TABLE}`);
      return told("read", path, () => openTable(path, form, now())) ??
        await newTable({ folder, path, large, now }, form, fill);
    },
  };
}

/** Does something with a file of the cache; tells what fails, and how to do without the cache. */
function told<T>(doing: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const reason = fileError(error, doing, path);
    if (!(reason instanceof FileError)) throw reason;
    throw new FileError(`${reason.message}; --no-cache keeps rows in memory instead`, {
      cause: error,
    });
  }
}

/** Where a table is written once it is large. */
interface Place {
  readonly folder: string;
  readonly path: string;
  readonly large: number;
  readonly now: () => number;
}

/** The table in a file; undefined if there is none. */
function openTable<Row, Summary>(
  path: string,
  { read, isSummary }: TableForm<Row, Summary>,
  time: number,
): StoredTable<Row, Summary> | undefined {
  const file = openRecordFile(path);
  if (file === undefined || !isSummary(file.summary)) return undefined;
  markUsed(path, time);
  const { length, marks, summary } = file;
  const rows = readTable(length, {
    read: (index) => read(recordReader(file.read(index))),
    *scan(start, end) {
      for (const bytes of file.scan(start, end)) yield read(recordReader(bytes));
    },
  });
  return { rows, summary, marks };
}

/** Notes that a table was used at a time. */
function markUsed(path: string, time: number): void {
  try {
    Deno.utimeSync(path, new Date(time), new Date(time));
  } catch {
    // A table of somebody else's is read all the same.
  }
}

/** The bytes of a table that is being made: in memory, and in a file once there are many. */
type Sink =
  | { readonly kind: "memory"; readonly records: MemoryRecords }
  | ({ readonly kind: "file" } & PartialFile);

/** A file that is not whole. */
interface PartialFile extends Disposable {
  readonly writer: RecordFileWriter;
  /** Makes the file whole, and puts it in its place. */
  readonly finish: (summary: unknown) => void;
}

/** Makes a table. */
async function newTable<Row, Summary>(
  place: Place,
  form: TableForm<Row, Summary>,
  fill: (add: AddRow<Row>) => Summary | Promise<Summary>,
): Promise<StoredTable<Row, Summary>> {
  const bytesOf = recordWriter();
  let sink: Sink = { kind: "memory", records: memoryRecords() };
  const add: AddRow<Row> = (row, marks = []) => {
    const bytes = bytesOf((to) => form.write(row, to));
    if (sink.kind === "file") return sink.writer.add(bytes, marks);
    const { records } = sink;
    records.add(bytes, marks);
    if (records.bytes() > place.large) sink = { kind: "file", ...partialFile(place, records) };
  };
  const current = () => sink;
  try {
    const summary = await fill(add);
    const filled = current();
    if (filled.kind === "memory") return memoryTable(filled.records, form, summary);
    filled.finish(summary);
  } finally {
    const left = current();
    if (left.kind === "file") left[Symbol.dispose]();
  }
  const made = openTable(place.path, form, place.now());
  if (made !== undefined) return made;
  throw new UserError(
    `${place.path} was written and cannot be read again: leave out the folder by --no-cache`,
  );
}

/** Begins the file of a table with rows that are in memory. */
function partialFile({ folder, path, now }: Place, records: MemoryRecords): PartialFile {
  const named = <T>(write: () => T): T => told("write", path, write);
  const { file, beside } = named(() => {
    Deno.mkdirSync(folder, { recursive: true });
    tidy(folder, now());
    return lockedFile(path);
  });
  let isOpen = true;
  const close = () => {
    if (isOpen) file.close();
    isOpen = false;
  };
  const dispose = () => {
    close();
    // A whole one is in its place by now.
    removeQuietly(beside);
  };
  try {
    const writer = named(() => recordFileWriter(file, records));
    return {
      writer: { ...writer, add: (bytes, marks) => named(() => writer.add(bytes, marks)) },
      finish: (summary) =>
        named(() => {
          writer.finish(summary);
          file.syncSync();
          Deno.renameSync(beside, path);
          close();
        }),
      [Symbol.dispose]: dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}

/** A new file beside a path, which other processes find locked. */
function lockedFile(path: string): { readonly file: Deno.FsFile; readonly beside: string } {
  for (;;) {
    const beside = `${path}.${crypto.randomUUID().slice(0, 8)}${PARTIAL}`;
    const file = Deno.openSync(beside, { write: true, createNew: true });
    file.lockSync(true);
    // Another process may have tidied it away before it was locked.
    if (isThere(beside)) return { file, beside };
    file.close();
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Removes what killed processes have left, and tables that nobody has used for long. */
function tidy(folder: string, time: number): void {
  for (const { name, isFile } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    const isLeft = isFile && PARTIAL_NAME.test(name) && !isLocked(path);
    const isOld = isFile && TABLE_NAME.test(name) && time - usedAt(path) > UNUSED;
    if (isLeft || isOld) removeQuietly(path);
  }
}

/** When a table was used last. */
function usedAt(path: string): number {
  const { mtime } = Deno.statSync(path);
  return mtime?.getTime() ?? Infinity;
}

/** Tells whether a process is writing a file. */
function isLocked(path: string): boolean {
  using file = Deno.openSync(path, { write: true });
  return !file.tryLockSync(true);
}

/** Removes a file, as far as that can be done. */
function removeQuietly(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Another process may have done so.
  }
}
