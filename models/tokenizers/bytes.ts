/** One token a byte. */

import { decodeRuns, firstOrdinary, specialPieces, withRoleTokens } from "./role_tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { byteModel, tokenizerFiles } from "./tokenizer_json.ts";

/** The kind of a byte tokenizer. */
export const BYTES = "bytes";

/**
 * A tokenizer with one token a byte of UTF-8: 261 tokens that spell every text.
 *
 * Ids 0 … 4 are the special tokens; byte `b` is id `5 + b`. Half a surrogate pair, which UTF-8
 * can't hold, is encoded as U+FFFD.
 *
 * @returns The tokenizer.
 *
 * @example
 * ```ts
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * assertEquals(tokenizer.size, 261);
 * assertEquals(tokenizer.encode("é"), [5 + 0xc3, 5 + 0xa9]);
 * assertEquals(tokenizer.decode(tokenizer.encode("café")), "café");
 * ```
 */
export function byteTokenizer(): Tokenizer {
  const tokens = [...specialPieces, ...Array.from({ length: 256 }, (_, byte) => showByte(byte))];
  const encode = (text: string, most = Infinity) => {
    // A code unit has a byte at the least; one more, for both halves of a surrogate pair.
    const bytes = new TextEncoder().encode(text.slice(0, most + 1));
    return Array.from(bytes.subarray(0, most), (byte) => byte + firstOrdinary);
  };
  return {
    ...withRoleTokens(encode),
    kind: BYTES,
    size: tokens.length,
    tokens,
    encode,
    decode: (sequence, options = {}) => {
      // A byte order mark inside a text is one of its characters, so it is kept.
      const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
      return decodeRuns(
        sequence,
        tokens.length,
        options,
        (run) => utf8.decode(Uint8Array.from(run, (id) => id - firstOrdinary)),
      );
    },
    files: () => tokenizerFiles(byteModel),
  };
}

/** Printable ASCII as itself; other bytes, which are no characters on their own, in hexadecimal. */
function showByte(byte: number): string {
  return byte >= 0x20 && byte < 0x7f
    ? String.fromCharCode(byte)
    : `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
