/** Logarithms. */
import { LN2_PARTS, LOG_SERIES } from "./polynomials.ts";
import {
  add,
  and,
  bitcast,
  call,
  cast,
  constant,
  define,
  div,
  equal,
  greater,
  isNan,
  less,
  madd,
  mul,
  or,
  parameter,
  polynomial,
  type Scalar,
  type ScalarFunction,
  shiftRight,
  sub,
  where,
} from "./scalar.ts";

type Float = Scalar<"f32">;

/** x = 2^e (1 + m) with 1 + m from sqrt(1/2) to sqrt(2). */
export interface Parts {
  readonly m: Float;
  readonly e: Float;
}

/** A number above 0 in parts; subnormal ones are scaled up by 2^23 first. */
function partsOf(x: Float): Parts {
  const isTiny = less(x, 2 ** -126);
  const bits = bitcast(where(isTiny, mul(x, 2 ** 23), x), "u32");
  const mantissa = bitcast(or(and(bits, 0x007fffff), 0x3f000000), "f32");
  const isLow = less(mantissa, Math.SQRT1_2);
  const m = sub(add(mantissa, where(isLow, mantissa, 0)), 1);
  const exponent = sub(bitcast(shiftRight(bits, 23), "i32"), 126);
  const shifted = sub(exponent, where(isTiny, constant("i32", 23), 0));
  return { m, e: cast(add(shifted, where(isLow, constant("i32", -1), 0)), "f32") };
}

/** `ln(2^e (1 + m))`. */
export function series({ m, e }: Parts): Float {
  const z = mul(m, m);
  const small = madd(mul(polynomial(m, LOG_SERIES), m), z, mul(e, LN2_PARTS[1]));
  return madd(e, LN2_PARTS[0], add(m, madd(z, -0.5, small)));
}

function log(x: Float): Float {
  const defined = where(greater(x, 0), series(partsOf(x)), NaN);
  const withZero = where(equal(x, 0), constant("f32", -Infinity), defined);
  return where(or(equal(bitcast(x, "u32"), 0x7f800000), isNan(x)), x, withZero);
}

/** `ln(1 + x)` as `ln(u) (x / (u - 1))` with u = 1 + x rounded, after Kahan. */
function log1p(x: Float): Float {
  const u = add(x, 1);
  const d = sub(u, 1);
  const isExact = or(equal(d, 0), equal(x, Infinity));
  return where(isExact, x, mul(call("log", "f32", [u]), div(x, d)));
}

const x = parameter("f32");

/** The functions of this file. */
export const logarithms = {
  log: define([x], log(x)),
  log1p: define([x], log1p(x)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
