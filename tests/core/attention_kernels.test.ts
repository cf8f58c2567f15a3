/** Kernels of attention on wasm beyond what its operation asks for: any sizes, starts and views. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  applyAll,
  compile,
  type Device,
  dims,
  evaluate,
  key,
  normal,
  reference,
  reshape,
  type Shape,
  sizeOf,
  slice,
  type Tensor,
  tensor,
  transpose,
  wasm,
  type WasmDevice,
} from "@unitune/core";
import type { AttentionParameters } from "../../core/attention.ts";
import { makeHeap } from "../../core/backends/wasm/heap.ts";
import { wasmOn } from "../../core/backends/wasm/wasm.ts";

/** Attention of any kind; what it draws its numbers from is a seed. */
interface Attended {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly keyHeads: number;
  readonly group: number;
  readonly width: number;
  readonly parameters: AttentionParameters;
  /** The first positions and the segments, as far as the parameters ask for them. */
  readonly starts: readonly number[];
  readonly ofQueries: readonly number[];
  readonly ofKeys: readonly number[];
}

const plain: AttentionParameters = {
  scale: 0.3,
  softcap: null,
  causal: true,
  window: null,
  start: 0,
  segments: false,
};

/** Numbers of a list, repeated as often as there is room. */
function cycled(numbers: readonly number[], shape: Shape): Tensor {
  const elements = Array.from(
    { length: sizeOf(shape) },
    (_, i) => numbers[i % numbers.length] ?? 0,
  );
  return tensor(elements, { shape, dtype: "i32" });
}

/** The operands of the gradient: queries, keys, values, cotangent, then those of the mask. */
async function operandsOf(attended: Attended): Promise<Tensor[]> {
  const { batch, queries, keys, keyHeads, group, width, parameters } = attended;
  const [ofQueries, ofKeys] = [
    [batch, queries, keyHeads * group, width],
    [batch, keys, keyHeads, width],
  ];
  const floats = [ofQueries, ofKeys, ofKeys, ofQueries].map(async (shape, i) =>
    tensor(await evaluate(normal(key(i), shape)).data(), { shape })
  );
  return [
    ...await Promise.all(floats),
    ...(parameters.start === "operand" ? [cycled(attended.starts, [batch])] : []),
    ...(parameters.segments
      ? [cycled(attended.ofQueries, [batch, queries]), cycled(attended.ofKeys, [batch, keys])]
      : []),
  ];
}

/** The value of attention and its three gradients. */
function kernels(parameters: AttentionParameters): (...operands: Tensor[]) => Tensor[] {
  return (...operands) => [
    ...applyAll("attention", operands.toSpliced(3, 1), parameters),
    ...applyAll("attentionGradient", operands, parameters),
  ];
}

/** A device whose memory holds NaN, as that of results and scratch may after other programs. */
function usedDevice(): WasmDevice {
  const heap = makeHeap(false);
  const bytes = 2 ** 24;
  const address = heap.allocate(bytes);
  new Uint8Array(heap.memory.buffer, address, bytes).fill(255);
  heap.free(address);
  return wasmOn(heap, 1);
}

/** The results of a function on a device. */
async function resultsOn(
  device: Device,
  f: (...operands: Tensor[]) => Tensor[],
  operands: readonly Tensor[],
): Promise<Float32Array[]> {
  using program = compile(f, { device });
  return await Promise.all(
    program(...operands).map(async (x) => Float32Array.from(await x.data())),
  );
}

/** Some hundred terms of size 1 in f32, half a unit of 6e-8 lost at each. */
const TOLERANCE = 3e-5;

/** Fails unless all elements are near, and no number where there should be none. */
function assertNear(actual: readonly Float32Array[], expected: readonly Float32Array[]): void {
  assertEquals(actual.map((x) => x.length), expected.map((x) => x.length));
  expected.forEach((right, result) =>
    right.forEach((y, i) => {
      const x = actual[result]?.[i] ?? Infinity;
      assert(
        Object.is(x, y) || Math.abs(x - y) <= TOLERANCE * Math.max(1, Math.abs(y)),
        `element ${i} of result ${result} is ${x}, not ${y}`,
      );
    })
  );
}

async function assertLikeReference(attended: Attended): Promise<void> {
  const operands = await operandsOf(attended);
  const f = kernels(attended.parameters);
  using device = usedDevice();
  assertNear(await resultsOn(device, f, operands), await resultsOn(reference(), f, operands));
}

/** Attention whose mask has no operands. */
function sized(
  [batch, queries, keys]: readonly [number, number, number],
  [keyHeads, group, width]: readonly [number, number, number],
  parameters: Partial<AttentionParameters> = {},
): Attended {
  return {
    ...{ batch, queries, keys, keyHeads, group, width },
    parameters: { ...plain, ...parameters },
    starts: [0],
    ofQueries: [0],
    ofKeys: [0],
  };
}

const cases: Readonly<Record<string, Attended>> = {
  "9 heads on 3, blocks and a rest": sized([1, 199, 199], [3, 3, 5]),
  "4 heads on 1, more keys than queries": sized([2, 97, 150], [1, 4, 20], { start: 53 }),
  "more queries than keys": sized([1, 130, 41], [2, 1, 64]),
  "products wider than a slice": sized([1, 20, 33], [1, 2, 600]),
  "sums longer than a run": sized([1, 3, 700], [1, 1, 7], { start: 690 }),
  "all keys": sized([2, 101, 77], [2, 2, 12], { causal: false }),
  "a window on both sides": sized([1, 201, 210], [1, 2, 9], { causal: false, window: 13 }),
  "a window of one": sized([1, 100, 100], [1, 1, 4], { window: 1 }),
  "a window beyond all keys": sized([1, 100, 100], [1, 1, 4], { window: 2 ** 40 }),
  "a start before all keys": sized([1, 120, 30], [1, 1, 3], { start: -100 }),
  "a start behind all keys": sized([1, 120, 30], [1, 1, 3], { start: 2 ** 40, window: 2 ** 41 }),
  "a start behind the window": sized([1, 10, 30], [1, 1, 3], { start: 99, window: 70 }),
  "no keys": sized([2, 5, 0], [1, 2, 3]),
  "no queries": sized([2, 0, 5], [1, 2, 3]),
  "no heads of queries": sized([2, 3, 5], [2, 0, 3]),
  "no sequences": sized([0, 3, 5], [2, 1, 3]),
  "no elements": sized([1, 3, 5], [2, 1, 0]),
  "a scale of 0": sized([1, 7, 7], [1, 1, 3], { scale: 0 }),
  "a scale below the smallest number": sized([1, 7, 7], [1, 1, 3], { scale: 1e-300 }),
  "a negative scale and bounded scores": sized([1, 99, 99], [1, 2, 6], {
    scale: -0.8,
    softcap: 0.9,
  }),
};

for (const [name, attended] of Object.entries(cases)) {
  Deno.test(`attention of ${name} on wasm is the reference's`, () => assertLikeReference(attended));
}

const integer = (min: number, max: number) => fc.integer({ min, max });
const someInteger = (min: number, max: number) =>
  fc.array(integer(min, max), { minLength: 1, maxLength: 9 });

const anyAttention: fc.Arbitrary<Attended> = fc.record({
  batch: integer(1, 3),
  queries: fc.oneof(integer(1, 9), integer(90, 210)),
  keys: fc.oneof(integer(1, 9), integer(90, 210)),
  keyHeads: integer(1, 2),
  group: integer(1, 3),
  width: integer(1, 21),
  parameters: fc.record({
    scale: fc.double({ min: -1, max: 1, noNaN: true }),
    softcap: fc.option(fc.double({ min: 0.5, max: 20, noNaN: true })),
    causal: fc.boolean(),
    window: fc.option(integer(1, 250)),
    start: fc.oneof(fc.constant("operand" as const), integer(-250, 450)),
    segments: fc.boolean(),
  }),
  starts: fc.array(
    fc.oneof(integer(-250, 450), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1)),
    { minLength: 3, maxLength: 3 },
  ),
  ofQueries: someInteger(-1, 2),
  ofKeys: someInteger(-1, 2),
});

Deno.test("attention with any mask and any sizes on wasm is the reference's", async () => {
  await fc.assert(fc.asyncProperty(anyAttention, assertLikeReference), { numRuns: 60 });
});

/** Which vectors of the operands are no numbers. */
interface Poison {
  /** Whether queries, keys, values and cotangents have such vectors. */
  readonly operands: readonly boolean[];
  /** At which position, from the first to the last. */
  readonly place: number;
}

const anyPoison: fc.Arbitrary<Poison> = fc.record({
  operands: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  place: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

/** Operands of which some have such vectors, at one position of each sequence. */
async function poisoned(
  operands: readonly Tensor[],
  { operands: isPoisoned, place }: Poison,
): Promise<Tensor[]> {
  return await Promise.all(operands.map(async (x, operand) => {
    if (isPoisoned[operand] !== true) return x;
    const { T, H, D } = dims(x, "B T H D");
    const position = Math.floor(place * T);
    const elements = Float32Array.from(
      await x.data(),
      (y, i) => Math.floor(i / (H * D)) % T === position ? NaN : y,
    );
    return tensor(elements, { shape: x.shape });
  }));
}

Deno.test("what a query does not see has no part in its results, be it no number", async () => {
  await fc.assert(
    fc.asyncProperty(anyAttention, anyPoison, async (attended, poison) => {
      const operands = await poisoned(await operandsOf(attended), poison);
      using device = usedDevice();
      const f = kernels(attended.parameters);
      assertNear(await resultsOn(device, f, operands), await resultsOn(reference(), f, operands));
    }),
    { numRuns: 60 },
  );
});

const shared: Readonly<Record<string, Attended>> = {
  "few heads of several blocks": sized([1, 700, 700], [1, 2, 8]),
  "queries one by one": sized([2, 2, 900], [3, 2, 16], { start: 890 }),
  "segments in blocks and a rest": {
    ...sized([3, 230, 230], [2, 1, 8], { segments: true, window: 77 }),
    ofQueries: [0, 0, 1, -1, 1],
    ofKeys: [0, 1, 1, 0, -1, 0, 1],
  },
};

for (const [name, attended] of Object.entries(shared)) {
  Deno.test(`attention of ${name} gives the same bits on one, two and three threads`, async () => {
    const operands = await operandsOf(attended);
    const results: Float32Array[][] = [];
    for (const threads of [1, 2, 3]) {
      using device = wasm({ threads });
      using program = compile(kernels(attended.parameters), { device });
      program(...operands);
      // Workers take part once they are up.
      for (let wait = 0; program.statistics()[0]?.threads !== threads; wait++) {
        assert(wait < 1000, `the program does not come to run on ${threads} threads`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      results.push(
        await Promise.all(program(...operands).map(async (x) => Float32Array.from(await x.data()))),
      );
    }
    assertEquals(results[1], results[0]);
    assertEquals(results[2], results[0]);
  });
}

Deno.test("keys and values may be views of a cache whose heads come before its columns", async () => {
  const shapes = [[2, 3, 2, 8], [2, 40, 3, 2, 8], [2, 3, 2, 8], [2]];
  const [q, cache, g, start] = await Promise.all(
    shapes.map(async (shape, i) =>
      shape.length === 1
        ? tensor([5, 37], { dtype: "i32" })
        : tensor(await evaluate(normal(key(i), shape)).data(), { shape })
    ),
  );
  assert(q && cache && g && start);
  // [B, S, 3, H, D] as [3, B, H, S, D].
  const ordered = evaluate(transpose(cache, [2, 0, 3, 1, 4]));
  const parameters: AttentionParameters = { ...plain, start: "operand" };
  const part = (x: Tensor, i: number) => reshape(slice(x, 0, i, i + 1), x.shape.slice(1));
  const ofOrdered = (q: Tensor, x: Tensor, g: Tensor, start: Tensor) => {
    const [k, v] = [1, 2].map((i) => transpose(part(x, i), [0, 2, 1, 3]));
    return k && v ? kernels(parameters)(q, k, v, g, start) : [];
  };
  const ofCache = (q: Tensor, x: Tensor, g: Tensor, start: Tensor) => {
    const [k, v] = [1, 2].map((i) => part(transpose(x, [2, 0, 1, 3, 4]), i));
    return k && v ? kernels(parameters)(q, k, v, g, start) : [];
  };
  const hosted = tensor(await ordered.data(), { shape: ordered.shape });
  using device = usedDevice();
  const expected = await resultsOn(reference(), ofCache, [q, cache, g, start]);
  assertNear(await resultsOn(device, ofOrdered, [q, hosted, g, start]), expected);
  assertNear(await resultsOn(device, ofCache, [q, cache, g, start]), expected);
});
