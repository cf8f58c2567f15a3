/**
 * Lines that a person types, or that another program writes.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { linesOf } from "../files/lines.ts";

/** The most bytes of a line. */
const LONGEST_LINE = 2 ** 22;

/**
 * The lines of an input, such as standard input. An ill-formed character is U+FFFD.
 *
 * @param input The bytes.
 * @returns The lines, without their ends.
 *
 * @example
 * ```ts
 * import { inputLines } from "./input.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const input = ReadableStream.from([new TextEncoder().encode("one\r\ntwo")]);
 * assertEquals(await Array.fromAsync(inputLines(input)), ["one", "two"]);
 * ```
 */
export async function* inputLines(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  const limit = {
    bytes: LONGEST_LINE,
    refuse: (line: number) =>
      new UserError(`line ${line} of the input has more than ${LONGEST_LINE} bytes`),
  };
  for await (const { bytes } of linesOf(input, limit)) {
    const line = decoder.decode(bytes);
    yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
