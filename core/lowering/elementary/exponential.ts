/** The exponential function, and functions made of it. */
import { GELU_CUBIC, GELU_LINEAR } from "../../primitives.ts";
import {
  EXP2,
  EXP_TAIL,
  GELU_NEAR,
  LN2_PARTS,
  TAIL_DENOMINATOR,
  TAIL_NUMERATOR,
} from "./polynomials.ts";
import {
  abs,
  add,
  and,
  atLeast,
  atMost,
  bitcast,
  call,
  clamp,
  define,
  div,
  equal,
  floor,
  greater,
  less,
  madd,
  mul,
  neg,
  parameter,
  polynomial,
  type Scalar,
  type ScalarFunction,
  shiftLeft,
  shiftRight,
  sub,
  where,
} from "./scalar.ts";

type Float = Scalar<"f32">;

/** Added to a number below 2^22, this leaves the nearest integer in the lowest bits. */
const ROUNDER = 1.5 * 2 ** 23;
const ROUNDER_BITS = 0x4b400000;

/** `2^n` for integers n from -126 to 127. Bits above the lowest 9 fall off. */
export function powerOfTwo(n: Scalar<"i32">): Float {
  return bitcast(shiftLeft(add(n, 127), 23), "f32");
}

/** `e^r - 1` for |r| <= ln 2 / 2, which may be a little more. */
export function nearExpm1(r: Float): Float {
  return madd(polynomial(r, EXP_TAIL), mul(r, r), r);
}

/**
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that n ln 2 is nearly exact. The
 * integer n stands in the lowest bits of `rounded`. It rests on roundings: of the sum with the
 * rounder, of the difference from it, and of n times each part of ln 2.
 */
function reduceByLn2(x: Float): { readonly rounded: Float; readonly r: Float } {
  const rounded = madd(x, Math.LOG2E, ROUNDER);
  const n = sub(rounded, ROUNDER);
  return { rounded, r: madd(n, -LN2_PARTS[1], madd(n, -LN2_PARTS[0], x)) };
}

/** `e^(x + rest)` for a rest of at most 1/8, as `2^n e^r` with x + rest = n ln 2 + r. */
function exponential(x: Float, rest?: Float): Float {
  const { rounded, r } = reduceByLn2(clamp(x, -104, 89));
  const mantissa = add(nearExpm1(rest === undefined ? r : add(r, rest)), 1);
  // The scale in two steps, since 2^n itself may be out of range where the result is not.
  const whole = sub(bitcast(rounded, "i32"), ROUNDER_BITS);
  const half = shiftRight(whole, 1);
  return mul(mul(mantissa, powerOfTwo(half)), powerOfTwo(sub(whole, half)));
}

const [x, y] = [parameter("f32"), parameter("f32")];

const exp = (x: Float): Float => call("exp", "f32", [x]);

/** `2^n (e^r - 1) + (2^n - 1)` up to 60, where 2^n is in range. e^-0 - 1 is -0. */
function expm1(x: Float): Float {
  const { rounded, r } = reduceByLn2(clamp(x, -80, 80));
  // The bits above the integer n fall off.
  const scale = powerOfTwo(bitcast(rounded, "i32"));
  const near = madd(scale, nearExpm1(r), sub(scale, 1));
  return where(equal(x, 0), x, where(greater(x, 60), exp(x), near));
}

/** `2^x` for x <= 0, and 0 below -126.5; half the steps of exp. It rests on roundings, as exp does. */
function exp2OfNegative(x: Float): Float {
  const clamped = atLeast(x, -127);
  const rounded = add(clamped, ROUNDER);
  const fraction = sub(clamped, sub(rounded, ROUNDER));
  // The bits above n as an integer fall off; 2^-127 is 0.
  return mul(polynomial(fraction, EXP2), powerOfTwo(bitcast(rounded, "i32")));
}

/**
 * `e^-|u|` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`. From 3 on the rounding of u is one of the result,
 * which counts below 0, where results are made of it alone.
 */
function geluDecay(x: Float): Float {
  const size = abs(x);
  const near = exp(neg(mul(size, madd(mul(size, size), GELU_CUBIC, GELU_LINEAR))));
  const isFar = and(less(x, -GELU_NEAR), less(size, 16));
  return where(isFar, call("geluFar", "f32", [size], isFar), near);
}

/** The factors of u in so few digits that a multiple of 1/8 up to 10 times them is exact. */
const [linear, cubic] = [Math.round(GELU_LINEAR * 2 ** 14) / 2 ** 14, 9 / 2 ** 8];

/**
 * `geluDecay` for sizes beyond 3, where the error of a rounded exponent is one of the result. So u is
 * taken apart: of h, a multiple of 1/8, a part of u is exact, and the rest small.
 */
function geluFar(size: Float): Float {
  const h = mul(floor(mul(size, 8)), 0.125);
  const cube = mul(mul(h, h), h);
  const exact = madd(cube, cubic, mul(h, linear));
  const square = mul(size, size);
  const slope = madd(add(square, mul(h, add(size, h))), GELU_CUBIC, GELU_LINEAR);
  const ofH = madd(cube, GELU_CUBIC - cubic, mul(h, GELU_LINEAR - linear));
  return mul(exp(neg(exact)), exp(neg(madd(sub(size, h), slope, ofH))));
}

/**
 * `e^(-x^2 / 2) P(|x|) / Q(|x|)`, with `x^2 = h^2 + (x - h)(x + h)` for the first 12 digits h of x, of
 * whose square none is lost.
 */
function normalTail(x: Float): Float {
  const size = atMost(abs(x), 16);
  const h = bitcast(and(bitcast(size, "u32"), 0xfffff000), "f32");
  const exact = mul(mul(h, h), -0.5);
  const rest = mul(mul(sub(size, h), add(size, h)), -0.5);
  const ratio = div(polynomial(size, TAIL_NUMERATOR), polynomial(size, TAIL_DENOMINATOR));
  return mul(call("expSum", "f32", [exact, rest]), ratio);
}

/** The functions of this file. */
export const exponentials = {
  exp: define([x], exponential(x)),
  expSum: define([x, y], exponential(x, y)),
  expm1: define([x], expm1(x)),
  exp2OfNegative: define([x], exp2OfNegative(x)),
  geluDecay: define([x], geluDecay(x)),
  geluFar: define([x], geluFar(x)),
  normalTail: define([x], normalTail(x)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
