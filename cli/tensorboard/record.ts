/**
 * Records of TensorFlow's TFRecord format, of which an event file is a sequence:
 *
 * ```text
 * u64 length | u32 checksum of the length | length bytes of data | u32 checksum of the data
 * ```
 *
 * All integers are little-endian. Source: https://www.tensorflow.org/tutorials/load_data/tfrecord
 *
 * @module
 */

import { crc32c } from "./crc32c.ts";

/** The number of bytes in front of a record's data. */
export const HEAD = 12;

/** The number of bytes behind a record's data. */
const FOOT = 4;

/** The constant that is added to a rotated checksum. */
const MASK = 0xa282ead8;

/**
 * The masked checksum, `rotate(crc, 15) + 0xa282ead8`: a checksum of data that holds checksums would
 * otherwise be weak.
 */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (crc >>> 15 | crc << 17) + MASK >>> 0;
}

/**
 * Frames data as a record.
 *
 * @param data The data.
 * @returns The bytes of the record.
 *
 * @example
 * ```ts
 * import { recordOf } from "./record.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const record = recordOf(new Uint8Array([7, 8]));
 * assertEquals(record.length, 12 + 2 + 4);
 * assertEquals([...record.subarray(0, 8)], [2, 0, 0, 0, 0, 0, 0, 0]);
 * assertEquals([...record.subarray(12, 14)], [7, 8]);
 * ```
 */
export function recordOf(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(HEAD + data.length + FOOT);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, HEAD);
  view.setUint32(HEAD + data.length, maskedCrc(data), true);
  return record;
}
