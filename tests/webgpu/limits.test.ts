/** Memory in pages and tensors in pieces, where an adapter's buffers and bindings are small. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  add,
  argsort,
  attention,
  cast,
  compile,
  dynamicSlice,
  dynamicUpdate,
  gather,
  leavesOf,
  matmul,
  mul,
  relu,
  reshape,
  scatterAdd,
  slice,
  sqrt,
  sum,
  type Tensor,
  tensor,
  transposeLast,
  webgpu,
  type WebGpuDevice,
} from "@unitune/core";
// Not public: the error of a program that is too large, and the limits of a device.
import { WebGpuLimitError } from "../../core/backends/webgpu/errors.ts";
import { limitsWithin } from "../../core/backends/webgpu/limits.ts";
import { wrongParts } from "../core/parts.ts";
import { cases } from "../core/primitives_table.ts";
import { testOnWebGpu } from "./adapter.ts";
import { bitsOn } from "./compare.ts";
import { numbers } from "./numbers.ts";
import { piecesOf, watched } from "./pieces.ts";
import { train } from "./training.ts";

/** Primitives with kernels of their own; elementwise ones are all of a kind. */
const primitives = [
  ...["sum", "reduceMax", "argmax", "argsort", "matmul", "transpose", "concat", "randomBits"],
  ...["gather", "scatterAdd", "dynamicSlice", "dynamicUpdate"],
];

testOnWebGpu("primitives have the same bits on tensors in pieces", async (ample) => {
  const { maxStorageBuffersPerShaderStage: _, ...sizes } = piecesOf(64);
  using small = await webgpu({ limits: sizes });
  for (const [primitive, list] of Object.entries(cases)) {
    if (!primitives.includes(primitive)) continue;
    for (const entry of list) {
      const f = (inputs: readonly Tensor[]) => [entry.apply(inputs)];
      const inputs = entry.build("f32");
      const expected = await bitsOn(ample, f, inputs);
      assertEquals(await bitsOn(small, f, inputs), expected, `${primitive} ${entry.name}`);
    }
  }
});

testOnWebGpu("a part of a tensor is read as the whole has it, in pieces or not", async (ample) => {
  using small = await webgpu({ limits: piecesOf(64) });
  for (const device of [ample, small]) assertEquals(await wrongParts(device), []);
});

type Named = Readonly<
  Record<string, readonly [readonly Tensor[], (inputs: readonly Tensor[]) => readonly Tensor[]]>
>;

function the(inputs: readonly Tensor[], index: number): Tensor {
  const input = inputs[index];
  assert(input !== undefined);
  return input;
}

const product = (inputs: readonly Tensor[]) => inputs.reduce((a, b) => mul(a, b));

/** Elements of 16 bits. */
function stored(shape: readonly [number, number], seed: number): Tensor {
  const elements = Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i * seed));
  return tensor(elements, { shape, dtype: "bf16" });
}

/** Kernels over more pieces than a shader binds. */
const cut: Named = {
  "a map": [
    [1, 2, 3, 4].map((seed) => numbers([40, 33], seed)),
    (inputs) => [product(inputs), sqrt(mul(the(inputs, 0), the(inputs, 0)))],
  ],
  "a map of which a row is in several pieces": [
    [1, 2, 3, 4, 5].map((seed) => numbers([3, 700], seed)),
    (inputs) => [product(inputs)],
  ],
  "a map that reads a matrix and its transpose": [
    [numbers([40, 40]), numbers([40, 40], 2)],
    (inputs) => [add(mul(the(inputs, 0), transposeLast(the(inputs, 0))), the(inputs, 1))],
  ],
  "a map of elements of 16 bits": [
    [1, 2, 3, 4].map((seed) => stored([40, 33], seed)),
    (inputs) => [cast(product(inputs.map((x) => cast(x, "f32"))), "bf16")],
  ],
  "a product of elements of 16 bits": [
    [numbers([120, 24]), stored([24, 13], 2)],
    (inputs) => [cast(matmul(the(inputs, 0), cast(the(inputs, 1), "f32")), "bf16")],
  ],
  "sums of rows": [
    [1, 2, 3].map((seed) => numbers([40, 33], seed)),
    (inputs) => [sum(product(inputs), { axes: [1] })],
  ],
  "sums of columns for each of some matrices": [
    [1, 2, 3].map((seed) => numbers([12, 16, 12], seed)),
    (inputs) => [sum(product(inputs), { axes: [1] })],
  ],
  "a product with an epilogue": [
    [numbers([150, 16]), numbers([16, 16], 2), numbers([150, 16], 3)],
    (inputs) => [relu(add(matmul(the(inputs, 0), the(inputs, 1)), the(inputs, 2)))],
  ],
  "a large product": [
    [numbers([128, 96]), numbers([96, 8], 2), numbers([128, 8], 3)],
    (inputs) => [add(matmul(the(inputs, 0), the(inputs, 1)), the(inputs, 2))],
  ],
  "products of some matrices": [
    [numbers([10, 12, 33]), numbers([10, 33, 5], 2)],
    (inputs) => [matmul(the(inputs, 0), the(inputs, 1))],
  ],
  // Nineteen pieces, of which the slice is in four.
  "a product with a slice of a larger matrix": [
    [numbers([4, 16]), numbers([300, 16], 2)],
    (inputs) => [matmul(the(inputs, 0), transposeLast(slice(the(inputs, 1), 0, 100, 160)))],
  ],
  "a skinny product": [
    [numbers([160, 12]), numbers([12, 7], 2)],
    (inputs) => [matmul(the(inputs, 0), the(inputs, 1))],
  ],
  "attention": [
    [1, 2, 3].map((seed) => numbers([5, 8, 2, 8], seed)),
    ([q, k, v]) => {
      assert(q !== undefined && k !== undefined && v !== undefined);
      return [attention(q, k, v, { causal: true, segments: segmentsOf(5, 8) })];
    },
  ],
};

/** Kernels of which elements decide on the places that they touch. */
const apart: Named = {
  "rows of a table": [
    [numbers([300, 8]), tensor([3, 299, -1, 300, ...placesIn(300, 60)], { dtype: "i32" })],
    (inputs) => [gather(the(inputs, 0), the(inputs, 1))],
  ],
  "odd rows of 16 bits": [
    [stored([900, 5], 1), tensor(placesIn(901, 400), { dtype: "i32" })],
    (inputs) => [gather(the(inputs, 0), the(inputs, 1))],
  ],
  "the gradient of a table": [
    [tensor(placesIn(300, 230), { dtype: "i32" }), numbers([230, 8], 2), numbers([300, 8])],
    (inputs) => {
      const [ids, updates, table] = [the(inputs, 0), the(inputs, 1), the(inputs, 2)];
      return [
        scatterAdd(ids, updates, 300),
        scatterAdd(ids, updates, table),
        // Written over the product of the table, which nothing else reads.
        scatterAdd(ids, updates, scatterAdd(ids, mul(updates, 2), table)),
      ];
    },
  ],
  "the gradient of a table of odd rows, none of them used": [
    [tensor([], { dtype: "i32", shape: [0] }), tensor([], { shape: [0, 7] })],
    (inputs) => [scatterAdd(the(inputs, 0), the(inputs, 1), 300)],
  ],
  "orders of long runs": [
    [tensor(placesIn(50, 2100), { shape: [3, 700] })],
    (inputs) => [argsort(the(inputs, 0))],
  ],
  "orders of short runs": [
    [numbers([60, 40])],
    (inputs) => [argsort(the(inputs, 0))],
  ],
  "a window, and what it is written over": [
    [numbers([500, 5]), tensor([77], { dtype: "i32" }), numbers([300, 5], 2)],
    ([x, start, update]) => {
      assert(x !== undefined && start !== undefined && update !== undefined);
      const first = reshape(start, []);
      return [dynamicSlice(x, 0, first, 400), dynamicUpdate(x, 0, first, update)];
    },
  ],
};

/** Products of operands in many pieces, whose blocks are few. */
const inBlocks: Named = {
  "a product with a matrix of long rows": [
    [numbers([9, 8]), numbers([8, 900], 2)],
    (inputs) => [matmul(the(inputs, 0), the(inputs, 1))],
  ],
  "a row times a matrix of long rows": [
    [numbers([1, 8]), numbers([8, 900], 2)],
    (inputs) => [matmul(the(inputs, 0), the(inputs, 1))],
  ],
  "a product with a matrix of long columns, and its epilogue": [
    [numbers([9, 8]), numbers([900, 8], 2), numbers([900], 3)],
    (inputs) => [
      relu(add(matmul(the(inputs, 0), transposeLast(the(inputs, 1))), the(inputs, 2))),
    ],
  ],
};

/** Numbers below a bound, some of them several times. */
function placesIn(bound: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i * i * 31 % bound);
}

/** Two documents in each sequence, at a place of its own. */
function segmentsOf(batch: number, length: number): Tensor {
  const ids = Int32Array.from(
    { length: batch * length },
    (_, i) => i % length < 1 + Math.floor(i / length) ? 0 : 1,
  );
  return tensor(ids, { shape: [batch, length], dtype: "i32" });
}

/** Asserts that functions have the same bits on devices with pieces of some elements. */
async function assertSameInPieces(
  ample: readonly WebGpuDevice[],
  elements: number,
  functions: Named,
): Promise<void> {
  const limits = piecesOf(elements);
  using software = await webgpu({ limits });
  using hardware = await webgpu({ limits, tuning: "hardware" });
  for (const [name, [inputs, f]] of Object.entries(functions)) {
    for (const [i, large] of ample.entries()) {
      // Maps are the same for both.
      if (i > 0 && name.startsWith("a map")) continue;
      const small = i === 0 ? software : hardware;
      const expected = await bitsOn(large, f, inputs);
      const most = await watched(async () => {
        assertEquals(await bitsOn(small, f, inputs), expected, `${name}, device ${i}`);
      });
      const isWithin = most.bindings <= 8 && most.bytes <= 4 * elements;
      assert(isWithin, `${name}: ${JSON.stringify(most)}`);
    }
  }
}

testOnWebGpu("kernels over many pieces are cut, and have the same bits", async (...ample) => {
  await assertSameInPieces(ample, 256, cut);
});

testOnWebGpu(
  "kernels are taken apart where elements decide, and have the same bits",
  async (ample) => {
    await assertSameInPieces([ample], 256, apart);
  },
);

testOnWebGpu("products are computed in blocks, and have the same bits", async (...ample) => {
  await assertSameInPieces(ample, 1024, inBlocks);
});

testOnWebGpu(
  "what cannot be cut is refused with its name, before anything is allocated",
  async () => {
    using small = await webgpu({ limits: piecesOf(64) });
    const columns = (x: Tensor) => sum(x, { axes: [0] });
    using program = compile(columns, { device: small });
    // With the result, seven pieces make eight; and every sum has terms in each of them.
    assertEquals((await program(numbers([56, 8])).data()).length, 8);
    const before = small.statistics();
    assertThrows(
      () => program(numbers([57, 8])),
      WebGpuLimitError,
      "kernel sum [8] over [57] needs 9 buffers, and the WebGPU adapter allows 8: " +
        "use smaller batches, or the wasm device",
    );
    assertEquals(small.statistics(), before);
  },
);

testOnWebGpu("steps of training have the same bits in pieces", async (ample) => {
  using small = await webgpu({ limits: piecesOf(512) });
  const config = { vocabulary: 40, context: 8, layers: 1, heads: 2, width: 16, dropout: 0 };
  const sizes = { sizes: config, rows: 3 };
  const expected = await train(ample, 2, sizes);
  const most = await watched(async () => {
    const actual = await train(small, 2, sizes);
    assertEquals(actual.losses, expected.losses);
    const elements = (params: object) => Promise.all(leavesOf(params).map((leaf) => leaf.data()));
    assertEquals(await elements(actual.params), await elements(expected.params));
  });
  assertEquals(most, { bytes: 2048, bindings: 8 });
});

Deno.test("limits are integers, as low as memory can be", () => {
  const adapter = {
    maxBufferSize: 1000,
    maxStorageBufferBindingSize: 900,
    maxStorageBuffersPerShaderStage: 10,
    maxComputeWorkgroupsPerDimension: 100,
  };
  assertEquals(limitsWithin(adapter), adapter);
  assertEquals(limitsWithin(adapter, { maxBufferSize: 256, maxStorageBuffersPerShaderStage: 11 }), {
    ...adapter,
    maxBufferSize: 256,
  });
  for (const name of ["maxBufferSize", "maxStorageBufferBindingSize"] as const) {
    assertThrows(() => limitsWithin(adapter, { [name]: 255 }), RangeError, `${name} is 255`);
    assertEquals(limitsWithin(adapter, { [name]: 256 })[name], 256);
  }
  const counts = ["maxStorageBuffersPerShaderStage", "maxComputeWorkgroupsPerDimension"] as const;
  for (const name of counts) {
    assertThrows(
      () => limitsWithin(adapter, { [name]: 0 }),
      RangeError,
      "an integer of at least 1",
    );
    assertThrows(() => limitsWithin(adapter, { [name]: 1.5 }), RangeError, `${name} is 1.5`);
    assertEquals(limitsWithin(adapter, { [name]: 1 })[name], 1);
  }
});
