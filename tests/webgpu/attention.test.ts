/** Attention beyond the sizes of the table: several workgroups, tiles and blocks of rows. */
import { assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  apply,
  compile,
  concat,
  dims,
  graphOf,
  iota,
  key,
  less,
  mul,
  normal,
  reshape,
  type Shape,
  slice,
  sum,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
// Not public: what the kernels are made of.
import { type KernelContext, tunings } from "../../core/backends/webgpu/dispatch.ts";
import { emitKernel } from "../../core/backends/webgpu/kernels.ts";
import { lower } from "../../core/lowering/lower.ts";
import { packedAttention } from "../packed_attention.ts";
import { testOnWebGpu } from "./adapter.ts";
import { attend, type Attended, checkAttention, operandsOf, parametersOf } from "./attended.ts";
import { assertLikeReference } from "./compare.ts";

const tolerance = { value: 3e-5, reason: "sums of some hundred terms of size 1 in f32" };

/** Attention and its gradient for a cotangent that differs everywhere. */
function attended([x, g]: readonly Tensor[]): Tensor[] {
  if (x === undefined || g === undefined) return [];
  return [packedAttention(x), grad((y: Tensor) => sum(mul(packedAttention(y), g)))(x)];
}

// Rows that lanes and fours do not divide, more rows than a workgroup or a tile has, wide heads.
const shapes: readonly Shape[] = [
  [2, 37, 3, 3, 20],
  [1, 150, 3, 2, 8],
  [1, 70, 3, 1, 36],
  [1, 6, 3, 1, 66],
];

for (const shape of shapes) {
  testOnWebGpu(`attention of [${shape}] is the reference's`, async (...devices) => {
    await assertLikeReference(
      devices,
      attended,
      () => [normal(key(1), shape), normal(key(2), shape.toSpliced(2, 1))],
      tolerance,
      `[${shape}]`,
    );
  });
}

testOnWebGpu("scores far apart give no NaN", async (...devices) => {
  await assertLikeReference(
    devices,
    attended,
    () => [mul(normal(key(4), [1, 20, 3, 1, 4]), 30), normal(key(5), [1, 20, 1, 4])],
    { value: 1e-3, reason: "scores of size 1000, whose roundings of 6e-5 weights follow" },
    "far apart",
  );
});

const kinds: Readonly<Record<string, Attended>> = {
  "groups of 3 heads": { q: [2, 11, 9, 20], k: [2, 11, 3, 20] },
  "a group of all heads, and a start": {
    q: [1, 7, 4, 5],
    k: [1, 30, 1, 5],
    parameters: { start: 23 },
  },
  "a window of several tiles": {
    q: [1, 90, 4, 8],
    k: [1, 150, 2, 8],
    parameters: { window: 75, start: 11 },
  },
  "a window to both sides, and queries that see nothing": {
    q: [1, 75, 2, 8],
    k: [1, 60, 1, 8],
    parameters: { causal: false, window: 7, start: -9 },
  },
  "every key, and vectors of several slices": {
    q: [1, 9, 2, 68],
    k: [1, 7, 2, 68],
    parameters: { causal: false, softcap: 1.5 },
  },
  "one query each, at positions of their own": {
    q: [3, 1, 6, 12],
    k: [3, 300, 2, 12],
    parameters: { start: "operand" },
    starts: [0, 299, 123],
  },
  "positions as far out as integers go": {
    q: [4, 3, 2, 12],
    k: [4, 50, 1, 12],
    parameters: { start: "operand", window: 9 },
    starts: [-(2 ** 31), 2 ** 31 - 1, -1, 48],
  },
  "documents side by side": {
    q: [2, 80, 2, 8],
    k: [2, 80, 2, 8],
    parameters: { segments: true },
  },
  "everything at once": {
    q: [2, 70, 4, 12],
    k: [2, 90, 2, 12],
    parameters: {
      causal: false,
      window: 30,
      softcap: 2,
      scale: -0.8,
      start: "operand",
      segments: true,
    },
    starts: [3, 20],
  },
};

for (const [name, attended] of Object.entries(kinds)) {
  testOnWebGpu(`attention with ${name} is the reference's`, async (...devices) => {
    await checkAttention(devices, attended);
  });
}

testOnWebGpu("attention without queries, keys, heads or elements", async (...devices) => {
  for (
    const [q, k] of [
      [[1, 0, 2, 8], [1, 3, 1, 8]],
      [[1, 3, 2, 8], [1, 0, 1, 8]],
      [[0, 3, 2, 8], [0, 3, 1, 8]],
      [[1, 3, 0, 8], [1, 3, 0, 8]],
      [[1, 3, 2, 0], [1, 3, 1, 0]],
    ] as const
  ) await checkAttention(devices, { q, k });
});

testOnWebGpu("vectors are read and written wherever they stand", async (...devices) => {
  const width = 8;
  const attendParts = (offset: number) => ([x, g]: readonly Tensor[]): Tensor[] => {
    if (x === undefined || g === undefined) return [];
    const { B, T } = dims(x, "B T W");
    const part = (heads: number, first: number) =>
      reshape(slice(x, 2, first, first + heads * width), [B, T, heads, width]);
    const operands = [
      part(2, offset),
      part(1, offset + 2 * width),
      part(1, offset + 3 * width),
      g,
    ];
    const [y, ...gradients] = attend(parametersOf(), operands);
    const beside = gradients.map((part) => reshape(part, [B, T, dims(part, "B T H D").H * width]));
    return [y, concat([slice(x, 2, 0, offset), ...beside], 2)];
  };
  for (const offset of [0, 3, 4]) {
    await assertLikeReference(
      devices,
      attendParts(offset),
      () => [normal(key(1), [2, 9, offset + 4 * width]), normal(key(2), [2, 9, 2, width])],
      tolerance,
      `vectors from ${offset} on`,
    );
  }
});

testOnWebGpu("keys behind all queries are not read", async (...devices) => {
  for (const device of devices) {
    using program = compile(
      (q: Tensor, kv: Tensor, start: Tensor) =>
        apply("attention", [q, kv, kv, start], {
          ...parametersOf(),
          start: "operand",
        }),
      { device },
    );
    const [q, kv] = [normal(key(1), [2, 1, 2, 4]), normal(key(2), [2, 90, 1, 4])];
    const start = tensor([20, 66], { dtype: "i32" });
    const isLater = less(reshape(start, [2, 1, 1, 1]), iota([2, 90, 1, 4], 1, "i32"));
    const unwritten = where(isLater, NaN, kv);
    assertEquals(await program(q, unwritten, start).data(), await program(q, kv, start).data());
  }
});

Deno.test("a shader of attention binds 8 buffers at most, each of them once", () => {
  const attended: Attended = {
    q: [2, 3000, 2, 8],
    k: [2, 3000, 1, 8],
    parameters: { start: "operand", segments: true },
    starts: [0, 0],
  };
  const operands = operandsOf(attended);
  for (const tuning of Object.values(tunings)) {
    const parameters = parametersOf(attended.parameters);
    const { buffers, kernels } = lower(
      graphOf((...operands: Tensor[]) => attend(parameters, operands), operands),
    );
    const all = [...buffers];
    // Every buffer has a storage of its own.
    const context: KernelContext = {
      buffers: all,
      tuning,
      features: { found: new Set(), headers: new Map() },
      precision: "f32",
      bindings: 8,
      storageOf: (buffer) => `output ${buffer}`,
      placeOf: (buffer) => ({ kind: "allocated", index: buffer }),
      pageBytes: Infinity,
      bindsWhole: false,
      scratch: (dtype, size) => all.push({ dtype, size, role: { kind: "temporary" } }) - 1,
      holdScratch: () => () => {},
      isApart: false,
    };
    const dispatches = kernels.flatMap((kernel) => emitKernel(kernel, context));
    const most = dispatches.reduce((most, { bindings }) => Math.max(most, bindings.length), 0);
    assertEquals(most, 8);
  }
});
