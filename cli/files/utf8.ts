/**
 * Strict decoding of UTF-8: an ill-formed sequence is an error that tells its offset.
 *
 * @module
 */

/**
 * Finds the first ill-formed sequence in bytes of UTF-8.
 *
 * @param bytes The bytes.
 * @returns The offset of the sequence's first byte (Unicode, table 3-7), or undefined if there is
 * no such sequence.
 *
 * @example
 * ```ts
 * import { invalidUtf8At } from "./utf8.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(invalidUtf8At(new TextEncoder().encode("café")), undefined);
 * assertEquals(invalidUtf8At(Uint8Array.of(0x61, 0xff)), 1);
 * ```
 */
export function invalidUtf8At(bytes: Uint8Array): number | undefined {
  let i = 0;
  while (i < bytes.length) {
    const lead = bytes[i] ?? NaN;
    if (lead < 0x80) {
      i += 1;
      continue;
    }
    const form = lead < 0xc2 ? undefined : forms.find(({ to }) => lead <= to);
    if (form === undefined) return i;
    for (let k = 0; k < form.following; k++) {
      // NaN where the bytes end too soon.
      const byte = bytes[i + 1 + k] ?? NaN;
      // Only the second byte's range depends on the first: no overlong forms, surrogates or more
      // than U+10FFFF.
      const [low, high] = k === 0 ? form.second : [0x80, 0xbf];
      if (!(low <= byte && byte <= high)) return i;
    }
    i += 1 + form.following;
  }
  return undefined;
}

/**
 * Well-formed UTF-8 of several bytes, from a first byte of 0xc2 on: up to which first byte a form
 * reaches, the range of its second byte, and the number of bytes after the first.
 */
const forms: readonly {
  readonly to: number;
  readonly second: readonly [number, number];
  readonly following: number;
}[] = [
  { to: 0xdf, second: [0x80, 0xbf], following: 1 },
  { to: 0xe0, second: [0xa0, 0xbf], following: 2 },
  { to: 0xec, second: [0x80, 0xbf], following: 2 },
  { to: 0xed, second: [0x80, 0x9f], following: 2 },
  { to: 0xef, second: [0x80, 0xbf], following: 2 },
  { to: 0xf0, second: [0x90, 0xbf], following: 3 },
  { to: 0xf3, second: [0x80, 0xbf], following: 3 },
  { to: 0xf4, second: [0x80, 0x8f], following: 3 },
];

/**
 * Decodes UTF-8, without a byte order mark.
 *
 * @param bytes The bytes.
 * @param invalid Makes the error for an ill-formed sequence, from its offset and a description.
 * @returns The text.
 */
export function decodeUtf8(
  bytes: Uint8Array,
  invalid: (offset: number, description: string) => Error,
): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    const offset = invalidUtf8At(bytes);
    // Well-formed, but longer than a string can be.
    if (offset === undefined) throw error;
    throw invalid(offset, describe(bytes, offset));
  }
}

function describe(bytes: Uint8Array, offset: number): string {
  const byte = (bytes[offset] ?? NaN).toString(16).toUpperCase().padStart(2, "0");
  const utf16 = offset === 0 &&
    ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff));
  return `byte 0x${byte}${utf16 ? ", as UTF-16 begins" : ""}: save the file as UTF-8`;
}
