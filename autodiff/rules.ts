/** The gradient of every primitive: one exhaustive table. */
import {
  abs,
  add,
  and,
  apply,
  applyAll,
  at,
  attentionGradientOperands,
  broadcastTo,
  cast,
  concat,
  cos,
  type CustomRule,
  div,
  dynamicSlice,
  dynamicUpdate,
  equal,
  exp,
  gather,
  gaussian,
  GELU_CUBIC,
  GELU_LINEAR,
  isFloat,
  less,
  lessEqual,
  log,
  matmul,
  mul,
  neg,
  pow,
  type PrimitiveName,
  type PrimitiveParameters,
  reshape,
  scatterAdd,
  type Shape,
  sign,
  sin,
  square,
  sub,
  sum,
  type Tensor,
  transpose,
  transposeLast,
  where,
  zeros,
} from "@unitune/core";
import { secondGradient } from "./attention.ts";

/** An applied primitive whose gradient is taken. */
export interface Application<P extends PrimitiveName> {
  /**
   * The gradient of the loss with respect to each result, `g` in the formulas where there is one;
   * zeros for a result on which the loss does not depend.
   */
  readonly cotangents: readonly Tensor[];
  /** The operands. */
  readonly inputs: readonly Tensor[];
  /** The results, `y` in the formulas where there is one. */
  readonly outputs: readonly Tensor[];
  /** The static parameters. */
  readonly parameters: PrimitiveParameters[P];
}

/** The cotangent of each operand, null for none; operands that are no floats have none. */
export type Cotangents = readonly (Tensor | null)[];

/** A part of a cotangent that is zero almost everywhere: it is added where it is not. */
export interface SparsePart {
  /** The sum of the parts so far and this one (default: this one alone). */
  readonly addTo: (sum?: Tensor) => Tensor;
}

/** A function from the cotangents of the results to the cotangents of the operands. */
export type GradientRule<P extends PrimitiveName> = (
  application: Application<P>,
) => readonly (Tensor | SparsePart | null)[];

/** The backward function that autodiff keeps behind the opaque rule of `customVjp`. */
export interface CustomVjpRule extends CustomRule {
  /** The cotangents of the operands after the values. */
  readonly backward: (
    operands: readonly Tensor[],
    values: readonly Tensor[],
    cotangents: readonly Tensor[],
  ) => Cotangents;
}

function isCustomVjpRule(rule: CustomRule): rule is CustomVjpRule {
  return "backward" in rule && typeof rule.backward === "function";
}

function operand(inputs: readonly Tensor[], index: number): Tensor {
  const input = inputs[index];
  if (input === undefined) throw new RangeError(`operand ${index} is missing`);
  return input;
}

/** The tensor of the only result, or its cotangent. */
const only = (cotangents: readonly Tensor[]): Tensor => operand(cotangents, 0);

/** A rule for a primitive of one operand: its cotangent from g, x and y. */
function unary<P extends PrimitiveName>(
  formula: (g: Tensor, x: Tensor, y: Tensor) => Tensor,
): GradientRule<P> {
  return ({ cotangents, inputs, outputs }) => [
    formula(only(cotangents), operand(inputs, 0), only(outputs)),
  ];
}

/** A rule for a primitive of two operands: their cotangents from g, a, b and y. */
function binary<P extends PrimitiveName>(
  formula: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => Cotangents,
): GradientRule<P> {
  return ({ cotangents, inputs, outputs }) =>
    formula(only(cotangents), operand(inputs, 0), operand(inputs, 1), only(outputs));
}

/** A rule for a primitive whose result is constant between jumps, or not a float. */
const none: GradientRule<PrimitiveName> = ({ inputs }) => inputs.map(() => null);

/** g where a wins over b, half of it where they tie; then the rest. */
function shared(g: Tensor, wins: Tensor, ties: Tensor): Cotangents {
  const first = mul(g, where(ties, 0.5, cast(wins, g.dtype)));
  return [first, sub(g, first)];
}

/** A tensor reduced over axes, repeated along them again. */
function spread(reduced: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  const kept = shape.map((size, axis) => axes.includes(axis) ? 1 : size);
  return broadcastTo(reshape(reduced, kept), shape);
}

/** x amid zeros of a shape, its first element at `start`. */
function pad(x: Tensor, shape: Shape, start: readonly number[]): Tensor {
  return shape.reduce((padded, size, axis) => {
    const before = at(start, axis);
    const after = size - before - at(padded.shape, axis);
    const gap = (width: number) =>
      width === 0 ? [] : [zeros(padded.shape.with(axis, width), x.dtype)];
    return concat([...gap(before), padded, ...gap(after)], axis);
  }, x);
}

/**
 * The gradient rules, typed by primitive: `g` is the cotangent of the result `y`, and each rule
 * gives one cotangent for each operand. They use core's operations alone, so that a gradient has
 * gradients itself.
 */
export const rules: { readonly [P in PrimitiveName]: GradientRule<P> } = {
  fill: none,
  iota: none,
  // -g
  neg: unary((g) => neg(g)),
  // g sign x; 0 at 0
  abs: unary((g, x) => mul(g, sign(x))),
  sign: none,
  floor: none,
  // g y
  exp: unary((g, _, y) => mul(g, y)),
  // g e^x, which is not y + 1 where y is near -1
  expm1: unary((g, x) => mul(g, exp(x))),
  // g / x
  log: unary((g, x) => div(g, x)),
  // g / (1 + x)
  log1p: unary((g, x) => div(g, add(x, 1))),
  // g / (2 y)
  sqrt: unary((g, _, y) => div(mul(g, 0.5), y)),
  // g cos x
  sin: unary((g, x) => mul(g, cos(x))),
  // -g sin x
  cos: unary((g, x) => mul(g, neg(sin(x)))),
  // g (1 - y^2) = g 4 e / (1 + e)^2 with e = e^-2|x|, in which no digits cancel where y is near 1
  tanh: unary((g, x) => {
    const e = exp(mul(abs(x), -2));
    return mul(g, div(mul(e, 4), square(add(e, 1))));
  }),
  // g 2 / sqrt(pi) e^(-x^2)
  erf: unary((g, x) => mul(g, mul(square(gaussian(x)), 2 / Math.sqrt(Math.PI)))),
  // -g sign(x) u' y with u' = a + 3 b x^2; 0 at 0
  geluDecay: unary((g, x, y) => {
    const steepness = add(mul(square(x), 3 * GELU_CUBIC), GELU_LINEAR);
    return neg(mul(g, mul(mul(sign(x), steepness), y)));
  }),
  // -g sign(x) e^(-x^2 / 2) / sqrt(2 pi); 0 at 0
  normalTail: unary((g, x) =>
    neg(mul(g, mul(mul(sign(x), gaussian(x)), 1 / Math.sqrt(2 * Math.PI))))
  ),
  not: none,
  bitcast: none,
  // g in the operand's dtype; none through integers
  cast: ({ cotangents, inputs }) => {
    const cotangent = only(cotangents);
    const { dtype } = operand(inputs, 0);
    return [isFloat(dtype) && isFloat(cotangent.dtype) ? cast(cotangent, dtype) : null];
  },
  // g, g
  add: binary((g) => [g, g]),
  // g, -g
  sub: binary((g) => [g, neg(g)]),
  // g b, g a
  mul: binary((g, a, b) => [mul(g, b), mul(g, a)]),
  // g / b, -g y / b
  div: binary((g, _, b, y) => [div(g, b), neg(mul(g, div(y, b)))]),
  // g b a^(b-1), g y ln a. Both are 0 at 0^0, and the second wherever a = 0 and b >= 0: the exponent
  // and the base are replaced before the power and the logarithm, so that no derivative of theirs is
  // NaN.
  pow: binary((g, a, b, y) => {
    const atZero = equal(a, 0);
    const exponent = where(and(atZero, equal(b, 0)), 1, sub(b, 1));
    return [
      mul(g, mul(b, pow(a, exponent))),
      mul(g, mul(y, log(where(and(atZero, lessEqual(0, b)), 1, a)))),
    ];
  }),
  // g [a > b], g [a < b]; half each where a = b
  maximum: binary((g, a, b) => shared(g, less(b, a), equal(a, b))),
  // g [a < b], g [a > b]; half each where a = b
  minimum: binary((g, a, b) => shared(g, less(a, b), equal(a, b))),
  // y = a - b trunc(a / b): g, -g trunc(a / b) = -g (a - y) / b, the quotient being constant
  rem: binary((g, a, b, y) => {
    const quotient = div(sub(a, y), b);
    const size = add(abs(quotient), 0.5);
    return [g, neg(mul(g, mul(sign(quotient), apply("floor", [size], {}))))];
  }),
  equal: none,
  less: none,
  lessEqual: none,
  and: none,
  or: none,
  // none, g where the condition holds, g elsewhere
  where: ({ cotangents, inputs }) => {
    const cotangent = only(cotangents);
    const condition = operand(inputs, 0);
    return [null, where(condition, cotangent, 0), where(condition, 0, cotangent)];
  },
  // g, repeated along the axes
  sum: ({ cotangents, inputs, parameters: { axes } }) => [
    spread(only(cotangents), operand(inputs, 0).shape, axes),
  ],
  // g to the maxima, in equal parts where several tie
  reduceMax: ({ cotangents, inputs, outputs, parameters: { axes } }) => {
    const x = operand(inputs, 0);
    const largest = equal(x, spread(only(outputs), x.shape, axes));
    const share = div(only(cotangents), sum(cast(largest, x.dtype), { axes }));
    return [where(largest, spread(share, x.shape, axes), 0)];
  },
  argmax: none,
  argsort: none,
  // g b', a' g
  matmul: binary((g, a, b) => [matmul(g, transposeLast(b)), matmul(transposeLast(a), g)]),
  // the gradients for g, none for the integers of the mask
  attention: ({ cotangents, inputs, parameters }) => [
    ...applyAll("attentionGradient", inputs.toSpliced(3, 0, only(cotangents)), parameters),
    ...inputs.slice(3).map(() => null),
  ],
  // see secondGradient; none for the integers of the mask
  attentionGradient: ({ cotangents, inputs, parameters }) => {
    const operands = attentionGradientOperands(inputs, parameters);
    const given = [operand(cotangents, 0), operand(cotangents, 1), operand(cotangents, 2)] as const;
    const { q, k, v, g } = secondGradient(operands, given, parameters);
    return [q, k, v, g, ...inputs.slice(4).map(() => null)];
  },
  // g in the operand's shape
  reshape: unary((g, x) => reshape(g, x.shape)),
  // g with the axes back in their order
  transpose: ({ cotangents, parameters: { permutation } }) => [
    transpose(only(cotangents), permutation.map((_, axis) => permutation.indexOf(axis))),
  ],
  // g summed over the axes that were repeated
  expand: unary((g, x) => {
    const axes = x.shape.flatMap((size, axis) => size === g.shape[axis] ? [] : [axis]);
    return sum(g, { axes, keepDims: true });
  }),
  // g amid zeros
  slice: ({ cotangents, inputs, parameters: { start } }) => [
    pad(only(cotangents), operand(inputs, 0).shape, start),
  ],
  // to each operand its part of g
  concat: ({ cotangents, inputs, parameters: { axis } }) => {
    let end = 0;
    return inputs.map(({ shape }) => {
      const start = end;
      end += at(shape, axis);
      return apply("slice", [only(cotangents)], {
        start: shape.map((_, i) => i === axis ? start : 0),
        end: shape.map((size, i) => i === axis ? end : size),
      });
    });
  },
  // rows of g added to the rows of the table that they came from
  gather: ({ cotangents, inputs }) => {
    const [table, ids] = [operand(inputs, 0), operand(inputs, 1)];
    return [{
      addTo: (sum) => scatterAdd(ids, only(cotangents), sum ?? at(table.shape, 0)),
    }, null];
  },
  // none, the rows of g; 0 where an id is outside, since that update fell away; g for a table
  scatterAdd: ({ cotangents, inputs, parameters: { rows } }) => {
    const [ids, updates] = [operand(inputs, 0), operand(inputs, 1)];
    const inside = and(lessEqual(0, ids), less(ids, rows));
    const rowAxes = updates.shape.slice(ids.shape.length).map(() => 1);
    const found = gather(only(cotangents), ids);
    return [
      null,
      where(reshape(inside, [...ids.shape, ...rowAxes]), found, 0),
      ...inputs.slice(2).map(() => only(cotangents)),
    ];
  },
  // g written amid zeros, none
  dynamicSlice: ({ cotangents, inputs, parameters: { axis } }) => {
    const [x, start] = [operand(inputs, 0), operand(inputs, 1)];
    return [dynamicUpdate(zeros(x.shape, x.dtype), axis, start, only(cotangents)), null];
  },
  // g with zeros where the update was written, that part of g, none
  dynamicUpdate: ({ cotangents, inputs, parameters: { axis } }) => {
    const cotangent = only(cotangents);
    const [update, start] = [operand(inputs, 1), operand(inputs, 2)];
    return [
      dynamicUpdate(cotangent, axis, start, zeros(update.shape, update.dtype)),
      dynamicSlice(cotangent, axis, start, at(update.shape, axis)),
      null,
    ];
  },
  randomBits: none,
  stopGradient: none,
  // none for the values, the rule's cotangents for the others
  customVjp: ({ cotangents, inputs, outputs, parameters: { rule, values } }) => {
    if (!isCustomVjpRule(rule)) {
      throw new Error(`the rule ${rule.name} is none of autodiff's: make it with customVjp`);
    }
    const others = rule.backward(inputs.slice(values), outputs, cotangents);
    return [...outputs.map(() => null), ...others];
  },
  // g, none
  barrier: binary((g) => [g, null]),
};
