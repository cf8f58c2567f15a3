/**
 * Locks: files that one process at a time holds.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { writeError } from "./write.ts";

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
