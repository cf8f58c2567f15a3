/**
 * Folders that one process uses alone. A folder is claimed by its lock before the process looks
 * into it or writes to it: of two processes that start at one moment, one gets the folder, and the
 * other has changed nothing in it.
 *
 * @module
 */

import { fileError } from "./file_error.ts";
import { UserError } from "@unitune/training";
import { type Lock, takeLock } from "./lock.ts";
import { makeFolder, removeIfThere } from "./folders.ts";
import { removePartial } from "./atomic.ts";

/** The name of the lock file in a folder. */
export const LOCK = "lock";

/** A folder that this process uses alone, until the claim is disposed of. */
export interface Claim extends Disposable {
  /** The folder. */
  readonly folder: string;
  /**
   * Removes all that was written since a new folder was claimed; keeps a folder that was in use.
   */
  discard(): Promise<void>;
}

/** The purpose for which a command claims a folder. */
export interface FolderUse {
  /** The kind of content, such as `"run"`. */
  readonly what: string;
  /** The names of the files and folders that the command writes. */
  readonly names: readonly string[];
  /** Names that show that the folder has another purpose. */
  readonly others: readonly string[];
}

/**
 * Claims a folder for new content, and makes it if it is missing.
 *
 * @param folder The folder.
 * @param use The purpose.
 * @param refusal Makes the error for a folder that already holds a file of the given name (default,
 * and where it returns undefined: a general one).
 * @returns The claim.
 * @throws {UserError} If another process uses the folder, it already holds files of these names, or
 * it cannot be written.
 *
 * @example
 * ```ts
 * import { claimFolder } from "./claims.ts";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * const use = { what: "run", names: ["samples.jsonl"], others: [] };
 * {
 *   using claim = await claimFolder(`${folder}/new`, use);
 *   await assertRejects(() => claimFolder(`${folder}/new`, use), Error, "another process");
 *   await claim.discard();
 * }
 * assertEquals([...Deno.readDirSync(folder)], []);
 * await Deno.remove(folder);
 * ```
 */
export async function claimFolder(
  folder: string,
  use: FolderUse,
  refusal: (name: string) => Promise<UserError | undefined> = () => Promise.resolve(undefined),
): Promise<Claim> {
  const { lock, made } = await claimLock(folder);
  const discard = async (names: readonly string[]) => {
    try {
      for (const name of names) await removeIfThere(`${folder}/${name}`);
      if (lock.isNew) await removeIfThere(`${folder}/${LOCK}`);
      for (const path of made) await Deno.remove(path);
    } catch {
      // Another process may use the folder by now. The first error is the one to report.
    }
  };
  try {
    // A killed process leaves its lock, too; without one, partial files are somebody else's.
    if (!lock.isNew) await removePartial(folder, { isFile: (name) => use.names.includes(name) });
    const found = await namesIn(folder, [...use.names, ...use.others]);
    const [first] = found;
    if (first !== undefined) {
      throw await refusal(first) ?? new UserError(
        `${folder} holds ${found.join(", ")}, and no ${use.what}: existing files are never ` +
          `overwritten; choose another --out`,
      );
    }
  } catch (error) {
    await discard([]);
    lock[Symbol.dispose]();
    throw error;
  }
  return {
    folder,
    discard: () => discard(use.names),
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/**
 * Claims a folder that already has its content, such as the folder of a run to resume.
 *
 * @param folder The folder.
 * @returns The claim.
 * @throws {UserError} If another process uses it.
 */
export async function holdFolder(folder: string): Promise<Claim> {
  const lock = await takeLock(`${folder}/${LOCK}`);
  if (lock === undefined) throw taken(folder);
  return {
    folder,
    discard: () => Promise.resolve(),
    [Symbol.dispose]: () => lock[Symbol.dispose](),
  };
}

/** Takes the lock of a folder, which is made if it is missing. */
async function claimLock(
  folder: string,
): Promise<{ readonly lock: Lock; readonly made: readonly string[] }> {
  for (let attempt = 1;; attempt++) {
    const made = await makeFolder(folder);
    try {
      const lock = await takeLock(`${folder}/${LOCK}`);
      if (lock === undefined) throw taken(folder);
      return { lock, made };
    } catch (error) {
      // A process that failed may have removed the folder meanwhile.
      const isGone = error instanceof Error && error.cause instanceof Deno.errors.NotFound;
      if (!isGone || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Attempts to make a folder that other processes remove. */
const ATTEMPTS = 5;

function taken(folder: string): UserError {
  return new UserError(
    `another process is training in ${folder}: wait for it, or stop it first`,
  );
}

/** The given names that a folder contains, broken links included. */
async function namesIn(folder: string, names: readonly string[]): Promise<readonly string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    return names.filter((name) => entries.includes(name));
  } catch (error) {
    throw fileError(error, "read", folder);
  }
}
