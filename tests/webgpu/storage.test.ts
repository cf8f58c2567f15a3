/** Elements of 16 bits on WebGPU, which keeps two in a word: products, odd places, all memory. */
import { assertEquals } from "@std/assert";
import {
  add,
  cast,
  compile,
  concat,
  type Device,
  gather,
  matmul,
  mul,
  onDevice,
  type Shape,
  sizeOf,
  slice,
  type StorageDType,
  type Tensor,
  tensor,
  transposeLast,
  widened,
} from "@unitune/core";
import { testOnWebGpu } from "./adapter.ts";

function numbers(size: number): number[] {
  return Array.from({ length: size }, (_, i) => (i * 37 % 101 - 50) / 25);
}

/** A tensor of 16-bit elements, and the f32 tensor of the same numbers. */
async function pair(dtype: StorageDType, shape: Shape): Promise<readonly [Tensor, Tensor]> {
  const stored = tensor(Float32Array.from(numbers(sizeOf(shape))), { dtype, shape });
  const bits = Uint16Array.from(await stored.data());
  return [stored, tensor(widened(dtype, bits), { shape })];
}

async function assertSame(
  devices: readonly Device[],
  f: (x: Tensor, w: Tensor) => Tensor,
  x: Tensor,
  [stored, copy]: readonly [Tensor, Tensor],
  note: string,
): Promise<void> {
  for (const device of devices) {
    using program = compile(f, { device });
    assertEquals(await program(x, stored).data(), await program(x, copy).data(), note);
  }
}

type Form = (depth: number, columns: number) => readonly [Shape, (x: Tensor, w: Tensor) => Tensor];

/** Weights as they lie, turned, on the left, and a part of them at an odd place. */
const forms = {
  plain: (depth, columns) => [[depth, columns], (x, w) => matmul(x, cast(w, "f32"))],
  turned: (
    depth,
    columns,
  ) => [[columns, depth], (x, w) => matmul(x, transposeLast(cast(w, "f32")))],
  left: (depth, columns) => [[columns, depth], (x, w) => matmul(cast(w, "f32"), transposeLast(x))],
  part: (depth, columns) => [
    [depth + 1, columns + 1],
    (x, w) => matmul(x, cast(slice(slice(w, 0, 1, depth + 1), 1, 1, columns + 1), "f32")),
  ],
} as const satisfies Readonly<Record<string, Form>>;

/** Sizes for every way to multiply: sums, streams, tiles, blocks; with fours and without. */
const products: readonly (readonly [StorageDType, keyof typeof forms, number, number, number])[] = [
  ["bf16", "plain", 1, 33, 9],
  ["f16", "turned", 5, 64, 12],
  ["bf16", "left", 9, 70, 13],
  ["f16", "part", 9, 70, 13],
  ["bf16", "plain", 40, 68, 36],
  ["bf16", "turned", 128, 128, 128],
  ["f16", "part", 128, 128, 128],
];

testOnWebGpu("products of 16-bit weights are those of their f32 copy", async (...devices) => {
  for (const [dtype, form, rows, depth, columns] of products) {
    const x = tensor(numbers(rows * depth), { shape: [rows, depth] });
    const [shape, product] = forms[form](depth, columns);
    await assertSame(devices, product, x, await pair(dtype, shape), `${dtype} ${form} ${rows}`);
  }
});

testOnWebGpu("neighbours in one word are written by two invocations", async (...devices) => {
  const x = tensor(numbers(11 * 3), { shape: [11, 3] });
  const ids = tensor([2, 10, 2], { dtype: "i32" });
  const f = (x: Tensor) => {
    const stored = cast(x, "bf16");
    return concat([slice(stored, 0, 0, 1), gather(stored, ids), slice(stored, 0, 5, 9)], 0);
  };
  for (const device of devices) {
    using program = compile(f, { device });
    const [found, expected] = [program(x), f(x)];
    assertEquals(await found.data(), await expected.data());
  }
});

testOnWebGpu("16-bit elements in place, of an odd number and from the host", async (...devices) => {
  for (const device of devices) {
    using step = compile((w: Tensor) => cast(mul(cast(w, "f32"), 2), "f16"), {
      device,
      donate: [0],
    });
    const next = step(onDevice(tensor([1, 2, 3], { dtype: "f16" }), device));
    assertEquals(widened("f16", Uint16Array.from(await next.data())), Float32Array.of(2, 4, 6));
    assertEquals(await step(tensor([0.5], { dtype: "f16" })).item(), 1);
  }
});

testOnWebGpu("a kernel of many 16-bit buffers binds all memory at once", async (...devices) => {
  const list = Array.from({ length: 40 }, (_, i) => tensor(numbers(7).map((x) => x + i)));
  const f = (list: readonly Tensor[]) => {
    // Concatenations are stored, in the program's own memory.
    const stored = list.map((x) => concat([cast(x, "bf16"), cast(mul(x, 2), "bf16")], 0));
    const sums = stored.map((x) => cast(slice(x, 0, 3, 10), "f32")).reduce((a, b) => add(a, b));
    return [sums, cast(sums, "bf16")];
  };
  for (const device of devices) {
    using program = compile(f, { device });
    const [found, expected] = [program(list), f(list)];
    for (const [i, x] of found.entries()) assertEquals(await x.data(), await expected[i]?.data());
  }
});
