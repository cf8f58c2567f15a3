/** Forward-mode differentiation of losses that are written over any arithmetic. */
import type { Arithmetic, Constant } from "../arithmetic.ts";
import type { Expression } from "./expression.ts";
import { literal, ONE, write, ZERO } from "./write.ts";

const { neg, add, sub, mul, div, exp, sigmoid } = write;

/** A value, and its slope in one variable. */
export interface Dual {
  readonly value: Expression;
  readonly slope: Expression;
}

const dual = (x: Dual | Constant): Dual =>
  "constant" in x ? { value: write.constant(x), slope: ZERO } : x;

/** An operation of one argument, from its value and its derivative there. */
const differentiable = (
  value: (x: Expression) => Expression,
  derivative: (x: Expression) => Expression,
) =>
(x: Dual): Dual => ({ value: value(x.value), slope: mul(x.slope, derivative(x.value)) });

/** On values with their slopes. */
export const onDuals: Arithmetic<Dual> = {
  neg: ({ value, slope }) => ({ value: neg(value), slope: neg(slope) }),
  add(a, b) {
    const y = dual(b);
    return { value: add(a.value, y.value), slope: add(a.slope, y.slope) };
  },
  sub(a, b) {
    const [x, y] = [dual(a), dual(b)];
    return { value: sub(x.value, y.value), slope: sub(x.slope, y.slope) };
  },
  mul(a, y) {
    const x = dual(a);
    const slope = add(mul(x.slope, y.value), mul(x.value, y.slope));
    return { value: mul(x.value, y.value), slope };
  },
  div({ value, slope }, by) {
    const divisor = write.constant(by);
    return { value: div(value, divisor), slope: div(slope, divisor) };
  },
  square: differentiable((x) => write.pow(x, 2), (x) => mul(literal(2), x)),
  relu: differentiable((x) => write.max(x, ZERO), (x) => write.above(x, ZERO)),
  sigmoid: differentiable(sigmoid, (x) => mul(sigmoid(x), sigmoid(neg(x)))),
  logSigmoid: differentiable(write.logSigmoid, (x) => sigmoid(neg(x))),
  exp: differentiable(exp, exp),
  expm1: differentiable(write.expm1, exp),
  logOdds: differentiable(write.logOdds, (x) => div(ONE, sub(ONE, exp(x)))),
  // Of the row of a rank: whoever gives the other rows takes their values at this rank.
  sort: (x) => x,
};

/** The variable that slopes are taken in. */
export function variable(value: Expression): Dual {
  return { value, slope: ONE };
}

/** A value that does not change with the variable. */
export function fixed(value: Expression): Dual {
  return { value, slope: ZERO };
}
