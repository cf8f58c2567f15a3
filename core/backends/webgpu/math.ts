/**
 * Functions in WGSL beside those that all backends share, on the types F, I, U and B: one lane or
 * four (see `shader.ts`).
 *
 * WGSL's own functions are too coarse (sin to 2^-11, log to 2^-21 near 1) and differ between
 * drivers. Its compilers may rearrange sums and products, so functions that rest on roundings are
 * written in another way here. NaN is told by its bits, since `x != x` may be folded to false. A
 * processor may take subnormal floats for 0, as WGSL allows it to.
 */
import { at } from "../../shape.ts";
import { nearExpm1 } from "../../lowering/elementary/exponential.ts";
import { series } from "../../lowering/elementary/logarithm.ts";
import { EXP_TAIL, LN2_PARTS, QUARTER_PARTS } from "../../lowering/elementary/polynomials.ts";
import {
  abs,
  add,
  and,
  call,
  constant,
  define,
  equal,
  greater,
  less,
  parameter,
  type Scalar,
  type ScalarFunction,
  sub,
  where,
} from "../../lowering/elementary/scalar.ts";
import type { ElementaryFunction } from "../../lowering/operations.ts";

/** Functions that only WGSL needs. */
export type Helper =
  | "isNan"
  | "infinity"
  | "nan"
  | "powerOfTwo"
  | "expTail"
  | "atLeast"
  | "atMost"
  | "maximumOf"
  | "minimumOf"
  | "signOf"
  | "divideI"
  | "divideU"
  | "remainderI"
  | "remainderU"
  | "toI"
  | "toU"
  | "toB";

/** Functions that kernels may use; in WGSL `exp` is `expOf`, and so on. */
export type MathFunction = Helper | ElementaryFunction;

/** A function's text. */
export interface Definition {
  /** The functions that it calls. */
  readonly needs: readonly MathFunction[];
  readonly source: string;
}

/** A finite number as an argument, an f32; by its bits where compilers may make 0 of it. */
export function literal(value: number): string {
  const rounded = Math.fround(value);
  if (Object.is(rounded, -0) || rounded !== 0 && Math.abs(rounded) < 2 ** -126) {
    const bits = new DataView(new Float32Array([rounded]).buffer).getUint32(0, true);
    return `bitcast<f32>(0x${bits.toString(16)}u)`;
  }
  return `${rounded}f`;
}

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
function polynomial(x: string, coefficients: readonly number[]): string {
  return coefficients.slice(1).reduce(
    (sum, next) => `fma(${sum}, ${x}, F(${literal(next)}))`,
    `F(${literal(at(coefficients, 0))})`,
  );
}

const expTail = polynomial("r", EXP_TAIL);

/**
 * `e^x`, or `e^(x + rest)`. The scale in two steps, since 2^n itself may be out of range where the
 * result is not. The parts of ln 2 are multiplied by n and 3 n: compilers would add up factors of one
 * number, and round x away; and they would take a rounder off at once, so n is found by `floor`.
 */
function exponential(name: string, rest: "" | "rest"): string {
  return `fn ${name}(x: F${rest === "" ? "" : ", rest: F"}) -> F {
  let clamped = min(max(x, F(-104f)), F(89f));
  let n = floor(fma(clamped, F(${literal(Math.LOG2E)}), F(0.5f)));
  let whole = I(n);
  let high = fma(n, F(${literal(-LN2_PARTS[0])}), clamped);
  let r = fma(F(whole * I(3)), F(${literal(-LN2_PARTS[1] / 3)}), high)${
    rest === "" ? "" : " + rest"
  };
  let half = whole >> U(1u);
  let scaled = (expTail(r) + F(1f)) * powerOfTwo(half) * powerOfTwo(whole - half);
  return select(scaled, x, isNan(x));
}`;
}

/** The functions that only WGSL needs. */
export const helpers: { readonly [F in Helper]: Definition } = {
  isNan: {
    needs: [],
    source: `fn isNan(x: F) -> B { return (bitcast<U>(x) & U(0x7fffffffu)) > U(0x7f800000u); }`,
  },
  // WGSL refuses infinities and NaN that it can see; a private variable hides them.
  infinity: {
    needs: [],
    source: `var<private> infinityBits: u32 = 0x7f800000u;
fn infinity() -> F { return F(bitcast<f32>(infinityBits)); }`,
  },
  nan: {
    needs: [],
    source: `var<private> nanBits: u32 = 0x7fc00000u;
fn nan() -> F { return F(bitcast<f32>(nanBits)); }`,
  },
  powerOfTwo: {
    needs: [],
    source: `fn powerOfTwo(n: I) -> F { return bitcast<F>((n + I(127)) << U(23u)); }`,
  },
  expTail: {
    needs: [],
    source: `fn expTail(r: F) -> F { return fma(${expTail} * r, r, r); }`,
  },
  // WGSL leaves open the result of its own min and max for NaN.
  atLeast: {
    needs: ["isNan"],
    source: `fn atLeast(x: F, low: F) -> F { return select(max(x, low), x, isNan(x)); }`,
  },
  atMost: {
    needs: ["isNan"],
    source: `fn atMost(x: F, high: F) -> F { return select(min(x, high), x, isNan(x)); }`,
  },
  // Of 0 and -0, whose bits are taken together, the larger is 0.
  maximumOf: {
    needs: ["isNan"],
    source: `fn maximumOf(a: F, b: F) -> F {
  let tied = bitcast<F>(bitcast<U>(a) & bitcast<U>(b));
  let larger = select(select(b, a, a > b), tied, a == b);
  return select(select(larger, b, isNan(b)), a, isNan(a));
}`,
  },
  minimumOf: {
    needs: ["isNan"],
    source: `fn minimumOf(a: F, b: F) -> F {
  let tied = bitcast<F>(bitcast<U>(a) | bitcast<U>(b));
  let smaller = select(select(b, a, a < b), tied, a == b);
  return select(select(smaller, b, isNan(b)), a, isNan(a));
}`,
  },
  // By bits: compilers turn selections into their own sign, which keeps the sign of -0.
  signOf: {
    needs: ["isNan"],
    source: `fn signOf(x: F) -> F {
  let bits = bitcast<U>(x);
  let one = (bits & U(0x80000000u)) | U(0x3f800000u);
  let sign = select(one, U(0u), (bits << U(1u)) == U(0u));
  return select(bitcast<F>(sign), x, isNan(x));
}`,
  },
  divideI: {
    needs: [],
    source: `fn divideI(a: I, b: I) -> I {
  return select(a / select(b, I(1), b == I(0)), I(0), b == I(0));
}`,
  },
  divideU: {
    needs: [],
    source: `fn divideU(a: U, b: U) -> U {
  return select(a / select(b, U(1u), b == U(0u)), U(0u), b == U(0u));
}`,
  },
  remainderI: {
    needs: [],
    source: `fn remainderI(a: I, b: I) -> I {
  return select(a % select(b, I(1), b == I(0)), I(0), b == I(0));
}`,
  },
  remainderU: {
    needs: [],
    source: `fn remainderU(a: U, b: U) -> U {
  return select(a % select(b, U(1u), b == U(0u)), U(0u), b == U(0u));
}`,
  },
  // Saturating; NaN becomes 0.
  toI: {
    needs: ["isNan"],
    source: `fn toI(x: F) -> I {
  let inside = I(min(max(x, F(-2147483648f)), F(2147483520f)));
  return select(select(inside, I(2147483647), x >= F(2147483648f)), I(0), isNan(x));
}`,
  },
  toU: {
    needs: ["isNan"],
    source: `fn toU(x: F) -> U {
  let inside = U(min(max(x, F(0f)), F(4294967040f)));
  return select(select(inside, U(0xffffffffu), x >= F(4294967296f)), U(0u), isNan(x));
}`,
  },
  // All but 0 and -0, NaN included; by bits, since a comparison with NaN may be folded.
  toB: {
    needs: [],
    source: `fn toB(x: F) -> B { return (bitcast<U>(x) << U(1u)) != U(0u); }`,
  },
};

/** `e^x - 1`: near 0, where the difference would lose digits, by a series. e^-0 - 1 is -0. */
function expm1(x: Scalar<"f32">): Scalar<"f32"> {
  const value = where(less(abs(x), 0.34), nearExpm1(x), sub(call("exp", "f32", [x]), 1));
  return where(equal(x, 0), x, value);
}

/** Near 0 by a series; beyond, the rounding of 1 + x is small beside the logarithm. */
function log1p(x: Scalar<"f32">): Scalar<"f32"> {
  const isNear = and(greater(x, -0.29), less(x, 0.41));
  const near = series({ m: x, e: constant("f32", 0) });
  return where(equal(x, 0), x, where(isNear, near, call("log", "f32", [add(x, 1)])));
}

const x = parameter("f32");

/** Shared functions that are made in another way, since they rest on roundings. */
export const overrides: { readonly [F in ElementaryFunction]?: Definition | ScalarFunction } = {
  expm1: define([x], expm1(x)),
  log1p: define([x], log1p(x)),
  exp: { needs: ["isNan", "powerOfTwo", "expTail"], source: exponential("expOf", "") },
  expSum: { needs: ["isNan", "powerOfTwo", "expTail"], source: exponential("expSumOf", "rest") },
  nearest: { needs: [], source: "fn nearestOf(x: F) -> F { return round(x); }" },
  // The parts of the turn are multiplied by n, 3 n and 5 n for the reason that exp names.
  quarterRest: {
    needs: [],
    source: `fn quarterRestOf(x: F, n: F) -> F {
  let whole = I(n);
  let first = fma(n, F(${literal(-QUARTER_PARTS[0])}), x);
  let second = fma(F(whole * I(3)), F(${literal(-QUARTER_PARTS[1] / 3)}), first);
  return fma(F(whole * I(5)), F(${literal(-QUARTER_PARTS[2] / 5)}), second);
}`,
  },
};
