/** Sine and cosine. */
import { COSINE, QUARTER_PARTS, QUARTERS, SINE } from "./polynomials.ts";
import {
  abs,
  add,
  and,
  bitcast,
  call,
  cast,
  constant,
  define,
  equal,
  greater,
  less,
  madd,
  mantissa,
  maximum,
  mul,
  or,
  parameter,
  polynomial,
  type Scalar,
  type ScalarFunction,
  shiftLeft,
  shiftRight,
  sub,
  where,
  xor,
} from "./scalar.ts";

type Float = Scalar<"f32">;
type Word = Scalar<"u32">;

/** Up to here quarter turns are taken off in f32; their number has 13 bits. */
const NEAR = 8192;

/**
 * Zero bits in front of the bits of 2 / pi, and the exponent of the first float that begins there.
 */
const FRONT = 16;
const FRONT_PLACE = 152 - FRONT;

/** 32 bits of `2 / pi` by their number, behind zeros. */
function quarterBits(index: Word): Word {
  const bits = (i: number) =>
    Number(BigInt.asUintN(32, QUARTERS >> BigInt(256 + FRONT - 32 * (i + 1))));
  return [1, 2, 3, 4, 5].reduce(
    (other, i) => where(equal(index, i), constant("u32", bits(i)), other),
    constant("u32", bits(0)),
  );
}

/**
 * `x 2 / pi` modulo 4 in units of 2^-30, for |x| = m 2^(e - 150) from 1 on (Payne and Hanek, 1983); it
 * wraps, so that -x gives the negative.
 */
function farTurns(x: Float): Word {
  const bits = bitcast(x, "u32");
  const m = mantissa(bits);
  const exponent = and(shiftRight(bits, 23), 0xff);
  const place = sub(maximum(exponent, FRONT_PLACE), FRONT_PLACE);
  const word = shiftRight(place, 5);
  const left = and(place, 31);
  const right = sub(constant("u32", 31), left);
  const window = (first: Word, next: Word) =>
    or(shiftLeft(first, left), shiftRight(shiftRight(next, 1), right));
  const middle = quarterBits(add(word, 1));
  const high = window(quarterBits(word), middle);
  const low = window(middle, quarterBits(add(word, 2)));
  // m low / 2^32, by products of 32 bits: each loses less than a unit.
  const [upper, lower] = [shiftRight(low, 16), and(low, 0xffff)];
  const carried = [
    shiftRight(mul(shiftRight(m, 12), upper), 4),
    shiftRight(mul(and(m, 0xfff), upper), 16),
    shiftRight(mul(shiftRight(m, 8), lower), 24),
  ];
  const turns = carried.reduce((sum, part) => add(sum, part), mul(m, high));
  return where(less(x, 0), sub(constant("u32", 0), turns), turns);
}

/**
 * x less n quarter turns, for |n| of 13 bits; the turn is in three parts, so that few digits are lost.
 * It rests on the rounding of each product.
 */
function quarterRest(x: Float, n: Float): Float {
  return QUARTER_PARTS.reduce((rest, part) => madd(n, -part, rest), x);
}

/** The nearest integer of a size below 2^22, half to even; it rests on the rounding of the sum. */
function nearest(x: Float): Float {
  return sub(add(x, 1.5 * 2 ** 23), 1.5 * 2 ** 23);
}

/** sin (shift 0) or cos (shift 1): quarter turns are taken off, then one of two polynomials. */
function circular(x: Float, shift: 0 | 1): Float {
  const n = call("nearest", "f32", [mul(x, 2 / Math.PI)]);
  const isFar = greater(abs(x), NEAR);
  const turns = call("farTurns", "u32", [x], isFar);
  const farQuarter = shiftRight(add(turns, 0x20000000), 30);
  const farUnits = cast(bitcast(sub(turns, shiftLeft(farQuarter, 30)), "i32"), "f32");
  const near = call("quarterRest", "f32", [x, n]);
  const r = where(isFar, mul(farUnits, Math.PI / 2 ** 31), near);
  const number = where(isFar, bitcast(farQuarter, "i32"), cast(n, "i32"));
  const quarter = shift === 0 ? number : add(number, shift);
  const z = mul(r, r);
  const sine = madd(mul(polynomial(z, SINE), z), r, r);
  const cosine = add(madd(polynomial(z, COSINE), mul(z, z), mul(z, -0.5)), 1);
  const size = where(equal(and(quarter, 1), 1), cosine, sine);
  const sign = shiftLeft(bitcast(and(quarter, 2), "u32"), 30);
  const value = bitcast(xor(bitcast(size, "u32"), sign), "f32");
  const isFinite = less(and(bitcast(x, "u32"), 0x7fffffff), 0x7f800000);
  // sin of -0 is -0, which the parts lose.
  const withZero = shift === 0 ? where(equal(x, 0), x, value) : value;
  return where(isFinite, withZero, NaN);
}

const [x, n] = [parameter("f32"), parameter("f32")];

/** The functions of this file. */
export const circulars = {
  sin: define([x], circular(x, 0)),
  cos: define([x], circular(x, 1)),
  nearest: define([x], nearest(x)),
  quarterRest: define([x, n], quarterRest(x, n)),
  farTurns: define([x], farTurns(x)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
