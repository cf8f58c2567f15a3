/**
 * Digests: SHA-256, in hexadecimal. A digest that was recorded when a file was written shows later
 * whether the file has changed.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A digest of content that arrives in pieces. */
export interface RunningDigest {
  /** Adds a piece. */
  add(piece: Uint8Array): void;
  /** The digest of the pieces so far. */
  value(): string;
}

/**
 * Begins a digest.
 *
 * @returns The digest of no content yet.
 *
 * @example
 * ```ts
 * import { beginDigest, digestOf } from "./digest.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const digest = beginDigest();
 * for (const piece of ["ab", "c"]) digest.add(new TextEncoder().encode(piece));
 * assertEquals(digest.value(), digestOf("abc"));
 * ```
 */
export function beginDigest(): RunningDigest {
  const hash = createHash("sha256");
  return {
    add: (piece) => {
      hash.update(piece);
    },
    value: () => hash.copy().digest("hex"),
  };
}

/**
 * The digest of a text or of bytes.
 *
 * @param content The content; text is read as UTF-8.
 * @returns SHA-256 in hexadecimal.
 *
 * @example
 * ```ts
 * import { digestOf } from "./digest.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // The example of FIPS 180-4.
 * const expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
 * assertEquals(digestOf("abc"), expected);
 * ```
 */
export function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
