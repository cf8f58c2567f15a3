/**
 * Files of JSON lines that a run has written: `metrics.jsonl` and `samples.jsonl`.
 *
 * @module
 */

import { linesOf } from "./lines.ts";
import { UserError } from "@unitune/training";
import { readBytes } from "./read.ts";
import { isRecord } from "./guards.ts";

/** One line: an object of JSON. */
export type JsonLine = Readonly<Record<string, unknown>>;

/** What is read of such a file: more than a run writes, and less than would fill the memory. */
const MOST = { bytes: 2 ** 28, lines: 1_000_000, lineBytes: 2 ** 24 } as const;

/**
 * Reads a file of JSON lines. A last line that is not whole, which a killed process leaves, is left
 * out.
 *
 * @param path The file.
 * @returns Its lines, in order; blank ones are left out.
 * @throws {UserError} Where the file can't be read or is too large, or a line is no JSON object, with
 * its number.
 *
 * @example
 * ```ts
 * import { readJsonLines } from "@unitune/cli";
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
    if (number > MOST.lines) throw refuse(`more than the ${MOST.lines} lines that are read`);
    if (bytes.length > MOST.lineBytes) {
      throw refuse(`${bytes.length} bytes, and a line has at most ${MOST.lineBytes}`);
    }
    const isLast = offset + bytes.length === whole.length;
    const line = lineIn(bytes);
    if (line !== undefined) lines.push(line);
    else if (!isLast && !isBlank(bytes)) {
      throw refuse("not an object of JSON: remove the line, or restore the file");
    }
  }
  return lines;
}

/** The object on a line; undefined where it holds none. */
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

/** Whether a line has nothing but spaces, tabs and carriage returns. */
function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
