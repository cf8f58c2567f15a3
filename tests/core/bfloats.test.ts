/** Rounding to bfloat16: every upper half of an f32, beside the lower halves around each boundary. */
import { assertEquals, assertThrows } from "@std/assert";
import { fromRawTensor, SafetensorsError, toRawTensor } from "@unitune/core";

/** Lower halves: the ends, and those around the middle. */
const lower = [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff];

function rounded(words: Uint32Array<ArrayBuffer>): Uint16Array {
  const data = new Float32Array(words.buffer);
  const raw = toRawTensor({ dtype: "f32", shape: [data.length], data }, "BF16");
  return new Uint16Array(raw.data.slice().buffer);
}

function floatOf(word: number): number {
  return new Float32Array(new Uint32Array([word]).buffer)[0] ?? NaN;
}

/** The magnitude of an upper half; infinity counts as the power of two that comes next. */
function magnitude(upper: number): number {
  return upper === 0x7f80 ? 2 ** 128 : floatOf(upper << 16);
}

Deno.test("the nearest bfloat16 is taken, and of two the even one, for every sign and exponent", () => {
  const uppers = Array.from({ length: 0x7f80 }, (_, upper) => upper);
  for (const sign of [0, 0x8000]) {
    for (const low of lower) {
      const found = rounded(Uint32Array.from(uppers, (upper) => (sign | upper) << 16 | low));
      const expected = uppers.map((upper) => {
        const x = floatOf(upper << 16 | low);
        const [below, above] = [x - magnitude(upper), magnitude(upper + 1) - x];
        const isUp = above < below || (above === below && upper % 2 === 1);
        return sign | (isUp ? upper + 1 : upper);
      });
      assertEquals([...found], expected, `${sign} ${low}`);
    }
  }
});

Deno.test("infinity stays infinity, and NaN stays NaN with its sign", () => {
  assertEquals([...rounded(Uint32Array.of(0x7f800000, 0xff800000))], [0x7f80, 0xff80]);
  const words = Uint32Array.of(0x7f800001, 0xff800001, 0x7fffffff, 0xffffffff, 0x7fc00000);
  const found = rounded(words);
  for (const [i, half] of found.entries()) {
    assertEquals((half & 0x7fff) > 0x7f80, true);
    assertEquals(half >>> 15, (words[i] ?? 0) >>> 31);
  }
});

Deno.test("what bfloat16 holds is kept to the bit, and a part of an array is read in its place", () => {
  const halves = Uint16Array.from({ length: 0x10000 }, (_, half) => half)
    .filter((half) => (half & 0x7fff) <= 0x7f80);
  const raw = {
    dtype: "BF16",
    shape: [halves.length],
    data: new Uint8Array(halves.buffer),
  } as const;
  const floats = fromRawTensor(raw);
  assertEquals(toRawTensor(floats, "BF16"), raw);
  const part = { ...floats, shape: [2], data: floats.data.subarray(5, 7) };
  assertEquals(toRawTensor(part, "BF16").data, raw.data.slice(10, 14));
});

Deno.test("other types are not rounded to bfloat16, nor f32 to them", () => {
  const [whole, wide] = [new Int32Array(1), new Float64Array(1)];
  const refused = (write: () => unknown, message: string) =>
    assertThrows(write, SafetensorsError, message);
  refused(
    () => toRawTensor({ dtype: "i32", shape: [1], data: whole }, "BF16"),
    "i32 are not written as BF16",
  );
  refused(
    () => toRawTensor({ dtype: "f64", shape: [1], data: wide }, "BF16"),
    "f64 are not written as BF16",
  );
  refused(
    () => toRawTensor({ dtype: "f32", shape: [1], data: new Float32Array(1) }, "F16"),
    "f32 are not written as F16",
  );
});
