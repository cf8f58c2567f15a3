import { assertEquals, assertThrows } from "@std/assert";
import {
  arange,
  argsort,
  concat,
  dynamicSlice,
  dynamicUpdate,
  gather,
  logSoftmax,
  mul,
  oneHot,
  reorder,
  reshape,
  scatterAdd,
  type Shape,
  ShapeError,
  slice,
  sort,
  sub,
  sum,
  takeAlongAxis,
  type Tensor,
  tensor,
} from "@unitune/core";
import fc from "fast-check";
import {
  arbitraryNaive,
  arbitraryShape,
  assertIs,
  indicesOf,
  type Naive,
  toTensor,
  withAxis,
} from "./naive.ts";

/** Ids of a shape, some of them outside 0 to count - 1. */
function arbitraryIds(shape: Shape, count: number): fc.Arbitrary<Naive> {
  return arbitraryNaive(shape, count + 2);
}

/** A table `[N, ...row]` and ids into it. */
const lookups = fc.record({
  rows: fc.integer({ min: 1, max: 5 }),
  row: arbitraryShape({ maxRank: 2 }),
  idShape: arbitraryShape({ maxRank: 2 }),
}).chain(({ rows, row, idShape }) =>
  fc.record({
    table: arbitraryNaive([rows, ...row]),
    ids: arbitraryIds(idShape, rows),
    updates: arbitraryNaive([...idShape, ...row]),
  })
);

Deno.test("gather reads rows; an id outside gives NaN, or 0 in integers", async () => {
  await fc.assert(fc.asyncProperty(lookups, async ({ table, ids }) => {
    const [rows = 0, ...row] = table.shape;
    const rank = ids.shape.length;
    for (const [dtype, missing] of [["f32", NaN], ["i32", 0]] as const) {
      await assertIs(gather(toTensor(table, dtype), toTensor(ids, "i32")), {
        shape: [...ids.shape, ...row],
        at: (index) => {
          const id = ids.at(index.slice(0, rank));
          return id < 0 || id >= rows ? missing : table.at([id, ...index.slice(rank)]);
        },
      });
    }
  }));
});

Deno.test("scatterAdd is the transpose of gather: <gather(t, i), u> = <t, scatterAdd(i, u)>", async () => {
  await fc.assert(fc.asyncProperty(lookups, async ({ table, ids, updates }) => {
    const [rows = 0] = table.shape;
    const clamped: Naive = {
      shape: ids.shape,
      at: (index) => Math.min(Math.max(ids.at(index), 0), rows - 1),
    };
    const [t, i, u] = [toTensor(table), toTensor(clamped, "i32"), toTensor(updates)];
    const [left, right] = [sum(mul(gather(t, i), u)), sum(mul(t, scatterAdd(i, u, rows)))];
    assertEquals(await left.item(), await right.item());
  }));
});

Deno.test("scatterAdd adds what shares an id, and drops what is outside", async () => {
  await fc.assert(fc.asyncProperty(lookups, async ({ table, ids, updates }) => {
    const [rows = 0] = table.shape;
    await assertIs(scatterAdd(toTensor(ids, "i32"), toTensor(updates), rows), {
      shape: table.shape,
      at: ([row = 0, ...rest]) =>
        indicesOf(ids.shape)
          .filter((index) => ids.at(index) === row)
          .reduce((total, index) => total + updates.at([...index, ...rest]), 0),
    });
  }));
});

/** Rows of log-probabilities and an id for each. */
const picks = fc.record({
  batch: arbitraryShape({ maxRank: 2 }),
  size: fc.integer({ min: 1, max: 6 }),
}).chain(({ batch, size }) =>
  fc.record({ x: arbitraryNaive([...batch, size]), ids: arbitraryIds(batch, size) })
);

Deno.test("takeAlongAxis takes one element a row, and is the sum against oneHot", async () => {
  await fc.assert(fc.asyncProperty(picks, async ({ x, ids }) => {
    const size = x.shape[x.shape.length - 1] ?? 0;
    const [values, positions] = [toTensor(x), toTensor(ids, "i32")];
    const expected = (outside: number): Naive => ({
      shape: ids.shape,
      at: (index) => {
        const id = ids.at(index);
        return id < 0 || id >= size ? outside : x.at([...index, id]);
      },
    });
    await assertIs(takeAlongAxis(values, positions), expected(NaN));
    await assertIs(sum(mul(values, oneHot(positions, size)), { axes: [-1] }), expected(0));
    await assertIs(takeAlongAxis(toTensor(x, "i32"), positions), expected(0));
  }));
});

Deno.test("what is not picked does not matter, not even infinities", async () => {
  const logProbs = logSoftmax(tensor([[0, -Infinity]]));
  assertEquals(await takeAlongAxis(logProbs, tensor([0], { dtype: "i32" })).item(), 0);
});

/** Elements, an axis, a length that fits it, and a start that need not. */
const windows = arbitraryShape({ minRank: 1 }).chain((shape) =>
  fc.nat(shape.length - 1).chain((axis) => {
    const size = shape[axis] ?? 0;
    return fc.nat(size).chain((length) =>
      fc.record({
        x: arbitraryNaive(shape),
        update: arbitraryNaive(shape.with(axis, length)),
        axis: fc.constant(axis),
        start: fc.integer({ min: -3, max: size + 3 }),
      })
    );
  })
);

Deno.test("dynamicSlice is a slice from a start that is clamped", async () => {
  await fc.assert(fc.asyncProperty(windows, async ({ x, update, axis, start }) => {
    const [size = 0, length = 0] = [x.shape[axis], update.shape[axis]];
    const first = Math.min(Math.max(start, 0), size - length);
    const whole = toTensor(x);
    const expected = await slice(whole, axis, first, first + length).data();
    for (const from of [start, tensor(start, { dtype: "i32" })]) {
      const window = dynamicSlice(whole, axis, from, length);
      assertEquals(window.shape, update.shape);
      assertEquals(await window.data(), expected);
    }
  }));
});

Deno.test("a start may be any i32, and no other number", async () => {
  const x = tensor([1, 2, 3]);
  assertEquals(await dynamicSlice(x, 0, 2 ** 31 - 1, 1).data(), new Float32Array([3]));
  assertEquals(await dynamicSlice(x, 0, 1 - 2 ** 31, 1).data(), new Float32Array([1]));
  for (const start of [2 ** 31, -(2 ** 31), 0.5]) {
    assertThrows(() => dynamicSlice(x, 0, start, 1), ShapeError, "expected an integer below 2^31");
  }
});

Deno.test("dynamicUpdate writes where dynamicSlice reads, and nothing else", async () => {
  await fc.assert(fc.asyncProperty(windows, async ({ x, update, axis, start }) => {
    const [size = 0, length = 0] = [x.shape[axis], update.shape[axis]];
    const first = Math.min(Math.max(start, 0), size - length);
    const from = tensor(start, { dtype: "i32" });
    const updated = dynamicUpdate(toTensor(x), axis - x.shape.length, from, toTensor(update));
    await assertIs(updated, {
      shape: x.shape,
      at: (index) => {
        const offset = (index[axis] ?? NaN) - first;
        const isInside = offset >= 0 && offset < length;
        return isInside ? update.at(withAxis(index, axis, offset)) : x.at(index);
      },
    });
    await assertIs(dynamicSlice(updated, axis, from, length), update);
  }));
});

Deno.test("starts for each row are windows of the rows apart", async () => {
  const x = reshape(arange(60), [3, 2, 5, 2]);
  const update = reshape(sub(-1, arange(24)), [3, 2, 2, 2]);
  const start = fc.integer({ min: -1, max: 5 });
  await fc.assert(
    fc.asyncProperty(fc.tuple(start, start, start), async (starts) => {
      const all = tensor(starts, { dtype: "i32" });
      const each = (of: (row: number, start: number) => Tensor) =>
        concat(starts.map((start, row) => of(row, start)), 0);
      const row = (tensor: Tensor, i: number) => slice(tensor, 0, i, i + 1);
      assertEquals(
        await dynamicSlice(x, 2, all, 2).data(),
        await each((i, start) => dynamicSlice(row(x, i), 2, start, 2)).data(),
      );
      assertEquals(
        await dynamicUpdate(x, 2, all, update).data(),
        await each((i, start) => dynamicUpdate(row(x, i), 2, start, row(update, i))).data(),
      );
    }),
    { numRuns: 10 },
  );
});

/** Rows of elements that tie. */
const rows = arbitraryShape({ minRank: 1, maxRank: 3 }).chain((shape) => arbitraryNaive(shape, 3));

Deno.test("sort gives each row's elements in ascending order", async () => {
  await fc.assert(fc.asyncProperty(rows, async (x) => {
    const size = x.shape[x.shape.length - 1] ?? 0;
    await assertIs(sort(toTensor(x)), {
      shape: x.shape,
      at: (index) => {
        const row = Array.from({ length: size }, (_, i) => x.at(index.with(-1, i)));
        return row.toSorted((a, b) => a - b)[index.at(-1) ?? NaN] ?? NaN;
      },
    });
  }));
});

Deno.test("reorder by an order's inverse undoes it", async () => {
  await fc.assert(fc.asyncProperty(rows, async (x) => {
    const order: Tensor = argsort(toTensor(x));
    await assertIs(reorder(reorder(toTensor(x), order), argsort(order)), x);
  }));
});
