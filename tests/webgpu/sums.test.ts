/** Loops longer than a software adapter counts, and what long sums may be off by. */
import { assertEquals } from "@std/assert";
import {
  add,
  argmax,
  argsort,
  compile,
  matmul,
  max,
  sum,
  type Tensor,
  tensor,
  transposeLast,
} from "@unitune/core";
import fc from "fast-check";
import { arbitraryCount, checkWay, ways } from "../core/exact_sums.ts";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";
import { numbers, summed } from "./numbers.ts";
import { checkAttention, longContexts } from "./attended.ts";
import { checkContext, checkUpdates } from "./ranges.ts";

/** More rounds than a software adapter counts, which ends all loops after 65,535. */
const LONG = 70_001;

const exact = { value: 0, reason: "elements are compared and counted as they are" };

testOnWebGpu("sums in any order stay within their bounds", async (...devices) => {
  const cases = fc.record({
    count: arbitraryCount(LONG),
    width: fc.constantFrom(1, 3, 4, 33),
    seed: fc.integer(),
    order: fc.nat(),
  });
  for (const name of Object.keys(ways)) {
    for (const device of devices) {
      await fc.assert(
        fc.asyncProperty(cases, (sizes) => checkWay(device, name, sizes)),
        { numRuns: 2, seed: 13 },
      );
    }
  }
});

testOnWebGpu("sums of 2^21 terms stay within their bounds", async (device) => {
  // Of parts, each of several levels; 2^24 terms are among the slow tests.
  for (const name of ["along rows", "by scatterAdd", "by a product"]) {
    // Numbers of all sizes, and equal ones.
    for (const seed of [5, 6]) {
      await checkWay(device, name, { count: 2 ** 21, width: 1, seed, order: 1 });
    }
  }
});

testOnWebGpu("long axes are reduced to their ends", async (...devices) => {
  for (const [shape, axis] of [[[2, LONG], 1], [[LONG, 5], 0], [[LONG, 128], 0]] as const) {
    // The largest element is the last one.
    const [rows, columns] = shape;
    const data = Float32Array.from(
      { length: rows * columns },
      (_, i) => axis === 1 ? i % columns : Math.floor(i / columns),
    );
    await assertLikeReference(
      devices,
      ([x]) =>
        x === undefined ? [] : [max(x, { axes: [axis] }), argmax(x, axis), argmax(x, 1 - axis)],
      () => [tensor(data, { shape })],
      exact,
      `[${shape}] over ${axis}`,
    );
  }
});

testOnWebGpu("an axis of which a lane has more than it can count", async (...devices) => {
  // A scalar is shared by 64 lanes on a software adapter.
  const data = Float32Array.from({ length: 66_000 * 64 }, (_, i) => i % 1000);
  data[data.length - 1] = 1000;
  await assertLikeReference(
    devices,
    ([x]) => x === undefined ? [] : [argmax(x), max(x)],
    () => [tensor(data)],
    exact,
    "a long vector",
  );
});

testOnWebGpu("many updates find their rows, few rows and many", async (...devices) => {
  await checkUpdates(devices, LONG, [[3, 4], [3, 1], [250, 4]]);
  // More columns than lanes; as many updates of them as above are among the slow tests.
  await checkUpdates(devices, 1003, [[250, 260]]);
});

testOnWebGpu("long runs are sorted", async (device) => {
  const data = Float32Array.from({ length: LONG }, (_, i) => (i * 7919) % LONG);
  using run = compile((x: Tensor) => argsort(x), { device });
  const order = await run(tensor(data)).data();
  const sorted = Array.from(order, (i) => data[i]);
  assertEquals(sorted, Array.from({ length: LONG }, (_, i) => i));
});

testOnWebGpu("products of long matrices, with an epilogue", async (...devices) => {
  const epilogue = (x: Tensor, y: Tensor, z: Tensor) => [add(matmul(x, y), z)];
  for (const [rows, columns] of [[3, 5], [32, 32], [1, 40], [40, 1], [16, 33]] as const) {
    await assertLikeReference(
      devices,
      ([x, y, z]) => x === undefined || y === undefined || z === undefined ? [] : epilogue(x, y, z),
      () => [numbers([rows, LONG]), numbers([LONG, columns], 2), numbers([columns], 3)],
      summed(LONG),
      `[${rows}, ${LONG}] x [${LONG}, ${columns}]`,
    );
  }
});

testOnWebGpu(
  "a product that is computed in parts, the last of them shorter",
  async (...devices) => {
    // Beyond 2^18, terms are shared out over products.
    const depth = 2 ** 18 + 40;
    await assertLikeReference(
      devices,
      ([x, y]) => x === undefined || y === undefined ? [] : [matmul(x, y)],
      () => [numbers([5, depth]), numbers([depth, 6], 2)],
      summed(depth),
      `[5, ${depth}] x [${depth}, 6]`,
    );
  },
);

testOnWebGpu("long contexts are attended to, range by range", async (...devices) => {
  await checkContext(devices, 2100);
  for (const attended of longContexts) await checkAttention(devices, attended);
});

testOnWebGpu("sums and products of equal terms do not drift", async (...devices) => {
  const count = 60_000;
  const equal = (width: number) =>
    tensor(new Float32Array(count * width).fill(0.1), { shape: [count, width] });
  await assertLikeReference(
    devices,
    ([x]) => x === undefined ? [] : [sum(x, { axes: [0] })],
    () => [equal(512)],
    { value: 2 ** -14, reason: "levels of 64 of 64 terms, each off by half a unit at most" },
    `${count} times 0.1`,
  );
  await assertLikeReference(
    devices,
    ([x, y]) => x === undefined || y === undefined ? [] : [matmul(transposeLast(x), y)],
    () => [equal(16), tensor(new Float32Array(count * 16).fill(1), { shape: [count, 16] })],
    { value: 2 ** -12, reason: "slices of at most 2,048 terms, each off by half a unit at most" },
    `products of ${count} times 0.1`,
  );
});
