/** Elements of 16 bits at rest: what reads them, what does not, and that no copy of them is made. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import {
  add,
  cast,
  compile,
  fromRawTensor,
  full,
  gather,
  graphOf,
  iota,
  key,
  matmul,
  mul,
  narrowed,
  onDevice,
  reference,
  reshape,
  roundStochastically,
  type Shape,
  ShapeError,
  sizeOf,
  slice,
  type StorageDType,
  sum,
  type Tensor,
  tensor,
  toRawTensor,
  transposeLast,
  wasm,
  where,
  widened,
} from "@unitune/core";
import { lower } from "@unitune/core/backend";
import { elementary } from "../../core/lowering/elementary/elementary.ts";
import { evaluate } from "./scalar_interpreter.ts";

const device = wasm({ threads: 1 });
const dtypes: readonly StorageDType[] = ["bf16", "f16"];

/** Numbers between -2 and 2, the same for the same seed. */
function numbers(size: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed | 1;
  return Float32Array.from({ length: size }, () => {
    state = Math.imul(state, 1664525) + 1013904223 | 0;
    return state / 2 ** 30;
  });
}

/** A tensor of 16-bit elements, and the f32 tensor of the same numbers. */
function pair(dtype: StorageDType, shape: Shape, seed: number): readonly [Tensor, Tensor] {
  const bits = narrowed(dtype, numbers(sizeOf(shape), seed));
  return [tensor(bits, { dtype, shape }), tensor(widened(dtype, bits), { shape })];
}

Deno.test("every half is widened to its number, and narrowed back to its bits", () => {
  // A number of 16 bits by the format's definition; no step of it rounds in f64.
  const numberOf = (bits: number, fraction: number, bias: number): number => {
    const sign = bits >> 15 === 0 ? 1 : -1;
    const exponent = (bits & 0x7fff) >> fraction;
    const rest = (bits & (1 << fraction) - 1) / 2 ** fraction;
    if (exponent === 2 * bias + 1) return rest === 0 ? sign * Infinity : NaN;
    return exponent === 0
      ? sign * rest * 2 ** (1 - bias)
      : sign * (1 + rest) * 2 ** (exponent - bias);
  };
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
  for (const [dtype, fraction, bias] of [["bf16", 7, 127], ["f16", 10, 15]] as const) {
    const floats = widened(dtype, all);
    const faults = all.filter((bits) =>
      !Object.is(floats[bits], Math.fround(numberOf(bits, fraction, bias)))
    );
    assertEquals([...faults], [], dtype);
    const back = narrowed(dtype, floats);
    assertEquals(
      [...all.filter((bits) => !Number.isNaN(floats[bits]) && back[bits] !== bits)],
      [],
      dtype,
    );
    assertEquals(
      all.every((bits) => !Number.isNaN(floats[bits]) || isNaN16(dtype, back[bits])),
      true,
    );
  }
});

function isNaN16(dtype: StorageDType, bits: number | undefined): boolean {
  return Number.isNaN(widened(dtype, Uint16Array.of(bits ?? 0))[0]);
}

Deno.test("the nearest half is taken, and of two the even one, for every sign and exponent", () => {
  const all = Array.from({ length: 0x7c00 }, (_, upper) => upper);
  // The power of two after the largest half stands for infinity.
  const numberOf = (bits: number) =>
    bits === 0x7c00 ? 65536 : widened("f16", Uint16Array.of(bits))[0] ?? NaN;
  for (const share of [0, 0.25, 0.5, 0.75]) {
    const between = all.map((bits) =>
      numberOf(bits) + share * (numberOf(bits + 1) - numberOf(bits))
    );
    const found = narrowed("f16", Float32Array.from(between));
    const minus = narrowed("f16", Float32Array.from(between, (x) => -x));
    const expected = all.map((bits) =>
      bits + (share > 0.5 || share === 0.5 && bits % 2 === 1 ? 1 : 0)
    );
    assertEquals([...found], expected, `${share}`);
    assertEquals([...minus], expected.map((bits) => bits | 0x8000), `-${share}`);
  }
});

Deno.test("the steps of every backend widen and narrow as the host does", () => {
  const widening = { bf16: elementary.bfloatToFloat, f16: elementary.halfToFloat };
  const narrowing = { bf16: elementary.floatToBfloat, f16: elementary.floatToHalf };
  // A large odd step, so that all kinds of numbers come.
  const bits = Uint32Array.from({ length: 20_000 }, (_, i) => Math.imul(i, 2654435761));
  const floats = new Float32Array(bits.buffer).filter((x) => !Number.isNaN(x));
  for (const dtype of dtypes) {
    const found = Array.from(floats, (x) => evaluate(narrowing[dtype], [x]));
    assertEquals(found, [...narrowed(dtype, floats)], dtype);
    const halves = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const wide = Array.from(halves, (half) => evaluate(widening[dtype], [half]));
    assertEquals(wide, [...widened(dtype, halves)], dtype);
  }
});

/** Products that read 16-bit weights: as they lie, turned, parts at odd places, and on the left. */
const readings: Readonly<Record<string, (x: Tensor, w: Tensor) => Tensor>> = {
  rows: (x, w) => matmul(x, w),
  columns: (x, w) => matmul(x, transposeLast(reshape(w, [w.shape[1] ?? 0, w.shape[0] ?? 0]))),
  part: (x, w) => {
    const [depth = 0, columns = 0] = w.shape;
    return matmul(slice(x, 1, 1, depth), slice(slice(w, 0, 1, depth), 1, 1, columns));
  },
  left: (x, w) => matmul(transposeLast(w), transposeLast(x)),
};

Deno.test("a product of 16-bit weights is, to the bit, that of their f32 copy", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...dtypes),
      fc.constantFrom(...Object.keys(readings)),
      fc.integer({ min: 1, max: 14 }),
      fc.integer({ min: 2, max: 70 }),
      fc.integer({ min: 2, max: 45 }),
      async (dtype, name, rows, depth, columns) => {
        const read = readings[name] ?? readings.rows;
        if (read === undefined) throw new TypeError(`no reading ${name}`);
        const x = tensor(numbers(rows * depth, rows), { shape: [rows, depth] });
        const [stored, copy] = pair(dtype, [depth, columns], columns);
        using product = compile((x: Tensor, w: Tensor) => read(x, cast(w, "f32")), { device });
        assertEquals(await product(x, stored).data(), await product(x, copy).data());
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("long products, rows of tables and sums read 16-bit elements as their f32 copy", async () => {
  const ids = tensor([3, 0, 2, 7], { dtype: "i32" });
  const uses = (x: Tensor, w: Tensor, ids: Tensor) => {
    const weight = cast(w, "f32");
    return [
      matmul(x, weight),
      matmul(slice(x, 0, 0, 1), weight),
      matmul(slice(weight, 1, 0, 3), transposeLast(slice(weight, 1, 3, 6))),
      gather(weight, ids),
      sum(mul(weight, weight), { axes: [0] }),
      add(weight, 1),
      transposeLast(weight),
    ];
  };
  for (const dtype of dtypes) {
    const [stored, copy] = pair(dtype, [1030, 9], 5);
    const x = tensor(numbers(7 * 1030, 3), { shape: [7, 1030] });
    using program = compile(uses, { device });
    const [found, expected] = [program(x, stored, ids), program(x, copy, ids)];
    for (const [i, result] of found.entries()) {
      assertEquals(await result.data(), await expected[i]?.data(), `${dtype} ${i}`);
    }
  }
});

Deno.test("no f32 copy of 16-bit weights is stored: not by products, tables or views of them", () => {
  const ids = tensor([0, 1], { dtype: "i32" });
  const weight = tensor(new Uint16Array(64 * 96), { dtype: "bf16", shape: [64, 96] });
  const x = tensor(new Float32Array(2 * 96), { shape: [2, 96] });
  const f = (x: Tensor, w: Tensor, ids: Tensor) => {
    const wide = cast(w, "f32");
    const rows = gather(reshape(wide, [128, 48]), ids);
    const blocks = [0, 32].map((row) => matmul(x, transposeLast(slice(wide, 0, row, row + 32))));
    return [rows, ...blocks, matmul(matmul(x, transposeLast(wide)), wide)];
  };
  const { buffers } = lower(graphOf(f, [x, weight, ids]));
  const large = buffers.filter(({ size, role }) => size >= 64 * 48 && role.kind !== "input");
  assertEquals(large, []);
});

Deno.test("16-bit results take over donated storage, and are read as they were written", async () => {
  for (const on of [device, reference()]) {
    using step = compile((w: Tensor, by: Tensor) => cast(add(cast(w, "f32"), by), "bf16"), {
      device: on,
      donate: [0],
    });
    const start = onDevice(tensor([1, 2, 3], { dtype: "bf16" }), on);
    const next = step(step(start, tensor([1, 2 ** -9, 0.5])), tensor(0.25));
    assertEquals(
      widened("bf16", Uint16Array.from(await next.data())),
      Float32Array.of(2.25, 2.25, 3.75),
    );
  }
});

Deno.test("one 16-bit element is a number, and a tensor of it no constant of 32 bits", async () => {
  const x = tensor([1.5], { dtype: "bf16" });
  assertEquals(await x.data(), Uint16Array.of(0x3fc0));
  assertEquals(await x.item(), 1.5);
  assertEquals(await cast(x, "f32").item(), 1.5);
  assertEquals(await tensor(-2, { dtype: "f16" }).item(), -2);
  // By their bits, or as numbers, which are rounded.
  assertEquals(await tensor(Uint16Array.of(0x3c00), { dtype: "f16" }).item(), 1);
  assertEquals(await tensor(Float64Array.of(1 + 2 ** -9), { dtype: "bf16" }).item(), 1);
});

Deno.test("nothing but a cast from or to f32 computes with 16-bit elements", () => {
  const x = tensor([1, 2], { dtype: "bf16" });
  const refused: readonly (() => unknown)[] = [
    () => add(x, x),
    () => mul(x, 2),
    () => sum(x),
    () => where(tensor([1, 0], { dtype: "bool" }), x, x),
    () => matmul(reshape(x, [1, 2]), reshape(x, [2, 1])),
    () => cast(x, "i32"),
    () => cast(x, "f16"),
    () => cast(tensor([1], { dtype: "i32" }), "bf16"),
    () => full([2], 1, "f16"),
    () => iota([2], 0, "bf16"),
  ];
  for (const f of refused) assertThrows(f, ShapeError, "f32");
  assertEquals(cast(x, "bf16").dtype, "bf16");
});

Deno.test("16-bit elements go to a file and come back to the bit", () => {
  const bits = Uint16Array.of(0x0001, 0x8000, 0x7f81, 0xffff, 0x3f80);
  for (const [dtype, raw] of [["bf16", "BF16"], ["f16", "F16"]] as const) {
    const elements = { dtype, shape: [5], data: bits };
    const written = toRawTensor(elements);
    assertEquals(written, { dtype: raw, shape: [5], data: new Uint8Array(bits.buffer) });
    assertEquals(fromRawTensor(written, { keepsStorage: true }), elements);
    const wide = fromRawTensor(written);
    assertEquals(wide, { dtype: "f32", shape: [5], data: widened(dtype, bits) });
    assertEquals(toRawTensor(elements, "F32"), toRawTensor(wide));
  }
});

Deno.test("rounded stochastically, numbers keep their mean and become a neighbour", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.double({ min: -1, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      fc.constantFrom("bf16", "f16"),
      async (share, seed, dtype) => {
        // Exponents of the type, also those of the smallest numbers of f16.
        const exponent = dtype === "bf16" ? 120 * share : share < 0 ? 25 * share : 15 * share;
        const [x = NaN] = Float32Array.of((seed % 2 === 0 ? 1 : -1) * 2 ** exponent);
        const count = 4096;
        const rounded = roundStochastically(key(seed), full([count], x), dtype);
        assertEquals(rounded.dtype, dtype);
        const found = Float64Array.from(await cast(rounded, "f32").data());
        // A bfloat16 has 8 bits and an f16 has 11, or whole units of 2^-24.
        const bits = Math.floor(Math.log2(Math.abs(x))) - (dtype === "bf16" ? 7 : 10);
        const step = 2 ** (dtype === "bf16" ? bits : Math.max(-24, bits));
        assert([...new Set(found)].every((y) => Number.isInteger(y / step)));
        assert(found.every((y) => Math.abs(y - x) < step));
        const mean = found.reduce((a, b) => a + b) / count;
        // Five standard errors: a deviation is at most half a step.
        assert(Math.abs(mean - x) <= 5 * step / 2 / Math.sqrt(count), `${x}: ${mean}`);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("rounded stochastically, what 16 bits hold stays, and so do infinity and NaN", async () => {
  for (const [dtype, least] of [["bf16", 2 ** -126], ["f16", -(2 ** -24)]] as const) {
    const x = tensor([1, 0, least, 2 ** -14, 1.5, Infinity, -Infinity, NaN, -3]);
    const rounded = await cast(roundStochastically(key(1), x, dtype), "f32").data();
    assertEquals(rounded, await x.data());
  }
});
