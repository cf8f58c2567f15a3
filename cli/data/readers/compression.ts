/**
 * Compressed files as what they hold.
 *
 * @module
 */

import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { abridged, printable } from "@unitune/core";
import { UserError } from "@unitune/training";
import type { ByteSource } from "./reader.ts";
import { unpackZstd } from "./zstd.ts";

/** Unpacks pieces. */
type Unpack = (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;

/** What unpacks a file, by the ending of its name. */
const unpackers: Readonly<Record<string, Unpack>> = {
  async *".gz"(chunks) {
    const packed = Readable.from(chunks);
    const whole = createGunzip();
    packed.on("error", (error) => whole.destroy(error));
    try {
      yield* packed.pipe(whole);
    } finally {
      packed.destroy();
    }
  },
  ".zst": unpackZstd,
};

/** The endings of compressed files. */
export const packedEndings: readonly string[] = Object.keys(unpackers);

/** The name of what a file holds, and its ending if it is compressed. */
export function unpackedName(name: string): {
  readonly inner: string;
  readonly packing: string | undefined;
} {
  const packing = packedEndings.find((ending) => name.toLowerCase().endsWith(ending));
  return { inner: packing === undefined ? name : name.slice(0, -packing.length), packing };
}

/**
 * The bytes in a file: those that it holds, if it is compressed.
 *
 * @param bytes The bytes of the file.
 * @returns The bytes in it.
 * @throws {UserError} While they are read, if the file is damaged.
 */
export function unpacked(bytes: ByteSource): ByteSource {
  const { name } = bytes;
  const { packing } = unpackedName(name);
  const unpack = packing === undefined ? undefined : unpackers[packing];
  if (unpack === undefined) return bytes;
  return {
    ...bytes,
    async *chunks() {
      try {
        yield* unpack(bytes.chunks());
      } catch (error) {
        if (error instanceof UserError || !(error instanceof Error)) throw error;
        throw new UserError(
          `${name} is not whole, or no file of its ending: ${
            printable(abridged(error.message, 200))
          }`,
          { cause: error },
        );
      }
    },
    part: () => {
      throw new UserError(
        `${name} is a compressed file that is read out of order: unpack it first`,
      );
    },
  };
}
