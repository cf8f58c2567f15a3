/**
 * Files of zstd ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)), frame by frame. The engine
 * unpacks one frame and ignores what follows it, so the frames are told apart here; its streams end
 * early without an error where a file was cut off.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { zstdDecompressSync } from "node:zlib";

/** The most bytes of a frame, once it is unpacked: a file is often one frame. */
const LARGEST_FRAME = 2 ** 31 - 1;

/** The first bytes of a frame, and of one to be skipped, as little-endian numbers. */
const [FRAME, SKIPPED] = [0xfd2fb528, 0x184d2a50];

/**
 * The end of a frame.
 *
 * @param bytes The file.
 * @param start The offset of the frame.
 * @returns The offset behind it, and whether it holds something.
 * @throws {Error} If there is no whole frame.
 *
 * @example
 * ```ts
 * import { frameAt } from "./zstd.ts";
 * import { zstdCompressSync } from "node:zlib";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(zstdCompressSync("Hello"));
 * assertEquals(frameAt(bytes, 0), { end: bytes.length, isSkipped: false });
 * ```
 */
export function frameAt(
  bytes: Uint8Array,
  start: number,
): { readonly end: number; readonly isSkipped: boolean } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const within = (end: number) => {
    if (end <= bytes.length) return end;
    throw new Error("it ends inside a frame");
  };
  within(start + 8);
  const magic = view.getUint32(start, true);
  // The last four bits of a frame to be skipped are free.
  if (((magic ^ SKIPPED) >>> 4) === 0) {
    return { end: within(start + 8 + view.getUint32(start + 4, true)), isSkipped: true };
  }
  if (magic !== FRAME) throw new Error("something that is no frame");
  const descriptor = view.getUint8(start + 4);
  const isSingle = (descriptor & 0x20) !== 0;
  // 1, 2, 4 or 8 bytes. The lowest flag means no size, unless the frame is one segment.
  const sizeFlag = descriptor >> 6;
  const sizeBytes = isSingle || sizeFlag > 0 ? 1 << sizeFlag : 0;
  // 0, 1, 2 or 4 bytes.
  const dictionaryBytes = (1 << (descriptor & 3)) >> 1;
  let at = start + 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
  for (let isLast = false; !isLast;) {
    within(at + 3);
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    isLast = (header & 1) !== 0;
    const [kind, size] = [(header >> 1) & 3, header >> 3];
    if (kind === 3) throw new Error("a block of no kind");
    // A block of kind 1 is one byte, which is repeated.
    at = within(at + 3 + (kind === 1 ? 1 : size));
  }
  const hasChecksum = (descriptor & 4) !== 0;
  return { end: within(at + (hasChecksum ? 4 : 0)), isSkipped: false };
}

/**
 * Unpacks a file of zstd.
 *
 * @param chunks The file, in pieces of any size.
 * @returns What it holds, in pieces.
 * @throws {Error} If it is damaged, or was cut off.
 */
export async function* unpackZstd(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.concat(await Array.fromAsync(chunks));
  for (let at = 0; at < bytes.length;) {
    const { end, isSkipped } = frameAt(bytes, at);
    if (!isSkipped) {
      yield zstdDecompressSync(bytes.subarray(at, end), { maxOutputLength: LARGEST_FRAME });
    }
    at = end;
  }
}
