/**
 * Writing to an open file, and the errors of it.
 *
 * @module
 */

import { dirname } from "node:path";
import { FileError, fileError } from "./file_error.ts";
import type { RunningDigest } from "./digest.ts";

/** The content of a file; text is written as UTF-8. */
export type FileContent = string | Uint8Array;

/** The bytes of one read or write. */
export const PIECE = 1 << 22;

/** Writes a content and adds it to a digest, which is computed while the system writes. */
export async function writeAll(
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

/** The error of a failed write. "Not found" then means the folder: the file need not exist. */
export function writeError(error: unknown, path: string): unknown {
  return error instanceof Deno.errors.NotFound
    ? new FileError(`can't write ${path}: the folder ${dirname(path)} does not exist`, {
      cause: error,
    })
    : fileError(error, "write", path);
}
