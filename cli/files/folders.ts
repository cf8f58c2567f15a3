/**
 * Making, finding and removing files and folders.
 *
 * @module
 */

import { dirname } from "node:path";
import { fileError } from "./file_error.ts";

/**
 * Makes a folder and its missing parents.
 *
 * @param path The folder.
 * @returns The folders that were missing, the innermost first.
 * @throws {UserError} If a folder can't be made.
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
 * Tells whether a file or folder exists.
 *
 * @param path Its path.
 * @returns True if it exists.
 * @throws {UserError} If the file system does not say.
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

/** Removes a file, or a folder with its content, if it exists. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
