/**
 * Files that are whole or not there: write beside, sync, rename.
 *
 * While a file or folder `x` is written or removed, what there is of it is in `x.partial`. What a
 * killed process left there counts for nothing. One process at a time writes a path.
 *
 * @module
 */

import { fileError, UserError } from "./errors.ts";

/** What a file holds. */
export type FileContent = string | Uint8Array;

/** The end of the name of what is not whole. */
const PARTIAL = ".partial";

const partial = (path: string) => `${withoutSlash(path)}${PARTIAL}`;
const withoutSlash = (path: string) => path.replace(/[/\\]+$/, "");

/**
 * Writes a file so that, at any moment and after any crash, its path holds either all of the old
 * content or all of the new.
 *
 * @param path Where; its folder exists.
 * @param content Bytes, or text as UTF-8.
 * @throws {UserError} Where it can't be written; the old content is untouched and nothing is left.
 */
export async function writeFileAtomically(path: string, content: FileContent): Promise<void> {
  const beside = partial(path);
  await writing(path, beside, async () => {
    await writeSynced(beside, content);
    await Deno.rename(beside, path);
    await syncDirectory(parent(path));
  });
}

/**
 * Writes a new folder of files so that, at any moment and after any crash, its path holds all of
 * them or nothing.
 *
 * @param path Where; its parent folder exists, and nothing is there yet.
 * @param files The content of each file, by name; a name with a slash is of a file in a folder.
 * @throws {UserError} Where it can't be written; nothing is left.
 */
export async function writeDirectoryAtomically(
  path: string,
  files: Readonly<Record<string, FileContent>>,
): Promise<void> {
  const beside = partial(path);
  await writing(path, beside, async () => {
    await removeIfThere(beside);
    await Deno.mkdir(beside);
    for (const [name, content] of Object.entries(files)) {
      const path = `${beside}/${name}`;
      await Deno.mkdir(parent(path), { recursive: true });
      await writeSynced(path, content);
      if (parent(path) !== beside) await syncDirectory(parent(path));
    }
    await syncDirectory(beside);
    await Deno.rename(beside, path);
    await syncDirectory(parent(path));
  });
}

/**
 * Makes a folder and those that it lies in, where they are missing.
 *
 * @param path The folder.
 * @throws {UserError} Where it can't be made.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError(error, "make the folder", path);
  }
}

/**
 * Whether there is something at a path.
 *
 * @param path The path.
 * @returns True where there is.
 * @throws {UserError} Where that cannot be seen.
 */
export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return false;
    throw fileError(error, "look at", path);
  }
}

/**
 * Removes a folder so that, at any moment and after any crash, its path holds all of it or nothing.
 *
 * @param path The folder.
 * @throws {UserError} Where it can't be removed.
 */
export async function removeDirectoryAtomically(path: string): Promise<void> {
  const beside = partial(path);
  try {
    await removeIfThere(beside);
    await Deno.rename(path, beside);
    await Deno.remove(beside, { recursive: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}

/**
 * Removes what killed processes left of writes to, and removals from, a folder.
 *
 * @param path The folder.
 * @throws {UserError} Where it can't be read, or something can't be removed.
 */
export async function removePartial(path: string): Promise<void> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    for (const { name } of entries) {
      if (name.endsWith(PARTIAL)) await removeIfThere(`${path}/${name}`);
    }
  } catch (error) {
    throw fileError(error, "tidy", path);
  }
}

/**
 * Takes a lock that one process at a time can have. The system gives it back when the process ends,
 * however it ends.
 *
 * @param path An empty file that stands for the lock; created where it is missing.
 * @returns The lock; dispose of it to give it back. Undefined where another process has it.
 * @throws {UserError} Where the file can't be opened.
 */
export async function takeLock(path: string): Promise<Disposable | undefined> {
  try {
    const file = await Deno.open(path, { write: true, create: true });
    if (await file.tryLock(true)) return file;
    file.close();
    return undefined;
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Runs a write; where it fails, nothing half-written is left and the user is told why. */
async function writing(path: string, beside: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    // The first failure is the one to tell; the disk that caused it may refuse to remove, too.
    await removeIfThere(beside).catch(() => {});
    throw writeError(error, path);
  }
}

/** "Not found" while writing is about the folder, since the file itself need not exist. */
function writeError(error: unknown, path: string): unknown {
  return error instanceof Deno.errors.NotFound
    ? new UserError(`can't write ${path}: the folder ${parent(path)} does not exist`, {
      cause: error,
    })
    : fileError(error, "write", path);
}

async function writeSynced(path: string, content: FileContent): Promise<void> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  await writeAll(file, content);
  await file.sync();
}

async function writeAll(file: Deno.FsFile, content: FileContent): Promise<number> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  let written = 0;
  while (written < bytes.length) written += await file.write(bytes.subarray(written));
  return written;
}

/** A rename is on the disk only once its folder is. Windows can't open a folder, and need not. */
async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function parent(path: string): string {
  const trimmed = withoutSlash(path);
  const slash = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  if (slash < 0) return ".";
  return slash === 0 ? "/" : trimmed.slice(0, slash);
}

/** A file of lines that grows, such as `metrics.jsonl`; it is closed by being disposed of. */
export interface LineFile extends Disposable {
  /** The file's length in bytes: what a checkpoint remembers to cut it back to. */
  readonly length: number;
  /** Adds lines, each ended by a newline, in one write. */
  append(...lines: string[]): Promise<void>;
  /** Returns once everything appended is on the disk. */
  sync(): Promise<void>;
}

/**
 * Opens a file of lines for appending, after cutting it back to a length that a checkpoint
 * remembers: a resumed run then rewrites exactly the lines that came after the checkpoint.
 *
 * @param path The file; created where it is missing.
 * @param length How many bytes of it to keep. 0 starts afresh.
 * @returns The file; declare it with `using`.
 * @throws {UserError} Where it can't be written, or is shorter than what is to be kept.
 */
export async function openLineFile(path: string, length: number): Promise<LineFile> {
  const trying = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw writeError(error, path);
    }
  };
  const file = await trying(() => Deno.open(path, { write: true, create: true }));
  let end = length;
  try {
    await trying(async () => {
      const { size } = await file.stat();
      if (size < length) {
        throw new UserError(
          `${path} has ${size} bytes, but had ${length} at the checkpoint: it was changed since. ` +
            `Restore it, or start a new run`,
        );
      }
      await file.truncate(length);
      await file.seek(0, Deno.SeekMode.End);
    });
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    get length() {
      return end;
    },
    append: (...lines) =>
      trying(async () => {
        try {
          end += await writeAll(file, lines.map((line) => `${line}\n`).join(""));
        } catch (error) {
          // What the disk still took of a line is half a line.
          await file.truncate(end).catch(() => {});
          throw error;
        }
      }),
    sync: () => trying(() => file.sync()),
    [Symbol.dispose]: () => file.close(),
  };
}
