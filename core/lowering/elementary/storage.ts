/**
 * Elements of 16 bits as f32 and back, by integer arithmetic alone: compilers for GPUs may round
 * either way, and take subnormal numbers for 0. See `core/half.ts` for the formats.
 */
import {
  add,
  and,
  bitcast,
  cast,
  constant,
  define,
  greater,
  less,
  minimum,
  mul,
  or,
  parameter,
  type Scalar,
  type ScalarFunction,
  shiftLeft,
  shiftRight,
  sub,
  where,
} from "./scalar.ts";

type Float = Scalar<"f32">;
type Word = Scalar<"u32">;

/** Exponents of f32 and of half precision are biased by 127 and by 15. */
const REBIAS = 127 - 15;

/** Bits of an f32's fraction that half precision lacks. */
const LACKING = 13;

/** A word divided by a power of two, rounded to the nearest, ties to even. */
function shiftedRight(word: Word, half: Word, bits: Word): Word {
  return shiftRight(add(word, add(half, and(shiftRight(word, bits), 1))), bits);
}

function bfloatToFloat(bits: Word): Float {
  return bitcast(shiftLeft(bits, 16), "f32");
}

function floatToBfloat(x: Float): Word {
  const bits = bitcast(x, "u32");
  const nearest = add(bits, add(and(shiftRight(bits, 16), 1), 0x7fff));
  const isNaN = greater(and(bits, 0x7fffffff), 0x7f800000);
  // The upper half of a NaN may be that of infinity, were it not for the first bit of the fraction.
  return shiftRight(where(isNaN, or(bits, 0x400000), nearest), 16);
}

function halfToFloat(bits: Word): Float {
  const magnitude = and(bits, 0x7fff);
  const moved = shiftLeft(magnitude, LACKING);
  // Whole units of 2^-24, which is a product of normal numbers.
  const subnormal = bitcast(mul(cast(magnitude, "f32"), 2 ** -24), "u32");
  const finite = where(less(magnitude, 0x400), subnormal, add(moved, REBIAS << 23));
  const size = where(less(magnitude, 0x7c00), finite, or(moved, 0x7f800000));
  return bitcast(or(size, shiftLeft(and(bits, 0x8000), 16)), "f32");
}

function floatToHalf(x: Float): Word {
  const bits = bitcast(x, "u32");
  const magnitude = and(bits, 0x7fffffff);
  const word = (value: number): Word => constant("u32", value);
  const normal = shiftedRight(
    sub(magnitude, REBIAS << 23),
    word(2 ** (LACKING - 1) - 1),
    word(LACKING),
  );
  // Beyond 25 bits nothing is left of the fraction.
  const isSubnormal = less(magnitude, (REBIAS + 1) << 23);
  const exponent = minimum(shiftRight(magnitude, 23), REBIAS);
  const places = minimum(sub(word(REBIAS + 14), exponent), 25);
  const fraction = or(and(bits, 0x7fffff), 0x800000);
  const half = sub(shiftLeft(word(1), sub(places, 1)), 1);
  const subnormal = shiftedRight(fraction, half, places);
  const finite = where(isSubnormal, subnormal, normal);
  // From 65,520 on infinity is nearer than the largest half, or as near and even.
  const number = where(less(magnitude, 0x477ff000), finite, 0x7c00);
  const notANumber = or(and(shiftRight(magnitude, LACKING), 0x3ff), 0x7e00);
  const size = where(greater(magnitude, 0x7f800000), notANumber, number);
  return or(size, and(shiftRight(bits, 16), 0x8000));
}

const [bits, x] = [parameter("u32"), parameter("f32")];

/** The functions of this file. */
export const storages = {
  bfloatToFloat: define([bits], bfloatToFloat(bits)),
  floatToBfloat: define([x], floatToBfloat(x)),
  halfToFloat: define([bits], halfToFloat(bits)),
  floatToHalf: define([x], floatToHalf(x)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
