/**
 * Folders that a process has for itself. A new one is claimed before anything is looked for or
 * written in it: of two that start at one moment, one has it, and the other has changed nothing.
 *
 * @module
 */

import { fileError } from "./file_error.ts";
import { UserError } from "@unitune/training";
import { type Lock, takeLock } from "./lock.ts";
import { makeFolder, removeIfThere } from "./folders.ts";
import { removePartial } from "./atomic.ts";

/** The name of the lock in a folder. */
export const LOCK = "lock";

/** A folder that this process has; dispose of it to give it back. */
export interface Claim extends Disposable {
  /** The folder. */
  readonly folder: string;
  /** Takes away again all that was made since a new folder was claimed; nothing of an old one. */
  discard(): Promise<void>;
}

/** What a command keeps in a folder. */
export interface FolderUse {
  /** What it is, such as `"run"`. */
  readonly what: string;
  /** The names of its files and folders. */
  readonly names: readonly string[];
  /** Names that tell of another use of the folder. */
  readonly others: readonly string[];
}

/**
 * Claims a folder for something new, and makes it where it is missing.
 *
 * @param folder The folder.
 * @param use What it is for.
 * @param refusal Why the folder cannot be had, where it holds a file of these names; undefined for the
 * usual words.
 * @returns The claim.
 * @throws {UserError} If another process has the folder, it holds anything of these names already,
 * or it cannot be written.
 *
 * @example
 * ```ts
 * import { claimFolder } from "@unitune/cli";
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
      // Another process may be at work there by now; and why a run failed is what is told.
    }
  };
  try {
    // Whoever was killed here has left the lock, too: what lies in a folder without one is somebody's.
    if (!lock.isNew) await removePartial(folder, { isFile: (name) => use.names.includes(name) });
    const found = await namesIn(folder, [...use.names, ...use.others]);
    const [first] = found;
    if (first !== undefined) {
      throw await refusal(first) ?? new UserError(
        `${folder} holds ${found.join(", ")}, and no ${use.what}: what is there is never written ` +
          `over; choose another --out`,
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
 * Takes a folder that is in use already for this process alone.
 *
 * @param folder The folder.
 * @returns The claim.
 * @throws {UserError} If another process has it.
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

/** The lock of a folder that may be missing. */
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
      // One that failed may have removed the folder meanwhile.
      const isGone = error instanceof Error && error.cause instanceof Deno.errors.NotFound;
      if (!isGone || attempt === ATTEMPTS) throw error;
    }
  }
}

/** How often a folder is made that others remove. */
const ATTEMPTS = 5;

function taken(folder: string): UserError {
  return new UserError(
    `another process is training in ${folder}: wait for it, or stop it first`,
  );
}

/** Which of some names are taken in a folder, links that lead nowhere included. */
async function namesIn(folder: string, names: readonly string[]): Promise<readonly string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    return names.filter((name) => entries.includes(name));
  } catch (error) {
    throw fileError(error, "read", folder);
  }
}
