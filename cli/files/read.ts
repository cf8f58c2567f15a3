/**
 * Files that are read as a whole: bytes, text and JSON.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { fileError } from "./file_error.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * Reads the bytes of a file on the disk. Pipes and devices are refused: they may never end, and
 * can't be read a second time.
 *
 * @param path The path of the file.
 * @param most The largest size that is read, in bytes.
 * @returns The bytes.
 * @throws {UserError} If the file can't be read, is not a regular file, or is larger.
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
 * Reads the text of a UTF-8 file, without a byte order mark.
 *
 * @param path The path of the file.
 * @param most The largest size that is read, in bytes.
 * @returns The text.
 * @throws {UserError} If the file can't be read, is not a regular file, is larger, or is not UTF-8.
 */
export async function readText(path: string, most = LARGEST_TEXT): Promise<string> {
  return decodeUtf8(
    await readBytes(path, most),
    (offset, description) =>
      new UserError(`${path} is not UTF-8: at byte ${offset} there is the ${description}`),
  );
}

/**
 * Reads the value of a JSON file.
 *
 * @param path The path of the file.
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
 * Refuses paths that are not regular files, and files that are too large.
 *
 * @param path The path of a file that is to be opened.
 * @param most The largest size that is read, in bytes (default: any).
 * @throws {UserError} If it is a folder, a pipe or a device, or larger.
 * @throws {Deno.errors.NotFound} If it does not exist.
 */
export async function requireFile(path: string, most = Infinity): Promise<void> {
  const { isFile, isDirectory, size } = await Deno.stat(path);
  if (isDirectory) throw new UserError(`can't open ${path}: it is a folder`);
  if (!isFile) {
    throw new UserError(
      `can't open ${path}: it is a pipe or a device; save its content in a file`,
    );
  }
  if (size > most) {
    throw new UserError(
      `${path} has ${size} bytes, more than the ${most} that are read of such a file`,
    );
  }
}

/** The largest file that is read, in bytes: the memory of the wasm backend. */
const LARGEST_FILE = 2 ** 32;

/** The largest text that is read as a whole, such as a configuration, in bytes. */
const LARGEST_TEXT = 2 ** 24;
