/**
 * Bytes that are UTF-8 as a whole, checked piece by piece.
 *
 * @module
 */

import { invalidUtf8At } from "../../files/utf8.ts";
import { wrong } from "../cells.ts";

const newline = 0x0a;

/**
 * Passes pieces on that are UTF-8.
 *
 * @param chunks The bytes, in pieces of any size.
 * @param file The name of their file, for errors.
 * @returns The same pieces.
 * @throws {UserError} If they are not UTF-8; the message has the line.
 */
export async function* checkedUtf8(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  const check = (decode: () => unknown, piece: Uint8Array) => {
    try {
      decode();
    } catch {
      // The piece may begin inside a character of the one before.
      const start = piece.findIndex((byte) => byte < 0x80 || byte > 0xbf);
      const rest = piece.subarray(Math.max(0, start));
      const right = rest.subarray(0, invalidUtf8At(rest) ?? 0);
      const more = right.reduce((lines, byte) => byte === newline ? lines + 1 : lines, 0);
      throw wrong({ file, line: line + more }, "not UTF-8: save the file as UTF-8");
    }
  };
  for await (const chunk of chunks) {
    check(() => decoder.decode(chunk, { stream: true }), chunk);
    yield chunk;
    for (let i = chunk.indexOf(newline); i >= 0; i = chunk.indexOf(newline, i + 1)) line += 1;
  }
  check(() => decoder.decode(), new Uint8Array());
}
