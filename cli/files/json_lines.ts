/**
 * Reading the files of JSON lines that a run has written: `metrics.jsonl` and `samples.jsonl`.
 *
 * @module
 */

import { linesOf } from "./lines.ts";
import { UserError } from "@unitune/training";
import { readBytes } from "./read.ts";
import { isRecord } from "./guards.ts";

/** One line: a JSON object. */
export type JsonLine = Readonly<Record<string, unknown>>;

/** Limits of such a file: larger than any run writes, and small enough for memory. */
const MOST = { bytes: 2 ** 28, lines: 1_000_000, lineBytes: 2 ** 24 } as const;

/**
 * Reads a file of JSON lines. An unfinished last line, which a killed process leaves, is skipped,
 * and so are blank lines.
 *
 * @param path The path of the file.
 * @returns The lines, in order.
 * @throws {UserError} If the file can't be read or is too large, or a line, named by its number, is
 * not a JSON object.
 *
 * @example
 * ```ts
 * import { readJsonLines } from "./json_lines.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, `{"step":1}\n{"step":2}\n{"st`);
 * assertEquals(await readJsonLines(path), [{ step: 1 }, { step: 2 }]);
 * await Deno.remove(path);
 * ```
 */
export async function readJsonLines(path: string): Promise<readonly JsonLine[]> {
  const whole = await readBytes(path, MOST.bytes);
  const lines: JsonLine[] = [];
  for await (const { number, offset, bytes } of linesOf([whole])) {
    const refuse = (why: string) => new UserError(`${path}:${number}: ${why}`);
    if (number > MOST.lines) throw refuse(`more than ${MOST.lines} lines, the most that are read`);
    if (bytes.length > MOST.lineBytes) {
      throw refuse(
        `${bytes.length} bytes, more than the ${MOST.lineBytes} that are read of a line`,
      );
    }
    const isLast = offset + bytes.length === whole.length;
    const line = lineIn(bytes);
    if (line !== undefined) lines.push(line);
    else if (!isLast && !isBlank(bytes)) {
      throw refuse("not a JSON object: remove the line, or restore the file");
    }
  }
  return lines;
}

/** The object on a line; undefined if the line is not a JSON object. */
function lineIn(bytes: Uint8Array): JsonLine | undefined {
  try {
    const value: unknown = JSON.parse(strictDecoder.decode(bytes));
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true });

/** Tells whether a line has only spaces, tabs and carriage returns. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
