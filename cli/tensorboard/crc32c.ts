/**
 * CRC-32C, the checksum of the records in TensorBoard's event files.
 *
 * @module
 */

/** Castagnoli's polynomial `1 + x^6 + x^8 + ... + x^32`, with its bits reversed (RFC 3720, 12.1). */
const POLYNOMIAL = 0x82f63b78;

/** The remainder of each byte, after eight divisions by `x`. */
const remainders = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? remainder >>> 1 ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder;
});

/**
 * The CRC-32C of bytes (RFC 3720, appendix B.4).
 *
 * @param bytes The bytes.
 * @returns The checksum, 0 to 2^32 - 1.
 *
 * @example
 * ```ts
 * import { crc32c } from "./crc32c.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
 * ```
 */
export function crc32c(bytes: Uint8Array): number {
  let remainder = ~0;
  for (const byte of bytes) {
    // The index is a byte, and the table has all 256.
    remainder = (remainders[(remainder ^ byte) & 0xff] ?? NaN) ^ remainder >>> 8;
  }
  return ~remainder >>> 0;
}
