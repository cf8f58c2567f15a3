/**
 * Files that are whole or not there: write beside, sync, rename.
 *
 * While a file `x` is written, what there is of it is in `x.NUMBER.partial`, a name that nothing else
 * has; while a folder `x` is written or removed, in `x.partial`, so such folders lie where nobody
 * else writes. What a killed process left there counts for nothing.
 *
 * @module
 */

import { decodeUtf8 } from "./utf8.ts";
import { beginDigest, type RunningDigest } from "./digest.ts";
import { FileError, fileError } from "../terminal/errors.ts";
import { UserError } from "@unitune/training";

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
  const beside = partial(`${withoutSlash(path)}.${crypto.randomUUID().slice(0, 8)}`);
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
 * @param last More files, by what the digests of the first are.
 * @throws {UserError} Where it can't be written; nothing is left.
 */
export async function writeDirectoryAtomically(
  path: string,
  files: Readonly<Record<string, FileContent>>,
  last: (digests: Readonly<Record<string, string>>) => Readonly<Record<string, FileContent>> =
    () => ({}),
): Promise<void> {
  const beside = partial(path);
  const write = async (name: string, content: FileContent): Promise<string> => {
    const path = `${beside}/${name}`;
    await Deno.mkdir(parent(path), { recursive: true });
    const digest = await writeSynced(path, content);
    if (parent(path) !== beside) await syncDirectory(parent(path));
    return digest;
  };
  await writing(path, beside, async () => {
    await removeIfThere(beside);
    await Deno.mkdir(beside);
    const digests: Record<string, string> = {};
    for (const [name, content] of Object.entries(files)) digests[name] = await write(name, content);
    for (const [name, content] of Object.entries(last(digests))) await write(name, content);
    await syncDirectory(beside);
    await Deno.rename(beside, path);
    await syncDirectory(parent(path));
  });
}

/**
 * Makes a folder and those that it lies in, where they are missing.
 *
 * @param path The folder.
 * @returns Those that were missing, the innermost first.
 * @throws {UserError} Where it can't be made.
 */
export async function makeFolder(path: string): Promise<readonly string[]> {
  try {
    const missing: string[] = [];
    for (let at = path; !await isThere(at); at = parent(at)) missing.push(at);
    await Deno.mkdir(path, { recursive: true });
    return missing;
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

/** What is written in a folder of ours: the names of its files and of its folders. */
export interface OwnNames {
  /** Whether a file is written under a name (default: none is). */
  readonly isFile?: (name: string) => boolean;
  /** Whether a folder is (default: none is). */
  readonly isFolder?: (name: string) => boolean;
}

/**
 * Removes what killed processes left of writes to, and removals from, a folder: nothing but what has
 * the name and the kind that such a write gives it.
 *
 * @param path The folder.
 * @param own What is written there.
 * @throws {UserError} Where it can't be read, or something can't be removed.
 */
export async function removePartial(
  path: string,
  { isFile = () => false, isFolder = () => false }: OwnNames,
): Promise<void> {
  const isLeft = (entry: Deno.DirEntry) => {
    const file = entry.isFile ? /^(.+)\.[0-9a-f]{8}\.partial$/.exec(entry.name)?.[1] : undefined;
    const folder = entry.isDirectory ? /^(.+)\.partial$/.exec(entry.name)?.[1] : undefined;
    return (file !== undefined && isFile(file)) || (folder !== undefined && isFolder(folder));
  };
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    for (const { name } of entries.filter(isLeft)) await removeIfThere(`${path}/${name}`);
  } catch (error) {
    throw fileError(error, "tidy", path);
  }
}

/** A lock that this process has; dispose of it to give it back. */
export interface Lock extends Disposable {
  /** Whether its file was made for it. */
  readonly isNew: boolean;
}

/**
 * Takes a lock that one process at a time can have. The system gives it back when the process ends,
 * however it ends.
 *
 * @param path An empty file that stands for the lock; created where it is missing.
 * @returns The lock. Undefined where another process has it.
 * @throws {UserError} Where the file can't be opened, or is no empty file.
 */
export async function takeLock(path: string): Promise<Lock | undefined> {
  try {
    for (;;) {
      const opened = await openLock(path);
      if (opened === undefined) continue;
      const { file, isNew } = opened;
      if (!await file.tryLock(true)) {
        file.close();
        return undefined;
      }
      if (await isAt(file, path)) return { isNew, [Symbol.dispose]: () => file.close() };
      // Whoever had it has taken the file away: a lock on it means nothing any more.
      file.close();
    }
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Opens the file of a lock; undefined where it was taken away meanwhile. */
async function openLock(
  path: string,
): Promise<{ readonly file: Deno.FsFile; readonly isNew: boolean } | undefined> {
  try {
    return { file: await Deno.open(path, { write: true, createNew: true }), isNew: true };
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > 0) {
      throw new UserError(
        `${path} is not the empty file that a lock is: move it away, or choose another folder`,
      );
    }
    return { file: await Deno.open(path, { write: true }), isNew: false };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether an open file is the one at a path. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [own, there] = [await file.stat(), await Deno.lstat(path)];
    // Windows has no such numbers, and does not let go of an open file.
    return own.ino === there.ino && own.dev === there.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * The bytes of a file, which has to be one of the disk: a pipe or a device has no end that can be
 * waited for, and cannot be read a second time.
 *
 * @param path The file.
 * @param most The most bytes that it may have.
 * @returns Its bytes.
 * @throws {UserError} Where it can't be read, is something else than a file, or larger.
 */
export async function readBytes(path: string, most = LARGEST_FILE): Promise<Uint8Array> {
  try {
    await requireFile(path, most);
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * The text of a file in UTF-8, a byte order mark at its beginning left out.
 *
 * @param path The file.
 * @param most The most bytes that it may have.
 * @returns Its text.
 * @throws {UserError} Where it can't be read, is something else than a file, larger, or not UTF-8.
 */
export async function readText(path: string, most = LARGEST_TEXT): Promise<string> {
  return decodeUtf8(
    await readBytes(path, most),
    (offset, description) =>
      new UserError(`${path} is not UTF-8: at byte ${offset} there is the ${description}`),
  );
}

/**
 * Refuses what is no file of the disk, and files that are too large.
 *
 * @param path What is to be opened.
 * @param most The most bytes that it may have.
 * @throws {UserError} Where it is a folder, a pipe, a device, or larger.
 * @throws {Deno.errors.NotFound} Where it is not there.
 */
export async function requireFile(path: string, most = Infinity): Promise<void> {
  const { isFile, isDirectory, size } = await Deno.stat(path);
  if (isDirectory) throw new UserError(`can't open ${path}: it is a folder`);
  if (!isFile) {
    throw new UserError(
      `can't open ${path}: it is a pipe or a device, save what it gives in a file`,
    );
  }
  if (size > most) {
    throw new UserError(
      `${path} has ${size} bytes, more than the ${most} that are read of such a file`,
    );
  }
}

/** The most bytes that are read of a file: as many as the memory of the wasm backend has. */
const LARGEST_FILE = 2 ** 32;

/** The most bytes that are read of a text as a whole, such as a configuration. */
const LARGEST_TEXT = 2 ** 24;

/** Refuses to open for writing what is there and no file. */
async function requireWritable(path: string): Promise<void> {
  if (await isThere(path)) await requireFile(path);
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
    ? new FileError(`can't write ${path}: the folder ${parent(path)} does not exist`, {
      cause: error,
    })
    : fileError(error, "write", path);
}

/** Bytes that are written, or read, at once. */
const PIECE = 1 << 22;

/** Writes a new file, and returns the digest of its content. */
async function writeSynced(path: string, content: FileContent): Promise<string> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const digest = beginDigest();
  await writeAll(file, content, digest);
  await file.sync();
  return digest.value();
}

/** Writes all of a content; while the system takes a piece, its digest is computed. */
async function writeAll(
  file: Deno.FsFile,
  content: FileContent,
  digest: RunningDigest,
): Promise<number> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  for (let begin = 0; begin < bytes.length; begin += PIECE) {
    const piece = bytes.subarray(begin, begin + PIECE);
    const first = file.write(piece);
    digest.add(piece);
    for (let written = await first; written < piece.length;) {
      written += await file.write(piece.subarray(written));
    }
  }
  return bytes.length;
}

/** A rename is on the disk only once its folder is. Windows can't open a folder, and need not. */
async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}

/** Removes a file or folder, with all in it, where it is there. */
export async function removeIfThere(path: string): Promise<void> {
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

/**
 * The last name in a path.
 *
 * @param path The path; slashes at its end count for nothing.
 * @returns The name; the path itself where it has none.
 *
 * @example
 * ```ts
 * import { nameOf } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["runs/a", "runs/a/", "a.txt", "/"].map(nameOf), ["a", "a", "a.txt", "/"]);
 * ```
 */
export function nameOf(path: string): string {
  return withoutSlash(path).replace(/^.*[/\\]/, "") || path;
}

/** The beginning of a file of lines, as a checkpoint remembers it. */
export interface Beginning {
  /** Bytes. */
  readonly length: number;
  /** Their digest; see {@linkcode digestOf}. */
  readonly digest: string;
}

/** The beginning of a file that holds nothing yet. */
export const noBeginning: Beginning = { length: 0, digest: beginDigest().value() };

/** A file of lines that grows, such as `metrics.jsonl`; it is closed by being disposed of. */
export interface LineFile extends Disposable {
  /** All that it holds: what a checkpoint remembers to cut it back to. */
  readonly beginning: Beginning;
  /** Adds lines, each ended by a newline, in one write. */
  append(...lines: string[]): Promise<void>;
  /** Returns once everything appended is on the disk. */
  sync(): Promise<void>;
}

/** Refuses a file that does not begin as a checkpoint remembers; returns the digest so far. */
async function readBeginning(
  file: Deno.FsFile,
  path: string,
  { length, digest: expected }: Beginning,
): Promise<RunningDigest> {
  const { size } = await file.stat();
  if (size < length) {
    throw new UserError(
      `${path} has ${size} bytes, but had ${length} at the checkpoint: it was changed since`,
    );
  }
  const digest = beginDigest();
  const buffer = new Uint8Array(Math.min(length, PIECE));
  for (let at = 0; at < length;) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, length - at)));
    if (count === null) break;
    digest.add(buffer.subarray(0, count));
    at += count;
  }
  if (digest.value() === expected) return digest;
  throw new UserError(
    `${path} is damaged: its first ${length} bytes are not those that it had at the checkpoint`,
  );
}

/**
 * Refuses a file that does not begin as a checkpoint remembers.
 *
 * @param path The file; it may be missing where nothing is remembered of it.
 * @param beginning What is remembered.
 * @throws {UserError} If the file is shorter, was changed, or cannot be read.
 */
export async function requireBeginning(path: string, beginning: Beginning): Promise<void> {
  if (beginning.length === 0) return;
  try {
    await requireFile(path);
    using file = await Deno.open(path);
    await readBeginning(file, path, beginning);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * Opens a file of lines for appending, after cutting it back to what a checkpoint remembers: a
 * resumed run then rewrites exactly the lines that came after the checkpoint.
 *
 * @param path The file; created where it is missing.
 * @param beginning What of it is kept; {@linkcode noBeginning} starts afresh.
 * @returns The file; declare it with `using`.
 * @throws {UserError} Where it can't be written, or does not begin with what is to be kept.
 */
export async function openLineFile(path: string, beginning: Beginning): Promise<LineFile> {
  const trying = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw writeError(error, path);
    }
  };
  const file = await trying(async () => {
    await requireWritable(path);
    return await Deno.open(path, { read: true, write: true, create: true });
  });
  let end = beginning.length;
  let digest: RunningDigest;
  try {
    digest = await trying(async () => {
      const known = await readBeginning(file, path, beginning);
      await file.truncate(end);
      await file.seek(0, Deno.SeekMode.End);
      return known;
    });
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    get beginning() {
      return { length: end, digest: digest.value() };
    },
    append: (...lines) =>
      trying(async () => {
        const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
        try {
          end += await writeAll(file, bytes, beginDigest());
        } catch (error) {
          // What the disk still took of a line is half a line.
          await file.truncate(end).catch(() => {});
          throw error;
        }
        digest.add(bytes);
      }),
    sync: () => trying(() => file.sync()),
    [Symbol.dispose]: () => file.close(),
  };
}
