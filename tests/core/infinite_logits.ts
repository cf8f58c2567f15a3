/**
 * What sums of exponentials give for infinite logits: values, and gradients of their sum, as PyTorch 2.13
 * has them (`torch.logsumexp`, `torch.softmax`, `torch.log_softmax` and `torch.autograd.grad`).
 */
import { grad } from "@unitune/autodiff";
import {
  compile,
  type Device,
  logSoftmax,
  logSumExp,
  reference,
  softmax,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";
import { packedAttention } from "../packed_attention.ts";

const I = Infinity;
const [a, b] = [0.2689414322376251, 0.7310585975646973];

/** Logits, the value, and its gradient. */
type Row = readonly [logits: number[], value: number[], gradient: number[]];

const none = [NaN, NaN];
const undefinedRows: readonly Row[] = [
  [[-I, -I], none, none],
  [[I, 0], none, none],
  [[I, I], none, none],
  [[I, -I], none, none],
  [[NaN, 0], none, none],
  [[NaN, I], none, none],
];

const expected: Readonly<Record<string, { f: (x: Tensor) => Tensor; rows: readonly Row[] }>> = {
  logSumExp: {
    f: (x) => logSumExp(x),
    rows: [
      [[-I, -I], [-I], [NaN, NaN]],
      [[I, 0], [I], [NaN, 0]],
      [[I, I], [I], [NaN, NaN]],
      [[I, -I], [I], [NaN, 0]],
      [[NaN, 0], [NaN], [NaN, NaN]],
      [[NaN, I], [NaN], [NaN, NaN]],
      [[-I, 0, 1], [1.31326162815094], [0, a, b]],
      [[-I, 1], [1], [0, 1]],
    ],
  },
  softmax: {
    f: (x) => softmax(x),
    rows: [
      ...undefinedRows,
      [[-I, 0, 1], [0, a, b], [0, 0, 0]],
      [[-I, 1], [0, 1], [0, 0]],
    ],
  },
  logSoftmax: {
    f: (x) => logSoftmax(x),
    rows: [
      ...undefinedRows,
      [[-I, 0, 1], [-I, -1.31326162815094, -0.31326165795326233], [
        1,
        0.19317570328712463,
        -1.1931757926940918,
      ]],
      [[-I, 1], [-I, 0], [1, -1]],
    ],
  },
};

/** Some roundings of numbers of size 1; what is infinite or no number has to be the same. */
function isNear(x: number, y: number): boolean {
  return Object.is(x, y) || x === y || Math.abs(x - y) <= 5e-7;
}

/** The rows that a device does not give. */
export async function wrongLogits(device: Device): Promise<string[]> {
  const wrong: string[] = [];
  for (const [name, { f, rows }] of Object.entries(expected)) {
    using program = compile(
      (x: Tensor) => ({ value: f(x), gradient: grad((x: Tensor) => sum(f(x)))(x) }),
      { device },
    );
    for (const [logits, value, gradient] of rows) {
      const result = program(tensor(logits));
      const elements = [...await result.value.data(), ...await result.gradient.data()];
      const right = [...value, ...gradient];
      if (!right.every((x, i) => isNear(elements[i] ?? NaN, x))) {
        wrong.push(`${name} of [${logits}] is [${elements}], not [${right}]`);
      }
    }
  }
  return wrong;
}

/** Keys of five positions, infinite ones among them; every query is 1. */
const keys = [
  [0, -I, 1, -I, 2],
  [-I, -I, 0, 1, -I],
  [0, I, 1, 2, 3],
  [NaN, 0, 1, 2, 3],
];

/** Sequences of infinite scores whose attention is not the reference's. */
export async function wrongAttention(device: Device): Promise<string[]> {
  const wrong: string[] = [];
  using program = compile((x: Tensor) => packedAttention(x), { device });
  using oracle = compile((x: Tensor) => packedAttention(x), { device: reference() });
  for (const own of keys) {
    // Query, key and value of each position.
    const x = tensor(own.map((key, t) => [[[1]], [[key]], [[t]]]), { shape: [1, 5, 3, 1, 1] });
    const [actual, right] = [await program(x).data(), await oracle(x).data()];
    if (![...right].every((y, i) => isNear(actual[i] ?? NaN, y))) {
      wrong.push(`of keys [${own}]: [${actual}], not [${right}]`);
    }
  }
  return wrong;
}
