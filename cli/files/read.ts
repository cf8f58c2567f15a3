/**
 * Files that are read as a whole: bytes, text and JSON.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { fileError } from "./file_error.ts";
import { decodeUtf8 } from "./utf8.ts";

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
 * The value of a JSON file.
 *
 * @param path The file.
 * @returns The value.
 * @throws {UserError} If the file cannot be read or is not JSON.
 */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path} is not JSON: ${why}`, { cause: error });
  }
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
