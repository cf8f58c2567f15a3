/**
 * The bytes of files in memory.
 *
 * @module
 */

import type { ByteSource } from "./reader.ts";

/**
 * Bytes in memory as those of a file.
 *
 * @param name The name of the file, for errors.
 * @param bytes The bytes.
 * @returns The same bytes.
 */
export function bytesInMemory(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    async *chunks() {
      yield await Promise.resolve(bytes);
    },
    part: (start, end) => Promise.resolve(bytes.subarray(start, end)),
  };
}
