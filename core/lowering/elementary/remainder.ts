/** The remainder of floats. */
import {
  and,
  bitcast,
  call,
  constant,
  define,
  equal,
  greater,
  leadingZeros,
  less,
  lessEqual,
  maximum,
  minimum,
  not,
  or,
  parameter,
  rem,
  type Scalar,
  type ScalarFunction,
  shiftLeft,
  shiftRight,
  sub,
  where,
} from "./scalar.ts";

type Float = Scalar<"f32">;
type Word = Scalar<"u32">;

/** Bits that a remainder of 24 bits has room for. */
const BITS = 8;

/** The number of times that `takeOff` takes bits on, and the number of bits in all. */
const TIMES = 5;
const BLOCK = TIMES * BITS;

/** The exponents of the largest float and the smallest one are so far apart. */
const BLOCKS = Math.ceil(254 / BLOCK);

/** `rest 2^left mod m`, for as many as {@linkcode BLOCK} of the bits left. */
function takeOff(rest: Word, m: Word, left: Word): Word {
  let value = rest;
  let bitsLeft = left;
  for (let time = 0; time < TIMES; time++) {
    const bits = minimum(bitsLeft, BITS);
    value = rem(shiftLeft(value, bits), m);
    bitsLeft = sub(bitsLeft, bits);
  }
  return value;
}

/** Exact, as C's fmod: the dividend's mantissa modulo the divisor's, then some bits more at a time. */
function remainder(a: Float, b: Float): Float {
  const [x, y] = [and(bitcast(a, "u32"), 0x7fffffff), and(bitcast(b, "u32"), 0x7fffffff)];
  const isDefined = and(and(less(x, 0x7f800000), lessEqual(y, 0x7f800000)), not(equal(y, 0)));
  // Without a remainder to find, 1 by 1.
  const isLess = less(x, y);
  const isFound = and(isDefined, not(isLess));
  const one = constant("u32", 0x3f800000);
  const [dividend, divisor] = [where(isFound, x, one), where(isFound, y, one)];
  const mantissa = (bits: Word) => {
    const isNormal = lessEqual(constant("u32", 0x00800000), bits);
    return or(and(bits, 0x007fffff), where(isNormal, constant("u32", 0x00800000), 0));
  };
  const m = mantissa(divisor);
  const exponent = maximum(shiftRight(divisor, 23), 1);
  const distance = sub(maximum(shiftRight(dividend, 23), 1), exponent);
  let rest = rem(mantissa(dividend), m);
  for (let block = 0; block < BLOCKS; block++) {
    const left = sub(distance, minimum(distance, block * BLOCK));
    const isLeft = greater(left, 0);
    rest = where(isLeft, call("takeOff", "u32", [rest, m, left], isLeft), rest);
  }
  // The rest times 2^(exponent - 150), by its bits.
  const up = minimum(sub(leadingZeros(rest), 8), sub(exponent, 1));
  const raised = shiftLeft(rest, and(up, 31));
  const isNormal = lessEqual(constant("u32", 0x00800000), raised);
  const biased = where(isNormal, sub(exponent, up), 0);
  const bits = or(and(raised, 0x007fffff), shiftLeft(biased, 23));
  const size = where(isLess, x, where(equal(rest, 0), constant("u32", 0), bits));
  const signed = bitcast(or(size, and(bitcast(a, "u32"), 0x80000000)), "f32");
  return where(isDefined, signed, NaN);
}

const [a, b] = [parameter("f32"), parameter("f32")];
const [rest, m, left] = [parameter("u32"), parameter("u32"), parameter("u32")];

/** The functions of this file. */
export const remainders = {
  remainder: define([a, b], remainder(a, b)),
  takeOff: define([rest, m, left], takeOff(rest, m, left)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
