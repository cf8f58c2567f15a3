/** Kernels at sizes that take all their paths: tiles, splits, edges, strides, many buffers. */
import { assertEquals } from "@std/assert";
import {
  add,
  argmax,
  argsort,
  type Device,
  dynamicUpdate,
  equal,
  evaluate,
  gather,
  graphOf,
  matmul,
  max,
  maximum,
  mul,
  reshape,
  scatterAdd,
  slice,
  sum,
  type Tensor,
  tensor,
  transposeLast,
} from "@unitune/core";
import fc from "fast-check";
// Not public: what the kernels are made of.
import { lower } from "../../core/lowering/lower.ts";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";
import { numbers, summed } from "./numbers.ts";
import { checkReductions } from "./reductions.ts";

const exact = { value: 0, reason: "elements are moved, compared or counted as they are" };
function tensorOf(tensors: readonly Tensor[], index: number): Tensor {
  const found = tensors[index];
  if (found === undefined) throw new RangeError(`there is no tensor ${index}`);
  return found;
}

/** A product of two operands, each stored as it is or transposed. */
async function checkMatmul(
  devices: readonly Device[],
  [batch, rows, depth, columns]: readonly [number, number, number, number],
  [left, right]: readonly [boolean, boolean],
): Promise<void> {
  await assertLikeReference(
    devices,
    (inputs) => {
      const [a, b] = [tensorOf(inputs, 0), tensorOf(inputs, 1)];
      return [matmul(left ? transposeLast(a) : a, right ? transposeLast(b) : b)];
    },
    () => [
      numbers(left ? [batch, depth, rows] : [batch, rows, depth]),
      numbers(right ? [batch, columns, depth] : [batch, depth, columns], 2),
    ],
    summed(depth),
    `matmul ${[batch, rows, depth, columns]}, transposed ${[left, right]}`,
  );
}

testOnWebGpu("matrices of any shape and strides are multiplied", async (...devices) => {
  const size = fc.integer({ min: 1, max: 40 });
  const four = fc.integer({ min: 1, max: 10 }).map((n) => 4 * n);
  const side = fc.oneof(size, four);
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(fc.integer({ min: 1, max: 3 }), side, side, side),
      fc.tuple(fc.boolean(), fc.boolean()),
      (sizes, transposed) => checkMatmul(devices, sizes, transposed),
    ),
    { numRuns: 24, seed: 4 },
  );
});

testOnWebGpu("large, skinny and deep products take their own paths", async (...devices) => {
  for (const transposed of [[false, false], [true, false], [false, true], [true, true]] as const) {
    await checkMatmul(devices, [1, 132, 264, 136], transposed);
    await checkMatmul(devices, [1, 72, 520, 68], transposed);
    await checkMatmul(devices, [1, 1, 300, 132], transposed);
  }
  await checkMatmul(devices, [1, 130, 266, 133], [false, false]);
  await checkMatmul(devices, [2, 3, 1030, 7], [false, true]);
  await checkMatmul(devices, [20, 256, 8, 256], [false, false]);
});

testOnWebGpu("a matrix is multiplied by its own transpose and by slices", async (...devices) => {
  await assertLikeReference(
    devices,
    (inputs) => {
      const x = tensorOf(inputs, 0);
      return [
        matmul(x, transposeLast(x)),
        matmul(slice(x, 0, 4, 12), slice(transposeLast(x), 1, 3, 10)),
      ];
    },
    () => [numbers([24, 36])],
    summed(36),
    "x x^T",
  );
});

testOnWebGpu("reductions over any axes", async (...devices) => {
  await checkReductions(devices);
});

testOnWebGpu("NaN and infinities go through maxima, comparisons and sums", async (...devices) => {
  const odd = [NaN, 1, -Infinity, Infinity, -0, 2, NaN, -1];
  await assertLikeReference(
    devices,
    (inputs) => {
      const x = tensorOf(inputs, 0);
      const rows = reshape(x, [2, 4]);
      return [
        max(rows, { axes: [1] }),
        argmax(rows, 1),
        maximum(x, 0),
        sum(rows, { axes: [1] }),
        equal(x, x),
        argmax(reshape(x, [4, 2]), 0),
      ];
    },
    () => [tensor(odd)],
    exact,
    "odd numbers",
  );
});

testOnWebGpu("rows are gathered and added up at any width", async (...devices) => {
  for (const [rows, count, width] of [[7, 40, 1], [65, 300, 12], [5, 9, 33]] as const) {
    const ids = Array.from({ length: count }, (_, i) => (i * 7) % (rows + 2) - 1);
    await assertLikeReference(
      devices,
      (inputs) => {
        const [table, updates, ids] = [0, 1, 2].map((index) => tensorOf(inputs, index));
        if (table === undefined || updates === undefined || ids === undefined) return [];
        return [
          gather(table, ids),
          scatterAdd(ids, updates, rows),
          scatterAdd(ids, updates, table),
          scatterAdd(ids, updates, scatterAdd(ids, updates, table)),
        ];
      },
      () => [numbers([rows, width]), numbers([count, width]), tensor(ids, { dtype: "i32" })],
      summed(count),
      `${count} ids of ${rows}`,
    );
  }
});

testOnWebGpu("many rows look for their ids together", async (...devices) => {
  const [rows, count] = [4096, 4096];
  const ids = Int32Array.from({ length: count }, (_, i) => (i * i) % 5000);
  await assertLikeReference(
    devices.slice(1),
    ([ids, updates]) =>
      ids === undefined || updates === undefined
        ? []
        : [scatterAdd(ids, updates, rows), scatterAdd(ids, updates, updates)],
    () => [tensor(ids, { dtype: "i32" }), numbers([count, 4])],
    summed(100),
    "scatterAdd",
  );
});

testOnWebGpu("sorting is stable, -0 is 0 and NaN comes last", async (device) => {
  const order = argsort(tensor([3, -0, NaN, 0, -5, Infinity, 0, -0, -Infinity, NaN]));
  evaluate(order, device);
  assertEquals([...await order.data()], [8, 4, 1, 3, 6, 7, 0, 5, 2, 9]);
});

testOnWebGpu("a map over more buffers than a shader can bind", async (...devices) => {
  const inputs = Array.from({ length: 45 }, (_, i) => numbers([12], i + 1));
  await assertLikeReference(
    devices,
    (tensors) => [
      ...tensors.map((x, i) => add(x, i)),
      tensors.map((x) => sum(x)).reduce((total, x) => add(total, x)),
    ],
    () => inputs,
    summed(45),
    "45 operands",
  );
});

testOnWebGpu("an epilogue over more buffers than a shader can bind", async (...devices) => {
  const others = Array.from({ length: 20 }, (_, i) => numbers([12, 20], i + 1));
  const runningSums = ([x, w, ...addends]: readonly Tensor[]) => {
    if (x === undefined || w === undefined) return [];
    const [first, ...rest] = addends.map((y, i) => mul(y, i));
    const sums = [add(matmul(x, w), first ?? 0)];
    for (const y of rest) sums.push(add(sums.at(-1) ?? 0, y));
    return sums;
  };
  const operands = [numbers([12, 30]), numbers([30, 20]), ...others];
  const { kernels } = lower(graphOf((...tensors: Tensor[]) => runningSums(tensors), operands));
  assertEquals(kernels.map(({ kind }) => kind), ["matmul"]);
  await assertLikeReference(devices, runningSums, () => operands, summed(50), "20 addends");
});

testOnWebGpu("a window is written into a larger one", async (...devices) => {
  for (const start of [-3, 2, 100]) {
    await assertLikeReference(
      devices,
      ([x, update, start]) =>
        x === undefined || update === undefined || start === undefined
          ? []
          : [dynamicUpdate(x, 1, start, update)],
      () => [numbers([3, 9, 4]), numbers([3, 2, 4], 3), tensor(start, { dtype: "i32" })],
      exact,
      `start ${start}`,
    );
  }
});
