/**
 * The wasm backend where addresses are above 2 GiB, and so negative as signed words, or above 4 GiB,
 * where they have 64 bits: every primitive and every way of sharing work gives there what it gives at
 * the beginning of a memory.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  add,
  broadcastTo,
  cast,
  compile,
  evaluate,
  gather,
  key,
  matmul,
  normal,
  ones,
  OutOfMemoryError,
  reshape,
  slice,
  softmax,
  sort,
  sum,
  type Tensor,
  tensor,
  transposeLast,
  wasm,
  type WasmDevice,
} from "@unitune/core";
import { grad } from "@unitune/autodiff";
import { type Heap, makeHeap } from "../../core/backends/wasm/heap.ts";
import type { AddressWidth } from "../../core/backends/wasm/instructions.ts";
import { wasmOn } from "../../core/backends/wasm/wasm.ts";
import { cases } from "./primitives_table.ts";
import { packedAttention } from "../packed_attention.ts";

const GIB = 2 ** 30;

/** Where a heap begins, in a memory with addresses of a width. */
interface Place {
  readonly first: number;
  readonly width: AddressWidth;
}

/** A heap whose first bytes are taken, so that the next ones are at `first`; pages are not touched. */
function heapFrom({ first, width }: Place, shared: boolean): Heap {
  const heap = makeHeap(shared, { width });
  const room = 64;
  heap.allocate(first - room);
  assertEquals(heap.allocate(64), first);
  return heap;
}

/** Where addresses are negative, where they become so, where they end, and where they have 64 bits. */
const places: Readonly<Record<string, Place>> = {
  "above 2 GiB": { first: 2 * GIB + 64, width: 32 },
  "across 2 GiB": { first: 2 * GIB - 3 * 4096 - 64, width: 32 },
  "at the end of 4 GiB": { first: 4 * GIB - 2 ** 24, width: 32 },
  "across 4 GiB": { first: 4 * GIB - 3 * 4096 - 64, width: 64 },
};

/** The bytes of all results of a function on a device. */
async function bytesOn(
  device: WasmDevice,
  f: (...inputs: Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
  threads = 1,
): Promise<Uint8Array[]> {
  using program = compile(f, { device });
  let results = program(...inputs);
  for (let attempt = 0; program.statistics()[0]?.threads !== threads; attempt++) {
    assert(attempt < 1000, `the program does not come to run on ${threads} threads`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    results = program(...inputs);
  }
  results = program(...inputs);
  return await Promise.all(results.map(async (x) => new Uint8Array((await x.data()).buffer)));
}

for (const [name, place] of Object.entries(places)) {
  Deno.test(`addresses ${name}: every primitive gives the same bits`, async () => {
    using low = wasm({ threads: 1 });
    using high = wasmOn(heapFrom(place, false), 1);
    for (const [primitive, list] of Object.entries(cases)) {
      for (const { name, build, apply } of list) {
        const f = (...inputs: Tensor[]) => [apply(inputs)];
        assertEquals(
          await bytesOn(high, f, build("f32")),
          await bytesOn(low, f, build("f32")),
          `${primitive}: ${name}`,
        );
      }
    }
  });
}

/** Kernels of every kind that threads share, large enough to be shared, and their gradients. */
function work(x: Tensor, w: Tensor): readonly Tensor[] {
  const hidden = softmax(matmul(x, w));
  const packed = reshape(matmul(x, slice(w, 1, 0, 60)), [4, 60, 3, 2, 10]);
  const attended = grad((y: Tensor) => sum(packedAttention(y)))(packed);
  const ids = tensor([5, 5, 239, 0], { dtype: "i32" });
  return [
    hidden,
    matmul(transposeLast(x), hidden),
    attended,
    sum(hidden, { axes: [0] }),
    sort(hidden),
    grad((table: Tensor) => sum(gather(table, ids)))(hidden),
    matmul(slice(x, 0, 0, 1), w),
    ...[x, slice(x, 0, 0, 1)].map((rows) => matmul(rows, cast(cast(w, "bf16"), "f32"))),
  ];
}

Deno.test("addresses above 2 GiB: threads find their programs and share their work", async () => {
  const inputs = evaluate([normal(key(1), [240, 130]), normal(key(2), [130, 67])]);
  const hosted = await Promise.all(
    inputs.map(async (x) => tensor(await x.data(), { shape: x.shape })),
  );
  using low = wasm({ threads: 1 });
  const expected = await bytesOn(low, work, hosted);
  for (const place of Object.values(places)) {
    using high = wasmOn(heapFrom(place, true), 2);
    assertEquals(await bytesOn(high, work, hosted, 2), expected);
  }
});

Deno.test("addresses across 2 GiB: a row of attention may lie on both sides", async () => {
  const x = tensor(await normal(key(3), [1, 96, 3, 1, 8]).data(), { shape: [1, 96, 3, 1, 8] });
  const f = (x: Tensor) => [packedAttention(x), grad((y: Tensor) => sum(packedAttention(y)))(x)];
  using low = wasm({ threads: 1 });
  const expected = await bytesOn(low, f, [x]);
  // A program's first bytes are its arena, the small result and its scores: 96 rows of 416 bytes, twice.
  for (const before of [16, 32, 48, 64, 80, 96]) {
    using high = wasmOn(heapFrom({ first: 2 * GIB - before * 1024, width: 32 }, false), 1);
    assertEquals(await bytesOn(high, f, [x]), expected, `${before} KiB before`);
  }
});

Deno.test("memory: what does not fit is refused with what is needed and what there is", () => {
  using device = wasm({ threads: 1 });
  const oneGiB = (x: Tensor) => add(broadcastTo(x, [2 ** 28]), 1);
  const many = compile((x: Tensor) => Array.from({ length: 17 }, (_, i) => add(oneGiB(x), i)), {
    device,
  });
  assertThrows(
    () => many(tensor([1])),
    OutOfMemoryError,
    "the wasm backend is out of memory: a program with its results needs 17.00 GiB, and 16.00 GiB " +
      "fit beside the 0 bytes in use (addresses of 64 bits reach 16.00 GiB); make the model, the " +
      "batch or the context smaller",
  );
  // Refused before anything of it was allocated, and nothing else is kept from running.
  const { bytes, keptBytes, addressBits } = device.statistics();
  assert(bytes < GIB && bytes - keptBytes < GIB, `${bytes} bytes, ${keptBytes} of them free`);
  assertEquals(addressBits, 32);
  assertEquals(evaluate(add(ones([3]), 1), device).shape, [3]);
});

Deno.test("memory: addresses have the width that what is planned needs, up to the limit", async () => {
  using device = wasm({ threads: 1, memory: 6 * GIB });
  assertEquals(device.statistics().mostBytes, 6 * GIB - 64);
  using program = compile((x: Tensor) => add(x, 1), { device });
  const x = evaluate(tensor([1]), device);
  assertEquals(await program(x).data(), new Float32Array([2]));
  const of = (count: number) => (x: Tensor) =>
    Array.from({ length: count }, (_, i) => add(broadcastTo(x, [2 ** 28]), i));
  const planned = (count: number) => compile(of(count), { device }).plan(tensor([1])).resultBytes;
  for (const [count, bits] of [[3, 32], [5, 64], [3, 64]] as const) {
    device.reserve?.(planned(count));
    assertEquals(device.statistics().addressBits, bits, `${count} GiB`);
  }
  assert(device.statistics().bytes < GIB);
  assertEquals(await program(x).data(), new Float32Array([2]));
  assertThrows(
    () => compile(of(6), { device })(tensor([1])),
    OutOfMemoryError,
    "a program with its results needs 6.00 GiB, and 6.00 GiB fit beside the ",
  );
  assertThrows(() => device.reserve?.(6 * GIB), OutOfMemoryError, "the training needs 6.00 GiB");
  using usual = wasm({ threads: 1 });
  assertEquals(usual.statistics().mostBytes, 16 * GIB - 65536 - 64);
  const { validate } = WebAssembly;
  try {
    // An engine without such memories.
    WebAssembly.validate = () => false;
    for (const memory of [6 * GIB, undefined]) {
      using narrow = wasm({ threads: 1, ...memory !== undefined && { memory } });
      assertEquals(narrow.statistics().mostBytes, 4 * GIB - 65536 - 64);
    }
  } finally {
    WebAssembly.validate = validate;
  }
  for (const memory of [2 ** 20 - 1, NaN]) {
    assertThrows(() => wasm({ memory }), RangeError, "memory is a number of bytes from 1 MiB, not");
  }
});

Deno.test("memory: programs and tensors go on when addresses have become wider", async () => {
  const inputs = evaluate([normal(key(1), [240, 130]), normal(key(2), [130, 67])]);
  const hosted = await Promise.all(
    inputs.map(async (x) => tensor(await x.data(), { shape: x.shape })),
  );
  using low = wasm({ threads: 1 });
  const expected = await bytesOn(low, work, hosted);
  using device = wasmOn(makeHeap(true, { widest: 64, most: 2 ** 26, narrow: 2 ** 24 }), 2);
  const [x, w] = hosted.map((input) => evaluate(input, device));
  assert(x !== undefined && w !== undefined);
  using program = compile(work, { device });
  using next = compile((x: Tensor) => add(x, 1), { device, donate: [0] });
  const bytes = async () =>
    await Promise.all(
      program(x, w).map(async (x) => new Uint8Array((await x.data()).buffer)),
    );
  const counter = next(evaluate(ones([5000]), device));
  assertEquals(await bytes(), expected);
  assertEquals(device.statistics().addressBits, 32);
  const large = evaluate(ones([2 ** 22 + 1]), device);
  assertEquals(device.statistics().addressBits, 64);
  const times = await device.profile(() => program(x, w));
  assert((times ?? []).length > 5);
  for (let attempt = 0; program.statistics()[0]?.threads !== 2; attempt++) {
    assert(attempt < 1000, "no worker has the new memory");
    program(x, w);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assertEquals(await bytes(), expected);
  assertEquals((await next(counter).data()).subarray(0, 2), new Float32Array([3, 3]));
  assertEquals((await slice(large, 0, 2 ** 22, 2 ** 22 + 1).data())[0], 1);
});

Deno.test("memory: a block is refused where there is room for it in pieces only", () => {
  const heap = makeHeap(false);
  const [first] = [heap.allocate(GIB), heap.allocate(2 * GIB)];
  heap.free(first);
  // One GiB before the second block, and somewhat less than one after it.
  assertThrows(
    () => heap.allocate(1.5 * GIB),
    OutOfMemoryError,
    "a block needs 1.50 GiB, and 1.00 GiB fit beside the 2.00 GiB in use (in one piece;",
  );
  assertEquals(heap.allocate(GIB), first);
  const last = heap.allocate(0.9 * GIB);
  assert(last + 0.9 * GIB <= 2 ** 32 - 65536, "the address after the last block has 32 bits");
  assertThrows(() => heap.allocate(0.1 * GIB), OutOfMemoryError, "fit beside the 3.90 GiB in use");
});

Deno.test("memory: more elements than a signed counter counts are refused, stored or not", () => {
  using device = wasm({ threads: 1 });
  const total = compile((x: Tensor) => sum(broadcastTo(x, [2 ** 16, 2 ** 15])), { device });
  // An operand that cannot be folded into a constant.
  assertThrows(
    () => total(tensor([[1]])),
    OutOfMemoryError,
    "counts up to 2^31 - 1 elements, and expand gives [65536, 32768]",
  );
});
