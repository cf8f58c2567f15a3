/** Random policies and batches for the properties of objectives, by default in f64. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  cast,
  div,
  evaluate,
  type FloatDType,
  gather,
  iota,
  key,
  leafPaths,
  lessEqual,
  matmul,
  normal,
  type Shape,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  where,
} from "@unitune/core";
import {
  type Context,
  type Demonstrations,
  evaluationLoss,
  modelOf,
  type Objective,
  type Policy,
} from "@unitune/objectives";
import fc from "fast-check";

/** The parameters of {@linkcode policy}. */
export type Parameters = { readonly table: Tensor; readonly mixing: Tensor };

/** `L[t, i] = 1 / (1 + t - i)` for i <= t, each row divided by its sum: an average of the past. */
function averaging({ shape: [, length = 0], dtype }: Tensor): Tensor {
  const square: Shape = [length, length];
  const [row, column] = [iota(square, 0, dtype), iota(square, 1, dtype)];
  const weights = where(lessEqual(column, row), div(1, sub(row, sub(column, 1))), 0);
  return div(weights, sum(weights, { axes: [-1], keepDims: true }));
}

/** A small causal policy with tied embeddings, whose predictions depend on the whole prefix. */
export const policy: Policy<Parameters> = {
  embed: ({ table }, ids) => gather(table, ids),
  hidden: ({ mixing }, embeddings) =>
    tanh(matmul(matmul(averaging(embeddings), embeddings), mixing)),
  head: ({ table }) => ({ weight: table }),
};

/** A random policy and a batch for it. */
export interface Case {
  readonly params: Parameters;
  readonly batch: Demonstrations;
  readonly vocabulary: number;
}

function randomMatrix(seed: number, shape: Shape, dtype: FloatDType): Tensor {
  return evaluate(cast(normal(key(seed), shape, { standardDeviation: 1.5 }), dtype));
}

/** A tensor of token ids. */
export function idsOf(rows: readonly (readonly number[])[]): Tensor {
  return tensor(rows, { dtype: "i32" });
}

/** The first step, without keys. */
export const context: Context = { step: tensor(0, { dtype: "i32" }) };

const sizes = fc.record({
  seed: fc.nat(1e6),
  vocabulary: fc.integer({ min: 2, max: 5 }),
  width: fc.integer({ min: 1, max: 4 }),
  rows: fc.integer({ min: 1, max: 4 }),
  length: fc.integer({ min: 2, max: 7 }),
});

/** Demonstrations with any mask; rows may be without an answer. */
export const casesIn = (dtype: FloatDType): fc.Arbitrary<Case> =>
  sizes.chain(({ seed, vocabulary, width, rows, length }) => {
    const table = <T>(cell: fc.Arbitrary<T>) =>
      fc.array(fc.array(cell, { minLength: length, maxLength: length }), {
        minLength: rows,
        maxLength: rows,
      });
    return fc.record({
      ids: table(fc.nat(vocabulary - 1)),
      mask: table(fc.constantFrom<number>(0, 1, 1)),
    }).map(({ ids, mask }) => ({
      vocabulary,
      params: {
        table: randomMatrix(seed, [vocabulary, width], dtype),
        mixing: randomMatrix(seed + 1, [width, width], dtype),
      },
      batch: { ids: idsOf(ids), mask: tensor(mask) },
    }));
  });

export const cases: fc.Arbitrary<Case> = casesIn("f64");

/** The loss of an objective on a batch as a function of parameters, both stages included. */
export function lossOf<B>(
  objective: Objective<B>,
  batch: B,
  at: Context = context,
  by: Policy<Parameters> = policy,
): (params: Parameters) => Tensor {
  return (params) => {
    const model = modelOf(by, params);
    return evaluationLoss(objective.evaluate(model, objective.collect(model, batch, at), at));
  };
}

/** The rows of a tensor `[B, T]`. */
export async function rowsOf(x: Tensor): Promise<number[][]> {
  const [rows = 0, length = 0] = x.shape;
  const data = [...await x.data()];
  return Array.from({ length: rows }, (_, b) => data.slice(b * length, (b + 1) * length));
}

/** Asserts that two trees hold tensors, and the same numbers, to what is allowed at each size. */
async function assertWithin(
  actual: unknown,
  expected: unknown,
  allowed: (value: number) => number,
): Promise<void> {
  const [a, b] = [leafPaths(actual), leafPaths(expected)];
  assert(a.size > 0, "there is no tensor to compare");
  assertEquals([...a.keys()], [...b.keys()]);
  for (const [path, leaf] of a) {
    const [x, y] = [await leaf.data(), await b.get(path)?.data()];
    assertEquals(x.length, y?.length);
    for (let i = 0; i < x.length; i++) {
      const value = y?.[i] ?? NaN;
      assertAlmostEquals(x[i] ?? NaN, value, allowed(value), `${path}[${i}]`);
    }
  }
}

/** Asserts that two trees hold the same numbers, by default but for rounding in f64. */
export function assertClose(actual: unknown, expected: unknown, tolerance = 1e-10): Promise<void> {
  return assertWithin(actual, expected, () => tolerance);
}

/** Asserts that two trees hold the same numbers, to a tolerance relative to 1 + their size. */
export function assertNear(actual: unknown, expected: unknown, tolerance: number): Promise<void> {
  return assertWithin(actual, expected, (value) => tolerance * (1 + Math.abs(value)));
}
