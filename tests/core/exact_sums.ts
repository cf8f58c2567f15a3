/** Sums of many terms against exact ones, on any device: nothing here imports Deno's API. */
import {
  compile,
  type Device,
  matmul,
  scatterAdd,
  type Shape,
  sizeOf,
  sum,
  type Tensor,
  tensor,
  transposeLast,
} from "@unitune/core";
import fc from "fast-check";

/** A sum, and the sum of its terms' magnitudes, by which errors are measured. */
export interface Exact {
  readonly total: number;
  readonly size: number;
}

/** A sum in f64 with the errors of its additions (Neumaier, 1974): exact for f32's purposes. */
export function exactSum(count: number, term: (i: number) => number): Exact {
  let [sum, error, size] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const x = term(i);
    const next = sum + x;
    error += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
    sum = next;
    size += Math.abs(x);
  }
  return { total: sum + error, size };
}

/** Half a unit in the last place of f32, relative to the number. */
const HALF_UNIT = 2 ** -24;

/**
 * The most additions that a term goes through: levels of 64 of 64, lanes and parts in sums; ranges of
 * ids too in `scatterAdd`; slices of up to 2,048 terms in products. Bounds as they are documented.
 */
const ADDITIONS = { sum: 2 ** 10, scatterAdd: 2 ** 11, matmul: 2 ** 12 } as const;

/** Fails unless a result is as near to the exact sum as its kind promises. */
export function assertNear(
  kind: keyof typeof ADDITIONS,
  actual: number | undefined,
  { total, size }: Exact,
  name: string,
): void {
  const error = Math.abs((actual ?? NaN) - total);
  const bound = ADDITIONS[kind] * HALF_UNIT * size;
  if (error <= bound) return;
  throw new Error(`${name}: is ${actual}, not ${total}; off by ${error}, more than ${bound}`);
}

/**
 * Numbers for a seed: equal ones, whose rounding errors go one way, or numbers of all sizes between
 * 2^-10 and 1, most of one sign.
 */
export function terms(count: number, seed: number): Float32Array {
  if (seed % 2 === 0) return new Float32Array(count).fill(0.1 + Math.abs(seed % 89) / 100);
  return Float32Array.from({ length: count }, (_, i) => {
    const bits = Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(i ^ seed, 0x85ebca6b);
    const part = (bits >>> 8) / 2 ** 24;
    return (bits & 7) === 0 ? -part : 2 ** -((bits >> 3) & 7) * (part + 0.1);
  });
}

/** What is computed of terms `[N, W]`: its results, and the exact ones. */
interface Way {
  readonly kind: keyof typeof ADDITIONS;
  readonly operands: (data: Float32Array, count: number, width: number) => Tensor[];
  readonly compute: (operands: readonly Tensor[]) => Tensor;
  /** The results, each of `count` terms: the term of a number. */
  readonly term: (data: Float32Array, count: number, width: number) => (
    result: number,
    i: number,
  ) => number;
  /** The number of results. */
  readonly results: (width: number) => number;
}

function first([operand]: readonly Tensor[]): Tensor {
  if (operand === undefined) throw new RangeError("there is no operand");
  return operand;
}

/** Rows that ids name in turn, the first most often. */
const ROWS = 3;

const byColumn = (data: Float32Array, _: number, width: number) => (result: number, i: number) =>
  data[i * width + result] ?? NaN;
const byRow = (data: Float32Array, count: number) => (result: number, i: number) =>
  data[result * count + i] ?? NaN;
const shaped =
  (shape: (count: number, width: number) => Shape): Way["operands"] => (data, count, width) => [
    tensor(data, { shape: shape(count, width) }),
  ];
const each = (width: number) => width;

/** The second factor of a product's terms: powers of two and their negatives, so that none rounds. */
const factor = (i: number) => [1, 0.5, -0.25, 2][i % 4] ?? 1;
const factors = (count: number) => Float32Array.from({ length: count }, (_, i) => factor(i));

/** The ways to add up many terms. */
export const ways: Readonly<Record<string, Way>> = {
  "along rows": {
    kind: "sum",
    operands: shaped((count, width) => [width, count]),
    compute: (x) => sum(first(x), { axes: [1] }),
    term: byRow,
    results: each,
  },
  "down columns": {
    kind: "sum",
    operands: shaped((count, width) => [count, width]),
    compute: (x) => sum(first(x), { axes: [0] }),
    term: byColumn,
    results: each,
  },
  "over two axes around a third": {
    kind: "sum",
    operands: (data, count, width) => {
      const shape = [Math.floor(count / 3), width, 3];
      return [tensor(data.slice(0, sizeOf(shape)), { shape })];
    },
    compute: (x) => sum(first(x), { axes: [0, 2] }),
    term: (data, count, width) => (result, i) =>
      i < count - count % 3 ? data[(Math.floor(i / 3) * width + result) * 3 + i % 3] ?? NaN : 0,
    results: each,
  },
  "over two axes around another, the inner one long": {
    kind: "sum",
    operands: (data, count, width) => {
      const shape = [3, width, Math.floor(count / 3)];
      return [tensor(data.slice(0, sizeOf(shape)), { shape })];
    },
    compute: (x) => sum(first(x), { axes: [0, 2] }),
    term: (data, count, width) => (result, i) => {
      const long = Math.floor(count / 3);
      const [outer, inner] = [Math.floor(i / long), i % long];
      return outer < 3 ? data[(outer * width + result) * long + inner] ?? NaN : 0;
    },
    results: each,
  },
  "by scatterAdd": {
    kind: "scatterAdd",
    operands: (data, count, width) => [
      tensor(data, { shape: [count, width] }),
      tensor(Int32Array.from({ length: count }, (_, i) => i % 16 < 14 ? 0 : i % ROWS), {
        dtype: "i32",
      }),
    ],
    compute: ([x, ids]) =>
      x === undefined || ids === undefined ? first([]) : scatterAdd(ids, x, ROWS),
    term: (data, _, width) => (result, i) => {
      const id = i % 16 < 14 ? 0 : i % ROWS;
      return id === Math.floor(result / width) ? data[i * width + result % width] ?? NaN : 0;
    },
    results: (width) => ROWS * width,
  },
  "by a product": {
    kind: "matmul",
    operands: (data, count, width) => [
      tensor(data, { shape: [count, width] }),
      tensor(factors(count), { shape: [count, 1] }),
    ],
    compute: ([x, y]) =>
      x === undefined || y === undefined ? first([]) : matmul(transposeLast(x), y),
    term: (data, _, width) => (result, i) => (data[i * width + result] ?? NaN) * factor(i),
    results: each,
  },
  "by a product with a row": {
    kind: "matmul",
    operands: (data, count, width) => [
      tensor(data, { shape: [count, width] }),
      tensor(factors(count), { shape: [1, count] }),
    ],
    compute: ([x, y]) => x === undefined || y === undefined ? first([]) : matmul(y, x),
    term: (data, _, width) => (result, i) => (data[i * width + result] ?? NaN) * factor(i),
    results: each,
  },
};

/** Elements in another order, by steps that are prime to their number; 1 leaves them in theirs. */
function permuted(data: Float32Array, order: number): Float32Array {
  if (order === 1) return data;
  const size = data.length;
  const gcd = (a: number, b: number): number => b === 0 ? a : gcd(b, a % b);
  let step = Math.max(1, order % size);
  while (gcd(step, size) !== 1) step++;
  return Float32Array.from({ length: size }, (_, i) => data[i * step % size] ?? NaN);
}

/** Adds up terms on a device in a way, and compares with the exact sums. */
export async function checkWay(
  device: Device,
  name: string,
  { count, width, seed, order }: {
    readonly count: number;
    readonly width: number;
    readonly seed: number;
    readonly order: number;
  },
): Promise<void> {
  const way = ways[name];
  if (way === undefined) throw new RangeError(`there is no way ${name}`);
  const data = permuted(terms(count * width, seed), order);
  using run = compile((operands: readonly Tensor[]) => way.compute(operands), { device });
  const actual = await run(way.operands(data, count, width))
    .data();
  const term = way.term(data, count, width);
  for (let result = 0; result < way.results(width); result++) {
    const exact = exactSum(count, (i) => term(result, i));
    assertNear(way.kind, actual[result], exact, `${count} terms ${name} on ${device.name}`);
  }
}

/** Numbers of terms where blocks, slices, parts and ranges begin and end, and one off. */
export function arbitraryCount(largest: number): fc.Arbitrary<number> {
  const blocks = [4, 64, 256, 512, 1024, 2048, 4096, 16384, 15 * 4096, 65536, 2 ** 18]
    .filter((block) => block <= largest);
  return fc.tuple(
    fc.constantFrom(...blocks),
    fc.constantFrom(1, 2, 3),
    fc.constantFrom(-1, 0, 1),
  ).map(([block, times, off]) => Math.min(largest, Math.max(3, block * times + off)));
}
