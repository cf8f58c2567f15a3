/**
 * JSONL files: a value of JSON on each line.
 *
 * @module
 */

import type { Source } from "@unitune/training";
import { type Line, linesOf } from "../../files/lines.ts";
import { decodeUtf8 } from "../../files/utf8.ts";
import { rowLimit, wrong } from "../cells.ts";
import type { FoundRow, RowReader } from "./reader.ts";

/**
 * Reads the rows of a JSONL file. Blank lines are skipped.
 *
 * @param bytes The file.
 * @returns The rows; each is the value on a line.
 * @throws {UserError} If a line is too long, not UTF-8 or not JSON; the message has file and line.
 *
 * @example
 * ```ts
 * import { readJsonLines } from "./json_lines.ts";
 * import { bytesInMemory } from "./bytes_in_memory.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = bytesInMemory("rows.jsonl", new TextEncoder().encode('{"a":1}\n\n2\n'));
 * const rows = await Array.fromAsync(readJsonLines(bytes));
 * assertEquals(rows.map(({ row, source }) => [row, source.line]), [[{ a: 1 }, 1], [2, 3]]);
 * ```
 */
export const readJsonLines: RowReader = async function* (bytes): AsyncGenerator<FoundRow> {
  const { name: file } = bytes;
  for await (const line of linesOf(bytes.chunks(), rowLimit(file, "write a row on each line"))) {
    const source = { file, line: line.number };
    const text = lineText(line, source);
    if (text.trim() !== "") yield { row: parsedJson(text, source), source };
  }
};

function lineText(line: Line, source: Source): string {
  const decoded = decodeUtf8(
    line.bytes,
    (offset, description) =>
      wrong(source, `not UTF-8: at byte ${line.offset + offset} of the file, ${description}`),
  );
  return decoded.endsWith("\r") ? decoded.slice(0, -1) : decoded;
}

/**
 * The value of a text of JSON.
 *
 * @param text The text.
 * @param source Its place, where it begins.
 * @returns The value.
 * @throws {UserError} If it is not JSON; the message has file and line.
 */
export function parsedJson(text: string, source: Source): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    // The engine counts the lines of this text, which may begin anywhere in the file.
    const [place = "", line = "1", column = ""] = /\(line (\d+) column (\d+)\)$/.exec(why) ?? [];
    const told = place === "" ? why : why.replace(place, `(column ${column})`);
    throw wrong({ ...source, line: source.line + Number(line) - 1 }, `not JSON: ${told}`);
  }
}
