/**
 * Files of the bytes of rows, which are written once and read by number:
 *
 * ```text
 * the bytes of all rows, in order
 * checks   n numbers of 32 bits    the CRC-32 of each row
 * offsets  n + 1 numbers in f64    where the rows begin, and where the last one ends
 * marks    k n numbers in f64      the marks of the rows, k of each
 * summary  JSON
 * footer   64 bytes                what the file is, n, the two lengths in bytes, and the SHA-256 of all
 *                                  between the rows and the footer, and of these numbers
 * ```
 *
 * A file without a whole footer is none: what a killed process has left is never read. A row whose
 * bytes have changed on the disk since is refused when it is read.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { createHash } from "node:crypto";
import {
  type GrowingNumbers,
  growingNumbers,
  type MemoryRecords,
  UserError,
} from "@unitune/training";

/** The first bytes of a footer: what the file is, and the edition of its layout. */
const MAGIC = new TextEncoder().encode("unitune1");

/** The bytes of a footer. */
const FOOTER = 64;

/** Bytes that are written or read at once. */
const PIECE = 2 ** 20;

/** The bytes of rows in a file that is being written. */
export interface RecordFileWriter {
  /** Adds the bytes of a row, and its marks. */
  add(bytes: Uint8Array, marks: readonly number[]): void;
  /** Writes what is not written yet, and what closes the file. */
  finish(summary: unknown): void;
}

/**
 * Writes rows to an open file, those that are in memory already first.
 *
 * @param file The file, which is empty.
 * @param records Rows in memory.
 * @returns The writer.
 */
export function recordFileWriter(file: Deno.FsFile, records: MemoryRecords): RecordFileWriter {
  const { checks, offsets, marks } = copied(records);
  let end = records.bytes();
  for (const block of records.blocks()) writeWhole(file, block);
  const buffer = new Uint8Array(PIECE);
  let filled = 0;
  const flush = () => {
    writeWhole(file, buffer.subarray(0, filled));
    filled = 0;
  };
  return {
    add(bytes, own) {
      if (filled + bytes.length > PIECE) flush();
      if (bytes.length > PIECE) writeWhole(file, bytes);
      else {
        buffer.set(bytes, filled);
        filled += bytes.length;
      }
      end += bytes.length;
      checks.add(crc32(bytes));
      offsets.add(end);
      own.forEach(marks.add);
    },
    finish(summary) {
      flush();
      const text = new TextEncoder().encode(JSON.stringify(summary));
      const parts = [
        bytesOf(Uint32Array.from(checks.values())),
        bytesOf(offsets.values()),
        bytesOf(marks.values()),
        text,
      ];
      for (const part of parts) writeWhole(file, part);
      const footer = new Uint8Array(FOOTER);
      footer.set(MAGIC);
      const lengths = Float64Array.of(checks.values().length, end, text.length);
      footer.set(bytesOf(lengths), MAGIC.length);
      const digest = digestOf([...parts, bytesOf(lengths)]);
      footer.set(digest, MAGIC.length + lengths.byteLength);
      writeWhole(file, footer);
    },
  };
}

/** Checks, offsets and marks of rows in memory, to be added to. */
function copied(records: MemoryRecords) {
  const [checks, offsets, marks] = [growingNumbers(), growingNumbers(), growingNumbers()];
  for (const offset of records.offsets()) offsets.add(offset);
  for (let row = 0; row < records.rows(); row++) checks.add(crc32(records.at(row)));
  records.marks().forEach(marks.add);
  return { checks, offsets, marks } satisfies Readonly<Record<string, GrowingNumbers>>;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function digestOf(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function writeWhole(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    written += file.writeSync(bytes.subarray(written));
  }
}

/** The rows of a file. */
export interface RecordFile {
  /** The summary that was written with the rows. */
  readonly summary: unknown;
  /** The number of rows. */
  readonly length: number;
  /** The marks of the rows, one row after the other. */
  readonly marks: Float64Array;
  /** Reads the bytes of the row at an index. */
  read(index: number): Uint8Array;
  /** Reads the bytes of the rows from an index to before another one, in order. */
  scan(start: number, end: number): Generator<Uint8Array>;
}

/**
 * Opens a file of rows. The file is open only while it is read.
 *
 * @param path The path of the file.
 * @returns The rows; undefined if there is no such file, or it is not one of rows to its end.
 */
export function openRecordFile(path: string): RecordFile | undefined {
  const index = readIndex(path);
  if (index === undefined) return undefined;
  const { checks, offsets, marks, summary } = index;
  const at = (row: number) => offsets[row] ?? never();
  const checked = (bytes: Uint8Array, row: number) => {
    if (crc32(bytes) === checks[row]) return bytes;
    throw damaged(path, `row ${row + 1} has other bytes than were written`);
  };
  return {
    summary,
    length: checks.length,
    marks,
    read: (row) =>
      using(path, (file) => {
        const bytes = readPart(file, at(row), at(row + 1));
        return checked(bytes ?? new Uint8Array(), row);
      }),
    *scan(start, end) {
      for (let first = start; first < end;) {
        let last = first + 1;
        while (last < end && at(last + 1) - at(first) <= PIECE) last += 1;
        const place = at(first);
        const piece = using(path, (file) => readPart(file, place, at(last)));
        for (let row = first; row < last; row++) {
          const bytes = piece?.subarray(at(row) - place, at(row + 1) - place);
          yield checked(bytes ?? new Uint8Array(), row);
        }
        first = last;
      }
    },
  };
}

/** Uses an open file, which was there when the rows were opened. */
function using<T>(path: string, use: (file: Deno.FsFile) => T): T {
  try {
    using file = Deno.openSync(path);
    return use(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw damaged(path, "the file was removed while its rows were read", error);
  }
}

function damaged(path: string, why: string, cause?: unknown): UserError {
  return new UserError(
    `${path}, in which rows are kept for the next start: ${why}. Remove it if it is there, and ` +
      `start again; a run that has begun goes on by --resume`,
    { cause },
  );
}

function never(): never {
  throw new RangeError("a row of a file that is none of its rows");
}

/** The bytes of a part of a file; undefined if it ends before. */
function readPart(
  file: Deno.FsFile,
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  for (let filled = 0; filled < bytes.length;) {
    const count = file.readSync(bytes.subarray(filled));
    if (count === null) return undefined;
    filled += count;
  }
  return bytes;
}

/** The errors that say that there is no file. */
const absent = [Deno.errors.NotFound, Deno.errors.NotADirectory];

/** All that a file says of its rows, without their bytes. */
function readIndex(path: string) {
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(path);
  } catch (error) {
    if (!absent.some((kind) => error instanceof kind)) throw error;
    return undefined;
  }
  using _closed = file;
  const { size, isFile } = file.statSync();
  if (!isFile || size < FOOTER) return undefined;
  const footer = readPart(file, size - FOOTER, size);
  if (footer === undefined || !MAGIC.every((byte, i) => footer[i] === byte)) return undefined;
  const numbers = new Float64Array(footer.buffer, MAGIC.length, 3);
  const [count = 0, data = 0, text = 0] = numbers;
  const [check, offset] = [4 * count, 8 * (count + 1)];
  const marked = size - FOOTER - data - check - offset - text;
  const lengths = [check, offset, marked, text];
  if (lengths.some((length) => !(length >= 0)) || !(data >= 0)) return undefined;
  let place = data;
  const parts = lengths.map((length) => readPart(file, place, place += length));
  const [checks, offsets, marks, summary] = parts;
  if (!checks || !offsets || !marks || !summary) return undefined;
  const digest = footer.subarray(MAGIC.length + numbers.byteLength);
  const found = digestOf([checks, offsets, marks, summary, bytesOf(numbers)]);
  if (!found.every((byte, i) => digest[i] === byte)) return undefined;
  const value: unknown = JSON.parse(new TextDecoder().decode(summary));
  return {
    checks: new Uint32Array(checks.buffer),
    offsets: new Float64Array(offsets.buffer),
    marks: new Float64Array(marks.buffer),
    summary: value,
  };
}
