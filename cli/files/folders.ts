/**
 * Whether files and folders are there, and folders that are made and removed.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileError } from "./file_error.ts";

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
    for (let at = path; !await isThere(at); at = dirname(at)) {
      missing.push(at);
      // A drive that is not there lies in no folder.
      if (at === dirname(at)) break;
    }
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

/** Removes a file or folder, with all in it, where it is there. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
