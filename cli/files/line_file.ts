/**
 * Files of lines that grow, such as `metrics.jsonl`. A checkpoint remembers how each began, so that a
 * resumed run cuts it back and appends again the lines that came after.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { fileError } from "./file_error.ts";
import { beginDigest, type RunningDigest } from "./digest.ts";
import { isThere } from "./folders.ts";
import { requireFile } from "./read.ts";
import { PIECE, writeAll, writeError } from "./write.ts";

/** The beginning of a file of lines, as a checkpoint remembers it. */
export interface Beginning {
  /** Bytes. */
  readonly length: number;
  /** Their digest; see {@linkcode digestOf}. */
  readonly digest: string;
}

/** The beginning of a file that holds nothing yet. */
export const noBeginning: Beginning = { length: 0, digest: beginDigest().value() };

/** A file of lines that grows, such as `metrics.jsonl`; it is closed by being disposed of. */
export interface LineFile extends Disposable {
  /** All that it holds: what a checkpoint remembers to cut it back to. */
  readonly beginning: Beginning;
  /** Adds lines, each ended by a newline, in one write. */
  append(...lines: string[]): Promise<void>;
  /** Returns once everything appended is on the disk. */
  sync(): Promise<void>;
}

/** Refuses a file that does not begin as a checkpoint remembers; returns the digest so far. */
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
 * Refuses a file that does not begin as a checkpoint remembers.
 *
 * @param path The file; it may be missing where nothing is remembered of it.
 * @param beginning What is remembered.
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
 * Opens a file of lines for appending, after cutting it back to what a checkpoint remembers: a
 * resumed run then rewrites exactly the lines that came after the checkpoint.
 *
 * @param path The file; created where it is missing.
 * @param beginning What of it is kept; {@linkcode noBeginning} starts afresh.
 * @returns The file; declare it with `using`.
 * @throws {UserError} Where it can't be written, or does not begin with what is to be kept.
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
          // What the disk still took of a line is half a line.
          await file.truncate(end).catch(() => {});
          throw error;
        }
        digest.add(bytes);
      }),
    sync: () => trying(() => file.sync()),
    [Symbol.dispose]: () => file.close(),
  };
}

/** Refuses to open for writing what is there and no file. */
async function requireWritable(path: string): Promise<void> {
  if (await isThere(path)) await requireFile(path);
}
