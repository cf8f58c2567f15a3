/**
 * Writing to an open file, and the errors of it.
 *
 * @module
 */

import { contentPieces, type FileContent } from "@unitune/models";
import { dirname } from "node:path";
import { FileError, fileError } from "./file_error.ts";
import type { RunningDigest } from "./digest.ts";

/** The bytes of one read or write. */
export const PIECE = 1 << 22;

/** Writes a content and adds it to a digest. */
export async function writeAll(
  file: Deno.FsFile,
  content: FileContent,
  digest: RunningDigest,
): Promise<number> {
  let written = 0;
  for await (const piece of contentPieces(content)) {
    for (let begin = 0; begin < piece.length; begin += PIECE) {
      await writePiece(file, piece.subarray(begin, begin + PIECE), digest);
    }
    written += piece.length;
  }
  return written;
}

/** Writes bytes, of which the digest is computed while the system writes. */
async function writePiece(
  file: Deno.FsFile,
  piece: Uint8Array,
  digest: RunningDigest,
): Promise<void> {
  const first = file.write(piece);
  digest.add(piece);
  for (let written = await first; written < piece.length;) {
    written += await file.write(piece.subarray(written));
  }
}

/** The error of a failed write. "Not found" then means the folder: the file need not exist. */
export function writeError(error: unknown, path: string): unknown {
  return error instanceof Deno.errors.NotFound
    ? new FileError(`can't write ${path}: the folder ${dirname(path)} does not exist`, {
      cause: error,
    })
    : fileError(error, "write", path);
}
