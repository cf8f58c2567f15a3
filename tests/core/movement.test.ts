import { assertEquals } from "@std/assert";
import {
  add,
  arange,
  concat,
  full,
  iota,
  mul,
  reshape,
  type Shape,
  sizeOf,
  slice,
  split,
  squeeze,
  stack,
  transpose,
  transposeLast,
  unsqueeze,
  zeros,
} from "@unitune/core";
import fc from "fast-check";
import {
  arbitraryNaive,
  arbitraryShape,
  assertIs,
  type Naive,
  toTensor,
  withAxis,
} from "./naive.ts";

const arbitraryTensor: fc.Arbitrary<Naive> = arbitraryShape().chain((shape) =>
  arbitraryNaive(shape)
);

/** Elements, and one of their axes. */
const withAnAxis: fc.Arbitrary<{ x: Naive; axis: number }> = arbitraryShape({ minRank: 1 }).chain(
  (shape) => fc.record({ x: arbitraryNaive(shape), axis: fc.nat(shape.length - 1) }),
);

/** An order of the axes of a shape. */
function arbitraryPermutation(shape: Shape): fc.Arbitrary<number[]> {
  return fc.shuffledSubarray([...shape.keys()], { minLength: shape.length });
}

Deno.test("transpose reads each element where its axes came from, and its inverse undoes it", async () => {
  const drawn = arbitraryTensor.chain((x) =>
    fc.record({ x: fc.constant(x), permutation: arbitraryPermutation(x.shape) })
  );
  await fc.assert(fc.asyncProperty(drawn, async ({ x, permutation }) => {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    const moved = transpose(toTensor(x), permutation);
    await assertIs(moved, {
      shape: permutation.map((axis) => x.shape[axis] ?? NaN),
      at: (index) => x.at(inverse.map((axis) => index[axis] ?? NaN)),
    });
    await assertIs(transpose(moved, inverse), x);
  }));
});

Deno.test("transposeLast twice is nothing", async () => {
  const matrices = arbitraryShape({ minRank: 2 }).chain((shape) => arbitraryNaive(shape));
  await fc.assert(fc.asyncProperty(matrices, async (x) => {
    await assertIs(transposeLast(transposeLast(toTensor(x))), x);
  }));
});

Deno.test("reshape keeps the elements in row-major order, by way of any shape", async () => {
  await fc.assert(fc.asyncProperty(withAnAxis, async ({ x, axis }) => {
    const flat = reshape(toTensor(x), [sizeOf(x.shape)]);
    assertEquals(await flat.data(), await toTensor(x).data());
    await assertIs(reshape(flat, x.shape), x);
    const grown = x.shape.toSpliced(axis, 0, 1);
    await assertIs(reshape(reshape(toTensor(x), grown), x.shape), x);
  }));
});

Deno.test("reshape works out one axis", () => {
  assertEquals(reshape(arange(12), [2, -1, 3]).shape, [2, 2, 3]);
  assertEquals(reshape(arange(12), [-1]).shape, [12]);
  assertEquals(reshape(zeros([0, 3]), [-1, 3]).shape, [0, 3]);
});

Deno.test("squeeze undoes unsqueeze at every position, counted from either end", async () => {
  await fc.assert(fc.asyncProperty(arbitraryTensor, async (x) => {
    const rank = x.shape.length;
    for (let axis = -rank - 1; axis <= rank; axis++) {
      const position = axis < 0 ? axis + rank + 1 : axis;
      const raised = unsqueeze(toTensor(x), axis);
      assertEquals(raised.shape, x.shape.toSpliced(position, 0, 1));
      await assertIs(squeeze(raised, axis), x);
    }
  }));
});

Deno.test("slice reads from start to end, negatives from the end", async () => {
  const drawn = withAnAxis.chain(({ x, axis }) => {
    const size = x.shape[axis] ?? 0;
    return fc.record({
      x: fc.constant(x),
      axis: fc.constant(axis),
      ends: fc.tuple(fc.nat(size), fc.nat(size)).map((ends) => ends.toSorted((a, b) => a - b)),
    });
  });
  await fc.assert(fc.asyncProperty(drawn, async ({ x, axis, ends: [start = 0, end = 0] }) => {
    const size = x.shape[axis] ?? 0;
    const expected: Naive = {
      shape: x.shape.with(axis, end - start),
      at: (index) => x.at(withAxis(index, axis, (index[axis] ?? NaN) + start)),
    };
    await assertIs(slice(toTensor(x), axis, start, end), expected);
    // The end itself has no negative name, since -0 is 0.
    const fromEnd = (position: number) => position < size ? position - size : position;
    const back = axis - x.shape.length;
    await assertIs(slice(toTensor(x), back, fromEnd(start), fromEnd(end)), expected);
    if (end === size) await assertIs(slice(toTensor(x), axis, start), expected);
  }));
});

Deno.test("slices at a cut concatenate to the whole", async () => {
  const drawn = withAnAxis.chain(({ x, axis }) =>
    fc.record({ x: fc.constant(x), axis: fc.constant(axis), cut: fc.nat(x.shape[axis] ?? 0) })
  );
  await fc.assert(fc.asyncProperty(drawn, async ({ x, axis, cut }) => {
    const whole = toTensor(x);
    await assertIs(concat([slice(whole, axis, 0, cut), slice(whole, axis, cut)], axis), x);
  }));
});

Deno.test("split and concat, and stack and its slices, undo each other", async () => {
  const drawn = withAnAxis.chain(({ x, axis }) => {
    const size = x.shape[axis] ?? 0;
    const divisors = [1, 2, 3, 4].filter((parts) => size % parts === 0);
    return fc.record({
      x: fc.constant(x),
      axis: fc.constant(axis),
      parts: fc.constantFrom(...divisors),
    });
  });
  await fc.assert(fc.asyncProperty(drawn, async ({ x, axis, parts }) => {
    const pieces = split(toTensor(x), parts, axis);
    assertEquals(pieces.length, parts);
    await assertIs(concat(pieces, axis), x);
    const stacked = stack(pieces, axis);
    for (const [i, piece] of pieces.entries()) {
      const layer = squeeze(slice(stacked, axis, i, i + 1), axis);
      assertEquals(layer.shape, piece.shape);
      assertEquals(await layer.data(), await piece.data());
    }
  }));
});

Deno.test("movements of movements are read in place and stay right", async () => {
  // [2, 3, 4] -> rows reversed in order of axes, cut, repeated, joined: each changes the index.
  const x: Naive = { shape: [2, 3, 4], at: ([i = 0, j = 0, k = 0]) => 12 * i + 4 * j + k };
  const cut = slice(transpose(toTensor(x), [2, 0, 1]), 0, 1, 3);
  await assertIs(cut, { shape: [2, 2, 3], at: ([k = 0, i = 0, j = 0]) => x.at([i, j, k + 1]) });
  const flat = reshape(cut, [4, 3]);
  await assertIs(transposeLast(flat), {
    shape: [3, 4],
    at: ([j = 0, row = 0]) => x.at([row % 2, j, Math.floor(row / 2) + 1]),
  });
  await assertIs(add(mul(unsqueeze(flat, 0), 2), zeros([2, 1, 1])), {
    shape: [2, 4, 3],
    at: ([, row = 0, j = 0]) => 2 * x.at([row % 2, j, Math.floor(row / 2) + 1]),
  });
});

Deno.test("iota counts along its axis, in every element type of numbers", async () => {
  const shape = [2, 3, 2];
  for (const dtype of ["f32", "f64", "i32", "u32"] as const) {
    for (const axis of [0, 1, 2]) {
      const counted = iota(shape, axis, dtype);
      assertEquals(counted.dtype, dtype);
      await assertIs(counted, { shape, at: (index) => index[axis] ?? NaN });
      await assertIs(iota(shape, axis - 3, dtype), { shape, at: (index) => index[axis] ?? NaN });
    }
  }
});

Deno.test("full is one value everywhere", async () => {
  await assertIs(full([2, 3], 2.5), { shape: [2, 3], at: () => 2.5 });
  await assertIs(full([], -7, "i32"), { shape: [], at: () => -7 });
  await assertIs(full([2], 1, "bool"), { shape: [2], at: () => 1 });
});
