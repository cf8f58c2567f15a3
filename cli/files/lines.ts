/**
 * The lines of a file, one at a time, so that a large file is never in memory as a whole.
 *
 * @module
 */

import { concatenated } from "./concatenated.ts";

/** One line of a file. */
export interface Line {
  /** Its number, from 1. */
  readonly number: number;
  /** The offset of its first byte in the file. */
  readonly offset: number;
  /** Its bytes, without the newline. */
  readonly bytes: Uint8Array;
}

/** The limit of a line's length. */
export interface LineLimit {
  /** The most bytes of a line, without its newline. */
  readonly bytes: number;
  /** Makes the error for a longer line, from its number. */
  refuse(line: number): Error;
}

const newline = 0x0a;

/**
 * Splits bytes into lines at each `\n`. The last line needs no `\n`.
 *
 * @param chunks The bytes, in pieces of any size.
 * @param limit The limit of a line's length (default: none).
 * @returns The lines, blank ones included.
 *
 * @example
 * ```ts
 * import { linesOf } from "./lines.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const chunks = ["a\nb", "c\n"].map((text) => new TextEncoder().encode(text));
 * const lines = await Array.fromAsync(linesOf(chunks));
 * assertEquals(lines.map((line) => new TextDecoder().decode(line.bytes)), ["a", "bc"]);
 * assertEquals(lines.map((line) => [line.number, line.offset]), [[1, 0], [2, 2]]);
 * ```
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit?: LineLimit,
): AsyncGenerator<Line> {
  let number = 1;
  let offset = 0;
  // The parts of the current line from earlier chunks.
  let parts: Uint8Array[] = [];
  let length = 0;
  const grow = (by: number) => {
    length += by;
    if (limit !== undefined && length > limit.bytes) throw limit.refuse(number);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end; (end = chunk.indexOf(newline, start)) >= 0; start = end + 1) {
      grow(end - start);
      const bytes = concatenated([...parts, chunk.subarray(start, end)]);
      // Before the line is used: the parts of a long one are as large as it is.
      parts = [];
      length = 0;
      yield { number, offset, bytes };
      number += 1;
      offset += bytes.length + 1;
    }
    if (start === chunk.length) continue;
    grow(chunk.length - start);
    parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) yield { number, offset, bytes: concatenated(parts) };
}
