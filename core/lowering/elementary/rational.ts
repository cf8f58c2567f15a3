/** Functions that are quotients of polynomials. */
import { ERF_DENOMINATOR, ERF_NUMERATOR, TANH_DENOMINATOR, TANH_NUMERATOR } from "./polynomials.ts";
import {
  clamp,
  define,
  div,
  mul,
  parameter,
  polynomial,
  type Scalar,
  type ScalarFunction,
} from "./scalar.ts";

type Float = Scalar<"f32">;

/** Within 6 units in the last place; beyond the limit 1, since no rounding is large enough there. */
function tanh(x: Float): Float {
  const y = clamp(x, -9.5, 9.5);
  const z = mul(y, y);
  const numerator = mul(y, polynomial(z, TANH_NUMERATOR));
  return clamp(div(numerator, polynomial(z, TANH_DENOMINATOR)), -1, 1);
}

/** Beyond the limit erf rounds to 1. P is small, and a small y times it would lose digits. */
function erf(x: Float): Float {
  const y = clamp(x, -4, 4);
  const z = mul(y, y);
  return mul(y, div(polynomial(z, ERF_NUMERATOR), polynomial(z, ERF_DENOMINATOR)));
}

const x = parameter("f32");

/** The functions of this file. */
export const rationals = {
  tanh: define([x], tanh(x)),
  erf: define([x], erf(x)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
