/** Memory in pages and tensors in pieces, where an adapter's buffers and bindings are small. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  add,
  attention,
  cast,
  compile,
  gather,
  leavesOf,
  matmul,
  mul,
  relu,
  slice,
  sqrt,
  sum,
  type Tensor,
  tensor,
  transposeLast,
  webgpu,
} from "@unitune/core";
// Not public: the error of a program that is too large, and the limits of a device.
import { WebGpuLimitError } from "../../core/backends/webgpu/errors.ts";
import { limitsWithin } from "../../core/backends/webgpu/limits.ts";
import { cases } from "../core/primitives_table.ts";
import { testOnWebGpu } from "./adapter.ts";
import { numbers } from "./numbers.ts";
import { bitsOn, piecesOf, watched } from "./pieces.ts";
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

/** Two documents in each sequence, at a place of its own. */
function segmentsOf(batch: number, length: number): Tensor {
  const ids = Int32Array.from(
    { length: batch * length },
    (_, i) => i % length < 1 + Math.floor(i / length) ? 0 : 1,
  );
  return tensor(ids, { shape: [batch, length], dtype: "i32" });
}

testOnWebGpu("kernels over many pieces are cut, and have the same bits", async (...ample) => {
  const limits = piecesOf(256);
  using software = await webgpu({ limits });
  using hardware = await webgpu({ limits, tuning: "hardware" });
  for (const [name, [inputs, f]] of Object.entries(cut)) {
    // Maps are the same for both.
    const devices = name.startsWith("a map") ? [software] : [software, hardware];
    for (const [i, small] of devices.entries()) {
      const large = ample[i];
      assert(large !== undefined);
      const expected = await bitsOn(large, f, inputs);
      const most = await watched(async () => {
        assertEquals(await bitsOn(small, f, inputs), expected, `${name}, device ${i}`);
      });
      assert(most.bindings <= 8 && most.bytes <= 1024, `${name}: ${JSON.stringify(most)}`);
    }
  }
});

testOnWebGpu(
  "what cannot be cut is refused with its name, before anything is allocated",
  async () => {
    using small = await webgpu({ limits: piecesOf(64) });
    const rows = (x: Tensor, ids: Tensor) => gather(x, ids);
    using program = compile(rows, { device: small });
    const ids = tensor([3, 1], { dtype: "i32" });
    // With the ids and the result, six pieces of the table make eight.
    assertEquals((await program(numbers([48, 8]), ids).data()).length, 16);
    const before = small.statistics();
    assertThrows(
      () => program(numbers([49, 8]), ids),
      WebGpuLimitError,
      "kernel gather [2, 8] needs 9 buffers, and the WebGPU adapter allows 8: " +
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
