/** What is said of bytes that are not UTF-8: the first wrong one, and whether they begin as UTF-16. */
import { assertEquals, assertThrows } from "@std/assert";
import { decodeUtf8, invalidUtf8At } from "../../../cli/files/utf8.ts";

/** The offset and the description of what is wrong. */
const saidOf = (...bytes: readonly number[]) =>
  assertThrows(
    () => decodeUtf8(Uint8Array.from(bytes), (offset, text) => new Error(`${offset}: ${text}`)),
    Error,
  ).message;

Deno.test("the first wrong byte is told, and the two marks of UTF-16", () => {
  const save = "save the file as UTF-8";
  for (
    const [bytes, said] of [
      [[0xff, 0xfe, 0x61, 0], `0: byte 0xFF, as UTF-16 begins: ${save}`],
      [[0xfe, 0xff, 0, 0x61], `0: byte 0xFE, as UTF-16 begins: ${save}`],
      [[0xff, 0xff], `0: byte 0xFF: ${save}`],
      [[0xfe, 0xfe], `0: byte 0xFE: ${save}`],
      [[0xff, 0x61], `0: byte 0xFF: ${save}`],
      [[0xfe, 0x61], `0: byte 0xFE: ${save}`],
      [[0x80, 0xfe], `0: byte 0x80: ${save}`],
      [[0x61, 0xff, 0xfe], `1: byte 0xFF: ${save}`],
      [[0xc3, 0xa9, 0xfe, 0xff], `2: byte 0xFE: ${save}`],
      [[0x0a, 0xc0, 0x80], `1: byte 0xC0: ${save}`],
    ] as const
  ) assertEquals(saidOf(...bytes), said);
  assertEquals(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61), () => new Error()), "a");
});

Deno.test("each pair of a first and a second byte is one that a strict decoder takes, or not", () => {
  const strict = new TextDecoder("utf-8", { fatal: true });
  const isWhole = (bytes: Uint8Array) => {
    try {
      return strict.decode(bytes) !== undefined;
    } catch {
      return false;
    }
  };
  for (const lead of [0, 0x61, ...Array.from({ length: 129 }, (_, i) => 0x7f + i)]) {
    // The ends of all ranges of second bytes, and what is beyond them.
    for (const second of [0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
      for (const more of [[], [0xbf], [0xbf, 0x80], [0xbf, 0x80, 0x80], [0xc0], [0x80, 0x7f]]) {
        const bytes = Uint8Array.from([lead, second, ...more]);
        assertEquals(invalidUtf8At(bytes) === undefined, isWhole(bytes), `${bytes}`);
      }
    }
  }
});
