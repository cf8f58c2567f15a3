/**
 * Random programs. Values stay within [-1, 1] and every step passes on at most the error that its
 * operands have, so that backends may differ by some roundings a step and no more.
 */
import {
  abs,
  add,
  apply,
  broadcastTo,
  cast,
  concat,
  cos,
  div,
  dynamicSlice,
  dynamicUpdate,
  erf,
  exp,
  gather,
  iota,
  key,
  less,
  matmul,
  max,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  rem,
  reshape,
  scatterAdd,
  sin,
  sizeOf,
  slice,
  sort,
  sqrt,
  square,
  stack,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  transpose,
  transposeLast,
  uniform,
  unsqueeze,
  where,
} from "@unitune/core";
import fc from "fast-check";

/** What a step works on: a tensor of at least one axis, another of any shape, an axis, a number. */
interface Operands {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly axis: number;
  readonly size: number;
  readonly amount: number;
}

/** y, or its mean where it does not stretch to x. */
function stretched({ x, y }: Operands): Tensor {
  const missing = x.shape.length - y.shape.length;
  const fits = missing >= 0 &&
    y.shape.every((size, axis) => size === 1 || size === x.shape[axis + missing]);
  return fits ? y : mean(y);
}

function half(x: Tensor): Tensor {
  return mul(x, 0.5);
}

/** Ids of rows along the first axis, some of them twice. */
function someRows({ x, amount }: Operands): Tensor {
  const [rows = 1] = x.shape;
  return rem(mul(iota([rows], 0), amount), rows);
}

const steps = {
  neg: ({ x }) => neg(x),
  tanh: ({ x }) => tanh(x),
  sin: ({ x }) => sin(x),
  cos: ({ x }) => cos(x),
  erf: ({ x }) => mul(erf(x), 0.8),
  exp: ({ x }) => exp(neg(abs(x))),
  root: ({ x }) => sub(sqrt(add(square(x), 1)), 1),
  add: (o) => half(add(o.x, stretched(o))),
  sub: (o) => half(sub(stretched(o), o.x)),
  mul: (o) => half(mul(o.x, stretched(o))),
  div: (o) => half(div(o.x, add(abs(stretched(o)), 1))),
  maximum: (o) => maximum(o.x, stretched(o)),
  minimum: (o) => minimum(stretched(o), o.x),
  where: (o) => where(less(iota(o.x.shape, o.axis), o.amount), o.x, stretched(o)),
  uniform: ({ x, amount }) => half(add(uniform(key(amount), x.shape), x)),
  ramp: ({ x, axis, size }) => half(add(x, div(cast(iota(x.shape, axis), "f32"), size))),
  barrier: ({ x, y }) => apply("barrier", [x, y], {}),
  stopGradient: ({ x }) => apply("stopGradient", [x], {}),
  mean: ({ x, axis }) => mean(x, { axes: [axis] }),
  meanOfAll: ({ x }) => mean(x),
  meanKept: ({ x, axis }) => mean(x, { axes: [axis], keepDims: true }),
  max: ({ x, axis }) => max(x, { axes: [axis] }),
  softmax: ({ x, axis }) => {
    const weights = exp(sub(x, max(x, { axes: [axis], keepDims: true })));
    return div(weights, sum(weights, { axes: [axis], keepDims: true }));
  },
  gram: ({ x }) => {
    const matrix = x.shape.length < 2 ? unsqueeze(x, 0) : x;
    return half(div(matmul(transposeLast(matrix), matrix), matrix.shape.at(-2) ?? 1));
  },
  rotate: ({ x, axis }) => {
    const axes = x.shape.map((_, i) => (i + axis + 1) % x.shape.length);
    return transpose(x, axes);
  },
  flatten: ({ x }) => reshape(x, [-1]),
  fold: ({ x, amount }) => reshape(x, sizeOf(x.shape) % amount === 0 ? [amount, -1] : [1, -1]),
  unfold: ({ x, axis }) => unsqueeze(x, axis),
  slice: ({ x, axis, size, amount }) => slice(x, axis, amount % size),
  cut: ({ x, axis, size, amount }) => slice(x, axis, 0, size - amount % size),
  repeat: ({ x, amount }) => broadcastTo(unsqueeze(x, 0), [amount, ...x.shape]),
  spread: ({ x, amount }) => broadcastTo(unsqueeze(x, -1), [...x.shape, amount]),
  pad: ({ x, axis }) => concat([mul(x, 0), x, mul(x, 0)], axis),
  concat: (o) => concat([o.x, broadcastTo(stretched(o), o.x.shape)], o.axis),
  stack: (o) => stack([neg(o.x), broadcastTo(stretched(o), o.x.shape)], o.axis),
  gather: (o) => gather(o.x, someRows(o)),
  scatterAdd: (o) => {
    const [rows = 1] = o.x.shape;
    return div(scatterAdd(someRows(o), o.x, rows), rows);
  },
  dynamicSlice: ({ x, axis, size, amount }) => dynamicSlice(x, axis, amount, Math.ceil(size / 2)),
  dynamicUpdate: (o) => {
    const update = slice(broadcastTo(stretched(o), o.x.shape), o.axis, Math.floor(o.size / 2));
    return dynamicUpdate(o.x, o.axis, o.amount - 1, update);
  },
  // The order of near elements may differ between backends; the sorted values differ little.
  sort: ({ x }) => sort(x),
} satisfies Record<string, (operands: Operands) => Tensor>;

/** A step, its operands named by how long before it they were computed. */
interface Step {
  readonly op: keyof typeof steps;
  readonly x: number;
  readonly y: number;
  readonly axis: number;
  readonly amount: number;
}

/** A program: its inputs' elements, its steps, and which of its values it returns. */
export interface RandomProgram {
  readonly elements: readonly number[];
  readonly steps: readonly Step[];
  readonly results: readonly number[];
}

const LARGEST = 400;
const shapes = [[3, 5], [2, 3, 4], [7], [], [4, 1]];

/** Random programs of a few steps. */
export const arbitraryProgram: fc.Arbitrary<RandomProgram> = fc.record({
  elements: fc.array(fc.integer({ min: -16, max: 16 }).map((x) => x / 16), {
    minLength: 24,
    maxLength: 24,
  }),
  steps: fc.array(
    fc.record({
      op: fc.constantFrom(...Object.keys(steps).filter(isStep)),
      x: fc.nat(4),
      y: fc.nat(9),
      axis: fc.nat(3),
      amount: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 16, size: "max" },
  ),
  results: fc.array(fc.nat(9), { maxLength: 3 }),
});

function isStep(name: string): name is keyof typeof steps {
  return name in steps;
}

/** Inputs of a program. */
export function inputsOf({ elements }: RandomProgram): Tensor[] {
  return shapes.map((shape, i) => {
    const size = sizeOf(shape);
    return tensor(Array.from({ length: size }, (_, j) => elements[(i + j) % 24] ?? 0), { shape });
  });
}

/** The program as a function; the value of the last step is its first result. */
export function runProgram(program: RandomProgram, inputs: readonly Tensor[]): Tensor[] {
  const values = [...inputs];
  const ago = (steps: number): Tensor => {
    const value = values.at(-1 - steps % values.length);
    if (value === undefined) throw new RangeError("a program has inputs");
    return value;
  };
  for (const { op, x, y, axis, amount } of program.steps) {
    const chosen = ago(x);
    const operand = chosen.shape.length === 0 ? unsqueeze(chosen, 0) : chosen;
    const position = axis % operand.shape.length;
    const size = operand.shape[position] ?? 1;
    const result = steps[op]({ x: operand, y: ago(y), axis: position, size, amount });
    if (sizeOf(result.shape) <= LARGEST) values.push(result);
  }
  return [ago(0), ...program.results.map(ago)];
}
