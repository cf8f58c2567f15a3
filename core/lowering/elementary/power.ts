/** Powers. */
import { powerOfTwo } from "./exponential.ts";
import { EXP2, LOG2_UNITS } from "./polynomials.ts";
import {
  abs,
  add,
  and,
  bitcast,
  call,
  cast,
  clamp,
  constant,
  define,
  equal,
  floor,
  greater,
  isNan,
  leadingZeros,
  less,
  lessEqual,
  mantissa,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
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
type Integer = Scalar<"i32">;
type Word = Scalar<"u32">;

/** The upper half of a product of two integers, by way of their halves. */
function multiplyHigh(a: Integer, b: Integer): Integer {
  const half = (x: Integer): Integer => and(x, 0xffff);
  const [highA, highB] = [shiftRight(a, 16), shiftRight(b, 16)];
  const low = mul(bitcast(half(a), "u32"), bitcast(half(b), "u32"));
  const [left, right] = [mul(highA, half(b)), mul(half(a), highB)];
  const carried = add(add(bitcast(shiftRight(low, 16), "i32"), half(left)), half(right));
  const whole = add(add(mul(highA, highB), shiftRight(left, 16)), shiftRight(right, 16));
  return add(whole, shiftRight(carried, 16));
}

const high = (a: Integer, b: Integer): Integer => call("multiplyHigh", "i32", [a, b]);

const within = (x: Integer, low: number, high: number): Integer => minimum(maximum(x, low), high);

/** A shift by a number of bits whose lowest 5 count. */
const by = (x: Integer): Word => and(bitcast(x, "u32"), 31);

/**
 * a^b = 2^y for a above 0 and b not 0: y in units of 2^-23, from 32-bit products alone. Compensated
 * sums of floats would take more steps, and compilers may rearrange them.
 */
function binaryPower(a: Float, b: Float): Float {
  const bits = bitcast(a, "u32");
  const isTiny = less(bits, 0x00800000);
  const up = where(isTiny, sub(leadingZeros(bits), 8), 0);
  const m = bitcast(mantissa(shiftLeft(bits, up)), "i32");
  // a = 2^e (1 + t) with 1 + t from sqrt(1/2) to sqrt(2), t in units of 2^-32.
  const isHigh = greater(m, Math.round(Math.SQRT2 * 2 ** 23));
  const t = where(
    isHigh,
    shiftLeft(sub(m, 2 ** 24), 8),
    shiftLeft(sub(m, 2 ** 23), 9),
  );
  const exponentA = sub(bitcast(shiftRight(bits, 23), "i32"), 127);
  const raisedBy = where(isTiny, sub(constant("i32", 1), bitcast(up, "i32")), 0);
  const e = add(add(exponentA, raisedBy), where(isHigh, constant("i32", 1), 0));
  const [first, ...rest] = LOG2_UNITS;
  if (first === undefined) throw new RangeError("the logarithm has coefficients");
  const g = rest.reduce<Integer>((sum, unit) => add(high(sum, t), unit), constant("i32", first));
  // log2 a in units of 2^-scale, with as many digits as fit.
  const upT = sub(bitcast(leadingZeros(bitcast(abs(t), "u32")), "i32"), 1);
  const upE = sub(bitcast(leadingZeros(bitcast(abs(e), "u32")), "i32"), 2);
  const isNear = equal(e, 0);
  const near = high(shiftLeft(t, by(upT)), g);
  const far = add(
    shiftLeft(e, by(upE)),
    shiftRight(high(t, g), by(sub(constant("i32", 30), upE))),
  );
  const logarithm = where(isNear, near, far);
  const scale = where(isNear, add(upT, 30), upE);
  const bitsB = bitcast(b, "u32");
  const size = high(logarithm, bitcast(shiftLeft(mantissa(bitsB), 7), "i32"));
  const product = where(less(b, 0), neg(size), size);
  // y is the product 2^-down in units of 2^-23.
  const exponentB = bitcast(and(shiftRight(bitsB, 23), 0xff), "i32");
  const down = add(sub(scale, exponentB), 102);
  const estimate = mul(
    cast(product, "f32"),
    powerOfTwo(within(sub(constant("i32", -23), down), -126, 127)),
  );
  const isFar = greater(abs(estimate), 200);
  const lowered = shiftRight(add(shiftRight(product, by(within(sub(down, 1), 0, 31))), 1), 1);
  const raised = shiftLeft(product, by(within(neg(down), 0, 31)));
  const y = where(greater(down, 0), lowered, raised);
  const nearest = shiftRight(add(y, 0x400000), 23);
  const f = mul(cast(sub(y, shiftLeft(nearest, 23)), "f32"), 2 ** -23);
  const end = where(greater(product, 0), constant("i32", 200), -200);
  const n = where(isFar, end, nearest);
  const half = shiftRight(n, 1);
  const power = polynomial(where(isFar, constant("f32", 0), f), EXP2);
  return mul(mul(power, powerOfTwo(half)), powerOfTwo(sub(n, half)));
}

/**
 * Whole powers up to 16 are products, which are exact where a float holds the power. Special cases as
 * in IEEE 754.
 */
function pow(a: Float, b: Float): Float {
  const size = bitcast(and(bitcast(a, "u32"), 0x7fffffff), "f32");
  const sizeBits = bitcast(size, "u32");
  const isWhole = equal(floor(b), b);
  const half = mul(b, 0.5);
  const isOdd = and(isWhole, not(equal(floor(half), half)));
  const times = cast(clamp(b, 0, 16), "u32");
  const squares = [1, 2, 3].reduce<Float[]>((powers, i) => {
    const last = powers[i - 1] ?? size;
    return [...powers, mul(last, last)];
  }, [size]);
  const product = squares.reduce<Float>(
    (sum, power, i) => where(equal(and(times, 2 ** i), 0), sum, mul(sum, power)),
    constant("f32", 1),
  );
  const eighth = squares[3] ?? size;
  const whole = where(equal(times, 16), mul(eighth, eighth), product);
  const isProduct = and(and(isWhole, lessEqual(constant("f32", 0), b)), lessEqual(b, 16));
  const finite = where(
    isProduct,
    whole,
    call("binaryPower", "f32", [size, b], not(isProduct)),
  );
  // Infinite where a base above 1 is raised, or one below 1 lowered.
  const isUnbounded = equal(and(bitcast(b, "u32"), 0x7fffffff), 0x7f800000);
  const isEnd = or(or(isUnbounded, equal(sizeBits, 0x7f800000)), equal(sizeBits, 0));
  const isRaised = equal(greater(size, 1), greater(b, 0));
  const end = where(isRaised, constant("f32", Infinity), 0);
  const magnitude = where(isEnd, end, finite);
  const sign = where(isOdd, and(bitcast(a, "u32"), 0x80000000), 0);
  const signed = bitcast(or(bitcast(magnitude, "u32"), sign), "f32");
  const isNegative = and(less(a, 0), not(equal(sizeBits, 0x7f800000)));
  const isUndefined = or(or(and(isNegative, not(isWhole)), isNan(a)), isNan(b));
  const isOne = or(or(equal(b, 0), equal(a, 1)), and(equal(size, 1), isUnbounded));
  const value = where(isUndefined, constant("f32", NaN), signed);
  return where(isOne, constant("f32", 1), value);
}

const [a, b] = [parameter("f32"), parameter("f32")];
const [i, j] = [parameter("i32"), parameter("i32")];

/** The functions of this file. */
export const powers = {
  pow: define([a, b], pow(a, b)),
  binaryPower: define([a, b], binaryPower(a, b)),
  multiplyHigh: define([i, j], multiplyHigh(i, j)),
} as const satisfies Readonly<Record<string, ScalarFunction>>;
