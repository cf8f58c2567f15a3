/**
 * Files of lines that grow during a run, such as `metrics.jsonl`. A checkpoint records the length
 * and digest of each, so that a resumed run truncates the file there and appends the later lines
 * again.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { fileError } from "./file_error.ts";
import { beginDigest, type RunningDigest } from "./digest.ts";
import { isThere } from "./folders.ts";
import { requireFile } from "./read.ts";
import { PIECE, writeAll, writeError } from "./write.ts";

/** The part of a file of lines that a checkpoint has recorded. */
export interface Beginning {
  /** Its length in bytes. */
  readonly length: number;
  /** Its digest; see {@linkcode digestOf}. */
  readonly digest: string;
}

/** The beginning of an empty file. */
export const noBeginning: Beginning = { length: 0, digest: beginDigest().value() };

/** A file to which lines are appended. Disposing of it closes the file. */
export interface LineFile extends Disposable {
  /** The length and digest of the content so far. */
  readonly beginning: Beginning;
  /** Appends lines, each with a newline at its end, in one write. */
  append(...lines: string[]): Promise<void>;
  /** Waits until all appended lines are on the disk. */
  sync(): Promise<void>;
}

/** Checks the recorded beginning of a file, and returns its digest to continue. */
async function readBeginning(
  file: Deno.FsFile,
  path: string,
  { length, digest: expected }: Beginning,
): Promise<RunningDigest> {
  const { size } = await file.stat();
  if (size < length) {
    throw new UserError(
      `${path} has ${size} bytes, but had ${length} at the checkpoint: it was changed since`,
    );
  }
  const digest = beginDigest();
  const buffer = new Uint8Array(Math.min(length, PIECE));
  for (let at = 0; at < length;) {
    const count = await file.read(buffer.subarray(0, Math.min(buffer.length, length - at)));
    if (count === null) break;
    digest.add(buffer.subarray(0, count));
    at += count;
  }
  if (digest.value() === expected) return digest;
  throw new UserError(
    `${path} is damaged: its first ${length} bytes are not those that it had at the checkpoint`,
  );
}

/**
 * Refuses a file whose beginning differs from the recorded one.
 *
 * @param path The file. It may be missing if the recorded beginning is empty.
 * @param beginning The beginning that a checkpoint recorded.
 * @throws {UserError} If the file is shorter, was changed, or cannot be read.
 */
export async function requireBeginning(path: string, beginning: Beginning): Promise<void> {
  if (beginning.length === 0) return;
  try {
    await requireFile(path);
    using file = await Deno.open(path);
    await readBeginning(file, path, beginning);
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * Opens a file of lines for appending, truncated to its recorded beginning. A resumed run then
 * appends again exactly the lines that came after its checkpoint.
 *
 * @param path The file; it is created if it is missing.
 * @param beginning The part to keep; {@linkcode noBeginning} keeps nothing.
 * @returns The file; declare it with `using`.
 * @throws {UserError} If the file can't be written, or its beginning differs from the recorded one.
 */
export async function openLineFile(path: string, beginning: Beginning): Promise<LineFile> {
  const trying = async <T>(action: () => Promise<T>): Promise<T> => {
    try {
      return await action();
    } catch (error) {
      throw writeError(error, path);
    }
  };
  const file = await trying(async () => {
    await requireWritable(path);
    return await Deno.open(path, { read: true, write: true, create: true });
  });
  let end = beginning.length;
  let digest: RunningDigest;
  try {
    digest = await trying(async () => {
      const known = await readBeginning(file, path, beginning);
      await file.truncate(end);
      await file.seek(0, Deno.SeekMode.End);
      return known;
    });
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    get beginning() {
      return { length: end, digest: digest.value() };
    },
    append: (...lines) =>
      trying(async () => {
        const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
        try {
          end += await writeAll(file, bytes, beginDigest());
        } catch (error) {
          // A full disk may have taken half a line.
          await file.truncate(end).catch(() => {});
          throw error;
        }
        digest.add(bytes);
      }),
    sync: () => trying(() => file.sync()),
    [Symbol.dispose]: () => file.close(),
  };
}

/** Refuses a path that holds something other than a regular file. */
async function requireWritable(path: string): Promise<void> {
  if (await isThere(path)) await requireFile(path);
}
