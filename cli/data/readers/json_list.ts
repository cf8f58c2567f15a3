/**
 * JSON files: a list of rows, one after the other, however long the list is; or a row on each line.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { concatenated } from "../../files/concatenated.ts";
import { decodeUtf8 } from "../../files/utf8.ts";
import { rowLimit, wrong } from "../cells.ts";
import { parsedJson, readJsonLines } from "./json_lines.ts";
import type { FoundRow, RowReader } from "./reader.ts";

const [newline, quote, comma, backslash] = [0x0a, 0x22, 0x2c, 0x5c];
const [listStart, listEnd, objectStart, objectEnd] = [0x5b, 0x5d, 0x7b, 0x7d];
const isSpace = (byte: number) =>
  byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09;

/** An element of a list, as it is written. */
interface Element {
  /** The line at which it begins, from 1. */
  readonly line: number;
  /** The offset of its first byte in the file. */
  readonly offset: number;
  /** Its bytes. */
  readonly bytes: Uint8Array;
}

/**
 * Reads the rows of a JSON file: the elements of the list that it holds, or the values on its lines.
 *
 * @param bytes The file.
 * @returns The rows.
 * @throws {UserError} If the file is neither, or a row is too long; the message has file and line.
 *
 * @example
 * ```ts
 * import { bytesInMemory } from "./bytes_in_memory.ts";
 * import { readJsonList } from "./json_list.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = bytesInMemory("rows.json", new TextEncoder().encode('[{"a": [1]},\n"b"]'));
 * const rows = await Array.fromAsync(readJsonList(bytes));
 * assertEquals(rows.map(({ row, source }) => [row, source.line]), [[{ a: [1] }, 1], ["b", 2]]);
 * ```
 */
export const readJsonList: RowReader = async function* (bytes): AsyncGenerator<FoundRow> {
  const { name: file } = bytes;
  if (await firstSign(bytes.chunks()) !== listStart) return yield* readJsonLines(bytes);
  for await (const { line, offset, bytes: own } of elementsOf(bytes.chunks(), file)) {
    const source = { file, line };
    const text = decodeUtf8(
      own,
      (at, description) =>
        wrong(source, `not UTF-8: at byte ${offset + at} of the file, ${description}`),
    );
    yield { row: parsedJson(text, source), source };
  }
};

/** The bytes of a byte order mark. */
const MARK: readonly number[] = [0xef, 0xbb, 0xbf];

/** The first byte of a text that is no space. */
async function firstSign(chunks: AsyncIterable<Uint8Array>): Promise<number | undefined> {
  for await (const chunk of chunks) {
    const sign = chunk.find((byte) => !isSpace(byte) && !MARK.includes(byte));
    if (sign !== undefined) return sign;
  }
  return undefined;
}

/** The elements of a list, as they are written; what they are is not looked at. */
async function* elementsOf(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Element> {
  const limit = rowLimit(file, "write shorter rows");
  let [line, offset, depth] = [1, 0, 0];
  let [inText, isEscaped, isDone] = [false, false, false];
  /** What comes next where no element is read: the first, any other, or a comma. */
  let next: "first" | "element" | "comma" = "first";
  let own: { line: number; offset: number; length: number; parts: Uint8Array[] } | undefined;
  const refuse = (why: string) => wrong({ file, line }, why);
  for await (const chunk of chunks) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (byte === newline) line += 1;
      if (inText) {
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) inText = false;
        continue;
      }
      const isAtEnd = depth === 1 && (byte === comma || byte === listEnd);
      if (own !== undefined && isAtEnd) {
        const parts = [...own.parts, chunk.subarray(start, i)];
        yield { line: own.line, offset: own.offset, bytes: concatenated(parts) };
        own = undefined;
        next = "comma";
      }
      if (own === undefined) {
        if (isSpace(byte) || (depth === 0 && !isDone && MARK.includes(byte))) continue;
        if (isDone) throw refuse("there is more behind the list of rows");
        if (depth === 0) {
          depth = 1;
          continue;
        }
        if (byte === listEnd) {
          if (next === "element") throw refuse("a comma with no row behind it");
          isDone = true;
          continue;
        }
        if (byte === comma) {
          if (next !== "comma") throw refuse("a comma with no row before it");
          next = "element";
          continue;
        }
        own = { line, offset: offset + i, length: 0, parts: [] };
        start = i;
      }
      if (byte === quote) inText = true;
      else if (byte === listStart || byte === objectStart) depth += 1;
      else if (byte === listEnd || byte === objectEnd) {
        if (depth === 1) throw refuse("a bracket that closes nothing");
        depth -= 1;
      }
    }
    if (own !== undefined) {
      own.parts.push(chunk.subarray(start));
      own.length += chunk.length - start;
      if (own.length > limit.bytes) throw limit.refuse(own.line);
    }
    offset += chunk.length;
  }
  if (!isDone) throw new UserError(`${file} ends inside its list of rows: it was cut off`);
}
