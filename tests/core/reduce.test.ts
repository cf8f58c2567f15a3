import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  add,
  argmax,
  argsort,
  compile,
  exp,
  logSoftmax,
  logSumExp,
  matmul,
  matvec,
  max,
  mean,
  reference,
  type Shape,
  softmax,
  sum,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import fc from "fast-check";
import {
  arbitraryNaive,
  arbitraryShape,
  assertIs,
  type Index,
  indicesOf,
  type Naive,
  toTensor,
} from "./naive.ts";

/** Elements of which there is at least one, and some of their axes. */
const withAxes: fc.Arbitrary<{ x: Naive; axes: number[] }> = arbitraryShape({ minSize: 1 }).chain(
  (shape) => fc.record({ x: arbitraryNaive(shape), axes: fc.subarray([...shape.keys()]) }),
);

/** The elements that one result is reduced from. */
function reducedFrom({ shape, at }: Naive, axes: readonly number[], index: Index): number[] {
  const kept = [...shape.keys()].filter((axis) => !axes.includes(axis));
  return indicesOf(shape)
    .filter((from) => kept.every((axis, i) => from[axis] === index[i]))
    .map(at);
}

const reductions = {
  sum: { on: sum, of: (values: number[]) => values.reduce((a, b) => a + b, 0) },
  max: { on: max, of: (values: number[]) => Math.max(...values) },
};

for (const [name, { on, of }] of Object.entries(reductions)) {
  Deno.test(`${name} over any axes is a nested loop`, async () => {
    await fc.assert(fc.asyncProperty(withAxes, async ({ x, axes }) => {
      const kept = x.shape.filter((_, axis) => !axes.includes(axis));
      const expected = (index: Index) => of(reducedFrom(x, axes, index));
      await assertIs(on(toTensor(x), { axes }), { shape: kept, at: expected });
      const negative = axes.map((axis) => axis - x.shape.length);
      await assertIs(on(toTensor(x), { axes: negative, keepDims: true }), {
        shape: x.shape.map((size, axis) => axes.includes(axis) ? 1 : size),
        at: (index) => expected(index.filter((_, axis) => !axes.includes(axis))),
      });
    }));
  });
}

Deno.test("without axes named, everything is reduced", async () => {
  const x = tensor([[1, 2], [3, 6]]);
  assertEquals([await sum(x).item(), await max(x).item(), await mean(x).item()], [12, 6, 3]);
});

Deno.test("a sum over nothing is 0, a mean over nothing NaN", async () => {
  const x = tensor([], { shape: [0, 2] });
  await assertIs(sum(x, { axes: [0] }), { shape: [2], at: () => 0 });
  await assertIs(mean(x, { axes: [0] }), { shape: [2], at: () => NaN });
  await assertIs(sum(x, { axes: [1] }), { shape: [0], at: () => 0 });
});

Deno.test("sums of integers wrap", async () => {
  assertEquals(await sum(tensor([2 ** 31 - 1, 1], { dtype: "i32" })).item(), -(2 ** 31));
  assertEquals(await sum(tensor([2 ** 32 - 1, 2], { dtype: "u32" })).item(), 1);
});

Deno.test("the maximum of what holds NaN is NaN", async () => {
  assertEquals(await max(tensor([1, NaN, 3])).item(), NaN);
});

/** Rows of logits, wide enough apart that some probabilities vanish. */
const logits = fc.array(
  fc.array(fc.float({ min: -80, max: 80, noNaN: true }), { minLength: 5, maxLength: 5 }),
  { minLength: 1, maxLength: 4 },
);

Deno.test("softmax sums to 1", async () => {
  await fc.assert(fc.asyncProperty(logits, async (rows) => {
    for (const total of await sum(softmax(tensor(rows)), { axes: [-1] }).data()) {
      // Five roundings of at most half a unit of 1.2e-7.
      assertAlmostEquals(total, 1, 6e-7);
    }
  }));
});

Deno.test("softmax and logSoftmax do not see a shift of all logits", async () => {
  const integers = fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 5, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(integers, fc.integer({ min: -900, max: 900 }), async (row, by) => {
      // Integers, so that the shift itself rounds nothing and the results are the same bits.
      const x = tensor(row);
      for (const f of [softmax, logSoftmax]) {
        assertEquals(await f(add(x, by)).data(), await f(x).data());
      }
    }),
  );
});

Deno.test("logSoftmax is the logarithm of softmax, by way of logSumExp", async () => {
  await fc.assert(fc.asyncProperty(logits, async (rows) => {
    const x = tensor(rows);
    const [byExp, direct] = [await exp(logSoftmax(x)).data(), await softmax(x).data()];
    // y = ln p is rounded by up to |y| 6e-8, which e^y multiplies by p: at most 6e-8 / e; the rest
    // is the sum's.
    direct.forEach((p, i) => assertAlmostEquals(byExp[i] ?? NaN, p, 1e-6));
    const shifts = await logSumExp(x).data();
    const logProbs = await logSoftmax(x).data();
    rows.flat().forEach((logit, i) => {
      const shift = shifts[Math.floor(i / 5)] ?? NaN;
      // Differences of up to 160, rounded twice, by 8e-6 each.
      assertAlmostEquals(logProbs[i] ?? NaN, logit - shift, 3e-5);
    });
  }));
});

Deno.test("softmax and its relatives work along any axis", async () => {
  const x = tensor([[0, 5], [1, 2]]);
  for (const f of [softmax, logSoftmax]) {
    const [a, b] = [await f(x, 0).data(), await f(tensor([[0, 1], [5, 2]])).data()];
    assertEquals([...a], [b[0], b[2], b[1], b[3]]);
  }
  assertEquals(logSumExp(x, 0).shape, [2]);
  assertEquals(logSumExp(x, 0, { keepDims: true }).shape, [1, 2]);
});

const huge: readonly { row: readonly number[]; result: number }[] = [
  { row: [1e38, 1e38], result: 1e38 },
  { row: [-1e38, -1e38], result: -1e38 },
  { row: [1000, 0], result: 1000 },
  { row: [-1000, -1000], result: -1000 + Math.LN2 },
  { row: [-Infinity, 3], result: 3 },
  { row: [NaN, 3], result: NaN },
];
for (const { row, result } of huge) {
  Deno.test(`logSumExp of [${row}] is ${result}`, async () => {
    const actual = await logSumExp(tensor([...row])).item();
    if (Number.isNaN(result)) assert(Number.isNaN(actual));
    else assertAlmostEquals(actual, result, 1e-6 * Math.abs(result));
  });
}

/** Rows of few distinct elements, so that many tie. */
const rowsWithTies = fc.tuple(fc.nat(4), fc.nat(19)).chain((shape) => arbitraryNaive(shape, 3));

Deno.test("argsort is stable and sorts, argmax finds the first of the largest", async () => {
  for (const dtype of ["f32", "i32"] as const) {
    await fc.assert(fc.asyncProperty(rowsWithTies, async (x) => {
      const [rows = 0, size = 0] = x.shape;
      const orders = Array.from(
        { length: rows },
        (_, row) =>
          Array.from({ length: size }, (_, i) => i)
            .toSorted((a, b) => x.at([row, a]) - x.at([row, b]) || a - b),
      );
      await assertIs(argsort(toTensor(x, dtype)), {
        shape: x.shape,
        at: ([row = 0, i = 0]) => orders[row]?.[i] ?? NaN,
      });
      if (size === 0) return;
      await assertIs(argmax(toTensor(x, dtype)), {
        shape: [rows],
        at: ([row = 0]) => {
          const elements = Array.from({ length: size }, (_, i) => x.at([row, i]));
          return elements.indexOf(Math.max(...elements));
        },
      });
    }));
  }
});

Deno.test("argmax passes over NaN, unless it is the first, on every backend", async () => {
  const rows = (elements: readonly number[]) =>
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 19 })).chain(
      ([count, size]) => {
        const row = fc.array(fc.constantFrom(...elements), { minLength: size, maxLength: size });
        return fc.array(row, { minLength: count, maxLength: count });
      },
    );
  const first = (row: readonly number[]) =>
    row.reduce((best, x, i) => x > (row[best] ?? NaN) ? i : best, 0);
  const extremes = {
    f32: [NaN, -0, 0, 1, Infinity, -Infinity],
    i32: [-(2 ** 31), -1, 0, 2 ** 31 - 1],
    u32: [0, 1, 2 ** 31, 2 ** 32 - 1],
  };
  for (const device of [reference(), wasm({ threads: 1 })]) {
    for (const dtype of ["f32", "i32", "u32"] as const) {
      using program = compile((y: Tensor) => argmax(y), { device });
      await fc.assert(fc.asyncProperty(rows(extremes[dtype]), async (x) => {
        const result = program(tensor(x, { dtype }));
        assertEquals(await result.data(), Int32Array.from(x, first));
      }));
    }
  }
});

Deno.test("argsort puts NaN last, and what is not NaN in order before it", async () => {
  const element = fc.constantFrom(NaN, -0, 0, 1, -1, Infinity, -Infinity);
  const rank = (x: number) => Number.isNaN(x) ? Infinity : Math.atan(x);
  for (const device of [reference(), wasm({ threads: 1 })]) {
    await fc.assert(
      fc.asyncProperty(fc.array(element, { minLength: 1, maxLength: 70 }), async (x) => {
        const expected = x.map((_, i) => i)
          .toSorted((i, j) => {
            const [a, b] = [rank(x[i] ?? 0), rank(x[j] ?? 0)];
            return a === b ? i - j : a < b ? -1 : 1;
          });
        using program = compile((y: Tensor) => argsort(y), { device });
        assertEquals(await program(tensor(x)).data(), Int32Array.from(expected));
      }),
    );
  }
});

/** Batch shapes that broadcast, and sizes of matrices. */
const products = fc.record({
  batch: arbitraryShape({ maxRank: 2, minSize: 1, maxSize: 3 }),
  dropA: fc.nat(2),
  dropB: fc.nat(2),
  ones: fc.nat(3),
  rows: fc.integer({ min: 0, max: 9 }),
  depth: fc.integer({ min: 0, max: 9 }),
  columns: fc.integer({ min: 0, max: 9 }),
}).chain(({ batch, dropA, dropB, ones, rows, depth, columns }) => {
  // One side keeps the whole batch; the other lacks axes, or has them at size 1.
  const batchA = ones === 1 ? batch.map(() => 1) : ones === 2 ? batch : batch.slice(dropA);
  const batchB = ones === 2 ? batch.map(() => 1).slice(dropB) : batch;
  return fc.record({
    shape: fc.constant([...batch, rows, columns]),
    a: arbitraryNaive([...batchA, rows, depth]),
    b: arbitraryNaive([...batchB, depth, columns]),
  });
});

function product(a: Naive, b: Naive, index: Index): number {
  const [row = 0, column = 0] = index.slice(-2);
  const depth = a.shape[a.shape.length - 1] ?? 0;
  const batchIndex = (shape: Shape) => {
    const aligned = index.slice(index.length - shape.length, -2);
    return aligned.map((i, axis) => shape[axis] === 1 ? 0 : i);
  };
  let total = 0;
  for (let k = 0; k < depth; k++) {
    total += a.at([...batchIndex(a.shape), row, k]) * b.at([...batchIndex(b.shape), k, column]);
  }
  return total;
}

Deno.test("matmul is three loops, with batch axes that broadcast", async () => {
  await fc.assert(fc.asyncProperty(products, async ({ shape, a, b }) => {
    await assertIs(matmul(toTensor(a), toTensor(b)), { shape, at: (i) => product(a, b, i) });
  }));
});

// Around the sizes at which tiles and slices of the fast routine begin and end.
const sizes: readonly [rows: number, depth: number, columns: number][] = [
  [6, 4, 8],
  [7, 5, 9],
  [5, 255, 7],
  [12, 256, 16],
  [13, 257, 17],
  [1, 515, 1],
];
for (const [rows, depth, columns] of sizes) {
  Deno.test(`matmul of [${rows}, ${depth}] and [${depth}, ${columns}] is exact on integers`, async () => {
    const a: Naive = { shape: [rows, depth], at: ([i = 0, k = 0]) => (i * 7 + k * 3) % 11 - 5 };
    const b: Naive = { shape: [depth, columns], at: ([k = 0, j = 0]) => (k * 5 + j) % 13 - 6 };
    await assertIs(matmul(toTensor(a), toTensor(b)), {
      shape: [rows, columns],
      at: (index) => product(a, b, index),
    });
  });
}

Deno.test("matvec applies each matrix to its vector", async () => {
  const a: Naive = { shape: [2, 3, 4], at: ([i = 0, j = 0, k = 0]) => i + 2 * j - k };
  const x: Naive = { shape: [2, 4], at: ([i = 0, k = 0]) => k - i };
  await assertIs(matvec(toTensor(a), toTensor(x)), {
    shape: [2, 3],
    at: ([i = 0, j = 0]) => [0, 1, 2, 3].reduce((t, k) => t + a.at([i, j, k]) * x.at([i, k]), 0),
  });
});
