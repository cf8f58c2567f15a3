/** The frames of a file of zstd, which end where their headers and blocks say. */
import { assertEquals, assertThrows } from "@std/assert";
import { frameAt } from "../../../cli/data/readers/zstd.ts";

/** A block of a kind, whose header says a size, and its content of so many bytes. */
const block = (kind: number, size: number, bytes: number, isLast = false) => {
  const header = size << 3 | kind << 1 | Number(isLast);
  return [header & 0xff, header >> 8 & 0xff, header >> 16, ...Array<number>(bytes).fill(0xee)];
};

/** A frame of one segment and no checksum. */
const frameOf = (...blocks: readonly (readonly number[])[]) =>
  Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, ...blocks.flat()]);

Deno.test("a frame is as long as its blocks of all kinds are", () => {
  const frames = [
    [frameOf(block(0, 5, 5, true)), 6 + 8],
    [frameOf(block(1, 5, 1, true)), 6 + 4],
    [frameOf(block(2, 5, 5, true)), 6 + 8],
    [
      frameOf(block(0, 2, 2), block(1, 9, 1), block(2, 4, 4), block(0, 0, 0, true)),
      6 + 5 + 4 + 7 + 3,
    ],
    // A size that takes all three bytes of a header.
    [frameOf(block(2, 2 ** 16 + 1, 2 ** 16 + 1, true)), 6 + 3 + 2 ** 16 + 1],
  ] as const;
  for (const [frame, end] of frames) {
    assertEquals([frame.length, frameAt(frame, 0)], [end, { end, isSkipped: false }]);
    // Wherever it begins, and whatever follows.
    const placed = Uint8Array.from([1, 2, ...frame, 0x28]);
    assertEquals(frameAt(placed, 2), { end: end + 2, isSkipped: false });
  }
});

Deno.test("a frame that was cut off anywhere is refused, and so are blocks of no kind", () => {
  const frame = frameOf(block(0, 2, 2), block(1, 9, 1), block(2, 4, 4, true));
  for (let length = 0; length < frame.length; length++) {
    assertThrows(() => frameAt(frame.subarray(0, length), 0), Error, "it ends inside a frame");
  }
  assertThrows(() => frameAt(frameOf(block(3, 2, 2, true)), 0), Error, "a block of no kind");
  for (const first of [0x40, 0x4f, 0x60, 0x28]) {
    const other = Uint8Array.from([first, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0]);
    assertThrows(() => frameAt(other, 0), Error, "something that is no frame");
  }
});
