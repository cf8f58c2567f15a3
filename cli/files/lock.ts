/**
 * Locks: files that one process at a time can hold.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { writeError } from "./write.ts";

/** A lock that this process holds, until it is disposed of. */
export interface Lock extends Disposable {
  /** Whether the lock's file did not exist before. */
  readonly isNew: boolean;
}

/**
 * Takes a lock, which one process at a time can hold. The system releases it when the process ends,
 * however it ends.
 *
 * @param path An empty file that represents the lock; it is created if it is missing.
 * @returns The lock, or undefined if another process holds it.
 * @throws {UserError} If the file can't be opened, or is not an empty file.
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
      if (await isAt(file, path)) return { isNew, [Symbol.dispose]: () => release(file) };
      // The former holder has removed the file, so a lock on it excludes nobody.
      file.close();
    }
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * Gives a lock up. Closing the file alone would leave it to a child of this process that is just being
 * started, and has the open file until its own program runs.
 */
function release(file: Deno.FsFile): void {
  file.unlockSync();
  file.close();
}

/** Opens the file of a lock; undefined if it was removed meanwhile. */
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

/** Tells whether an open file is still the one at a path. */
async function isAt(file: Deno.FsFile, path: string): Promise<boolean> {
  try {
    const [own, there] = [await file.stat(), await Deno.lstat(path)];
    // Windows has no inode numbers, but does not remove an open file either.
    return own.ino === there.ino && own.dev === there.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
