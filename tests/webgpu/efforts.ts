/**
 * What the code of kernels does to get its results, case by case. Results are what other tests look
 * at; of what a kernel does to get them nothing else would tell. Run as a program, this prints what
 * `efforts.txt` has:
 *
 *     deno run tests/webgpu/efforts.ts > tests/webgpu/efforts.txt
 */
import { assert } from "@std/assert";
import {
  abs,
  add,
  argmax,
  argsort,
  cast,
  dynamicSlice,
  dynamicUpdate,
  exp,
  gather,
  greater,
  matmul,
  max,
  relu,
  scatterAdd,
  type Shape,
  slice,
  sum,
  type Tensor,
  transposeLast,
  zeros,
} from "@unitune/core";
import { attend, type Attended, operandsOf, parametersOf } from "./attended.ts";
import { type Adapter, effortOf, emitted } from "./emitted.ts";

/** A function whose kernels are looked at. */
interface Case {
  readonly inputs: readonly Tensor[];
  readonly f: (inputs: Tensor[]) => unknown;
}

function inputAt(inputs: readonly Tensor[], index: number): Tensor {
  const input = inputs[index];
  assert(input !== undefined);
  return input;
}

/** A function of one tensor, of f32 zeros. */
function of(shape: Shape, f: (x: Tensor) => unknown): Case {
  return { inputs: [zeros(shape)], f: (inputs) => f(inputAt(inputs, 0)) };
}

/** A function of two tensors, of f32 zeros. */
function ofTwo(left: Shape, right: Shape, f: (x: Tensor, y: Tensor) => unknown): Case {
  return {
    inputs: [zeros(left), zeros(right)],
    f: (inputs) => f(inputAt(inputs, 0), inputAt(inputs, 1)),
  };
}

/** How an operand of a product lies: in rows, in columns, or with neighbours nowhere. */
type Lie = "rows" | "columns" | "apart";

/** A matrix as the operand of a product that lies in a way. */
const lying: Readonly<
  Record<
    Lie,
    (rows: number, columns: number) => readonly [
      Shape,
      (x: Tensor) => Tensor,
    ]
  >
> = {
  rows: (rows, columns) => [[rows, columns], (x) => x],
  columns: (rows, columns) => [[columns, rows], transposeLast],
  // From the second element of each row on.
  apart: (rows, columns) => [[rows, columns + 1], (x) => slice(x, 1, 1, columns + 1)],
};

/** A product of `[rows, depth]` and `[depth, columns]`. */
function product(
  [rows, depth, columns]: readonly [number, number, number],
  [left, right]: readonly [Lie, Lie] = ["rows", "rows"],
): Case {
  const [a, readA] = lying[left](rows, depth);
  const [b, readB] = lying[right](depth, columns);
  return ofTwo(a, b, (x, y) => matmul(readA(x), readB(y)));
}

/** A product with a bias and an activation, and the product too if it is a result. */
function layer(
  [rows, depth, columns]: readonly [number, number, number],
  isResult = false,
): Case {
  return {
    inputs: [zeros([rows, depth]), zeros([depth, columns]), zeros([columns])],
    f: (inputs) => {
      const made = matmul(inputAt(inputs, 0), inputAt(inputs, 1));
      const last = relu(add(made, inputAt(inputs, 2)));
      return isResult ? [made, last] : last;
    },
  };
}

function attention(attended: Attended): Case {
  const parameters = parametersOf(attended.parameters);
  return { inputs: operandsOf(attended), f: (operands) => attend(parameters, operands) };
}

const lies: readonly Lie[] = ["rows", "columns", "apart"];

const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    lies.flatMap((left) =>
      lies.map((
        right,
      ) => [`a small product, ${left} by ${right}`, product([32, 64, 12], [left, right])])
    ),
  ),
  "a product of which no side is of fours": product([33, 62, 13]),
  "the same, of columns by columns": product([33, 62, 13], ["columns", "columns"]),
  "a product of one row": product([1, 64, 12]),
  "a product of 7 rows": product([7, 256, 60]),
  "a product of 8 rows": product([8, 256, 60]),
  "a large product of few rows": product([4, 4096, 64]),
  "a product that is large, but not worth turning an operand": product([16, 4096, 16]),
  ...Object.fromEntries(lies.map((left) => [
    `a large product, ${left} by columns`,
    product([128, 128, 128], [left, "columns"]),
  ])),
  "a large product without fours": product([130, 130, 70]),
  "a large product of columns, in few blocks": product([64, 520, 64], ["columns", "rows"]),
  "a large product of columns, in many blocks": product([512, 64, 512], ["columns", "rows"]),
  "a deep product": product([32, 5000, 32], ["columns", "rows"]),
  "a product as deep as a loop is long": product([12, 70_000, 20]),
  "a product of large tiles": product([2048, 64, 2048]),
  "a product of tiles between": product([512, 256, 512]),
  "a deep product without fours": product([12, 3000, 13]),
  "a deep product of many blocks": product([64, 3000, 70], ["columns", "rows"]),
  "a deep product of many tiles": product([2048, 4096, 2048]),
  "a deep product of many tiles without fours": product([2045, 4096, 2045]),
  "a deep layer of many tiles": layer([2048, 4096, 2048]),
  "the same, of which the product is a result": layer([2048, 4096, 2048], true),
  "products of a batch": ofTwo([3, 2, 20, 24], [3, 2, 24, 16], matmul),
  "a matrix by itself turned": of([24, 36], (x) => matmul(x, transposeLast(x))),
  "a product without depth": product([12, 0, 8]),
  "a layer": layer([32, 64, 12]),
  "a layer without fours, of which the product is a result": layer([33, 62, 13], true),
  "a layer of one row": layer([1, 64, 12]),
  "a large layer": layer([128, 128, 128]),
  "a deep layer": layer([16, 5000, 40]),
  "a map in fours": of([12, 20], exp),
  "a map of odd size": of([3, 7], exp),
  "a map of rows turned": of([12, 20], (x) => exp(transposeLast(x))),
  "a map of a part that begins between fours": of([30], (x) => exp(slice(x, 0, 1, 29))),
  "a map with a row for all": ofTwo([12, 20], [20], add),
  "a map with a column for all": ofTwo([12, 20], [12, 1], add),
  "a map from numbers to truth values and integers": of([8, 8], (x) => [
    greater(x, 0),
    cast(x, "i32"),
  ]),
  "sums of long rows": of([4, 8192], (x) => sum(x, { axes: [1] })),
  "sums of short rows": of([5000, 12], (x) => sum(x, { axes: [1] })),
  "sums of rows without fours": of([6, 4099], (x) => sum(x, { axes: [1] })),
  "sums of columns": of([300, 64], (x) => sum(x, { axes: [0] })),
  "sums of many columns": of([40, 20_000], (x) => sum(x, { axes: [0] })),
  "sums of columns without fours": of([300, 63], (x) => sum(x, { axes: [0] })),
  "a sum of all": of([300, 300], (x) => sum(x)),
  "a sum of more than workgroups share at once": of([2, 60_000], (x) => sum(x, { axes: [1] })),
  "the largest of all": of([300, 300], (x) => max(x)),
  "the largest magnitude of rows": of([12, 1000], (x) => max(abs(x), { axes: [1] })),
  "the largest integer of columns": of([100, 12], (x) => max(cast(x, "i32"), { axes: [0] })),
  "the index of the largest of rows": of([12, 1000], (x) => argmax(x, 1)),
  "the index of the largest of columns": of([100, 12], (x) => argmax(x, 0)),
  "the index of the largest of 70,000": of([2, 70_000], (x) => argmax(x, 1)),
  "rows of a table": of([9, 12], (x) => gather(x, zeros([5], "i32"))),
  "rows of a table, without fours": of([9, 13], (x) => gather(x, zeros([5], "i32"))),
  "rows that are added up": of([5, 12], (x) => scatterAdd(zeros([5], "i32"), x, 9)),
  "rows that are added up, by many": of(
    [4096, 12],
    (x) => scatterAdd(zeros([4096], "i32"), x, 4096),
  ),
  "rows that are added up, without fours": of(
    [5, 13],
    (x) => scatterAdd(zeros([5], "i32"), x, 9),
  ),
  "70,000 rows that are added up": of(
    [70_000, 2],
    (x) => scatterAdd(zeros([70_000], "i32"), x, 3),
  ),
  "70,000 rows that are added up, by many": of(
    [70_000, 2],
    (x) => scatterAdd(zeros([70_000], "i32"), x, 300),
  ),
  "an order": of([3, 50], argsort),
  "an order of 70,000": of([70_000], argsort),
  "a window": of([6, 10, 8], (x) => dynamicSlice(x, 1, zeros([], "i32"), 3)),
  "a window without fours": of([6, 10, 7], (x) => dynamicSlice(x, 1, zeros([], "i32"), 3)),
  "a window that is written": ofTwo(
    [6, 10, 8],
    [6, 3, 8],
    (x, update) => dynamicUpdate(x, 1, zeros([], "i32"), update),
  ),
  "attention": attention({ q: [2, 37, 3, 20], k: [2, 37, 3, 20] }),
  "attention of groups and a window": attention({
    q: [1, 90, 4, 8],
    k: [1, 150, 2, 8],
    parameters: { window: 75, start: 11 },
  }),
  "attention of one query": attention({
    q: [3, 1, 6, 12],
    k: [3, 300, 2, 12],
    parameters: { start: "operand" },
    starts: [0, 299, 123],
  }),
  "attention of wide heads": attention({ q: [1, 9, 2, 68], k: [1, 7, 2, 68] }),
  "attention of heads without fours": attention({ q: [1, 9, 2, 7], k: [1, 9, 2, 7] }),
  "attention of documents": attention({
    q: [2, 80, 2, 8],
    k: [2, 80, 2, 8],
    parameters: { segments: true, softcap: 2 },
  }),
  "attention of a long context": attention({
    q: [1, 3000, 1, 8],
    k: [1, 3000, 1, 8],
    parameters: { causal: false },
  }),
};

/** Cases of which lanes may exchange directly what they have. */
const withSubgroups: ReadonlySet<string> = new Set([
  "a product of 7 rows",
  "sums of long rows",
  "sums of columns",
  "a sum of all",
  "the index of the largest of rows",
]);

/** Cases of which operands may be rounded. */
const inHalf: ReadonlySet<string> = new Set([
  "a small product, columns by apart",
  "a product of 7 rows",
  "products of a batch",
  "a deep layer",
]);

/** The adapters that kernels of a case are emitted for; others where they make a difference. */
function adaptersOf(name: string): Readonly<Record<string, Adapter>> {
  return {
    software: { kind: "software" },
    hardware: { kind: "hardware" },
    ...(withSubgroups.has(name) && {
      subgroups: { kind: "hardware", features: ["subgroups"] },
    }),
    ...(inHalf.has(name) && {
      f16: { kind: "hardware", precision: "f16", features: ["f16"] },
    }),
  };
}

/** The dispatches of a case, each with its effort. */
function linesOf(name: string, { f, inputs }: Case): string[] {
  return Object.entries(adaptersOf(name)).flatMap(([kind, adapter]) =>
    emitted(f, inputs, adapter).flatMap(({ dispatches, roleOf }) =>
      dispatches.map((dispatch) => `  ${kind}: ${effortOf(dispatch, roleOf)}`)
    )
  );
}

/** All cases, each with what its dispatches do: a line that names it, and the others below. */
export function efforts(): string {
  return Object.entries(cases).flatMap(([name, found]) => [name, ...linesOf(name, found)]).join(
    "\n",
  );
}

if (import.meta.main) console.log(efforts());
