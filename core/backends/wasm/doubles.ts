/**
 * Functions on four floats for which four floats are not enough: they go by way of two pairs of
 * 64-bit floats, or by 64-bit integers, and are rounded to f32 once.
 */
import { at } from "../../shape.ts";
import { GELU_CUBIC, GELU_LINEAR } from "../../primitives.ts";
import { EXP2_SERIES, LOG2_SERIES } from "../../lowering/elementary/polynomials.ts";
import { branch, type Code, f32x4, f64x2, i32, i64x2, local, v128 } from "./instructions.ts";
import { keep, type Scope } from "./scope.ts";

/** The first or the second pair of four. */
type Half = 0 | 1;

const HALVES: readonly Half[] = [0, 1];

/** A pair of four floats as 64-bit floats. */
export function promote(x: Code, half: Half): Code {
  return f64x2.promoteLow(half === 0 ? x : v128.shuffle(x, x, [2, 3, 2, 3]));
}

/** Two pairs of 64-bit floats as four floats. */
export function demote(low: Code, high: Code): Code {
  return v128.shuffle(f64x2.demoteZero(low), f64x2.demoteZero(high), [0, 1, 4, 5]);
}

/** `c[0] x^n + ... + c[n]` of a pair, by Horner's rule. */
function polynomial(x: Code, coefficients: readonly number[]): Code {
  return coefficients.slice(1).reduce<Code>(
    (sum, next) => f64x2.add(f64x2.mul(sum, x), f64x2.const(next)),
    f64x2.const(at(coefficients, 0)),
  );
}

/** Added to a number below 2^51, this leaves the nearest integer in the lowest bits. */
const ROUNDER = 1.5 * 2 ** 52;
const ROUNDER_BITS = 0x4338000000000000n;

/** `2^(b log2 a)` of pairs of normal numbers, a above 0: within some units of 2^-44. */
function powerOfPair(scope: Scope, a: Code, b: Code): Code {
  const part = keep(
    scope,
    v128.or(
      v128.and(a, i64x2.const(0x000fffffffffffffn)),
      i64x2.const(0x3fe0000000000000n),
    ),
  );
  // a = 2^e m with m from sqrt(1/2) to sqrt(2).
  const low = keep(scope, f64x2.lt(part.get, f64x2.const(Math.SQRT1_2)));
  const m = keep(scope, f64x2.add(part.get, v128.and(low.get, part.get)));
  const exponent = i64x2.add(
    i64x2.shrU(a, i32.const(52)),
    i64x2.add(low.get, i64x2.const(ROUNDER_BITS - 1022n)),
  );
  const e = keep(scope, f64x2.sub(exponent, f64x2.const(ROUNDER)));
  const one = f64x2.const(1);
  const s = keep(scope, f64x2.div(f64x2.sub(m.get, one), f64x2.add(m.get, one)));
  const z = keep(scope, f64x2.mul(s.get, s.get));
  const logarithm = f64x2.add(e.get, f64x2.mul(s.get, polynomial(z.get, LOG2_SERIES)));
  // Beyond these f32 has ended, and f64 has not.
  const y = keep(
    scope,
    f64x2.pmax(f64x2.pmin(f64x2.mul(b, logarithm), f64x2.const(400)), f64x2.const(-400)),
  );
  const rounded = keep(scope, f64x2.add(y.get, f64x2.const(ROUNDER)));
  const f = keep(scope, f64x2.sub(y.get, f64x2.sub(rounded.get, f64x2.const(ROUNDER))));
  return [
    ...[part, low, m, e, s, z, y, rounded, f].map(({ set }) => set),
    i64x2.add(polynomial(f.get, EXP2_SERIES), i64x2.shl(rounded.get, i32.const(52))),
  ];
}

/**
 * `a^b` as the nearest float, but where it is within 2^-40 of the middle of two: so whole powers that
 * a float holds are exact. Special cases as in IEEE 754.
 */
export function pow(scope: Scope, a: Code, b: Code): Code {
  const { float, word } = scope;
  const size = keep(scope, f32x4.abs(a));
  const [low, high] = HALVES.map((half) => {
    const base = keep(scope, promote(size.get, half));
    const exponent = keep(scope, promote(b, half));
    return [base.set, exponent.set, powerOfPair(scope, base.get, exponent.get)];
  });
  const power = keep(scope, demote(low ?? [], high ?? []));
  const isUnbounded = keep(scope, f32x4.eq(f32x4.abs(b), float(Infinity)));
  const isEnd = v128.or(
    isUnbounded.get,
    v128.or(f32x4.eq(size.get, float(0)), f32x4.eq(size.get, float(Infinity))),
  );
  // Infinite where a base above 1 is raised, or one below 1 lowered.
  const end = v128.and(
    v128.not(v128.xor(f32x4.gt(size.get, float(1)), f32x4.gt(b, float(0)))),
    float(Infinity),
  );
  const magnitude = v128.bitselect(end, power.get, isEnd);
  const isWhole = keep(scope, f32x4.eq(f32x4.floor(b), b));
  const half = keep(scope, f32x4.mul(b, float(0.5)));
  const isOdd = v128.and(isWhole.get, f32x4.ne(f32x4.floor(half.get), half.get));
  const signed = v128.xor(magnitude, v128.and(v128.and(isOdd, a), word(-(2 ** 31))));
  const isNegative = v128.and(f32x4.lt(a, float(0)), f32x4.gt(a, float(-Infinity)));
  const isUndefined = v128.or(
    v128.and(isNegative, v128.not(isWhole.get)),
    v128.or(f32x4.ne(a, a), f32x4.ne(b, b)),
  );
  const isOne = v128.or(
    v128.or(f32x4.eq(b, float(0)), f32x4.eq(a, float(1))),
    v128.and(f32x4.eq(size.get, float(1)), isUnbounded.get),
  );
  return [
    ...[size, power, isUnbounded, isWhole, half].map(({ set }) => set),
    v128.bitselect(float(1), v128.bitselect(float(NaN), signed, isUndefined), isOne),
  ];
}

/**
 * `|u|` of `geluDecay`, times log2 e, as the nearest integer less the rest: in f64, since the error of a
 * rounded exponent is one of the result.
 */
export function reduceDecay(scope: Scope, size: Code, whole: number, rest: number): Code {
  const halves = HALVES.map((half) => {
    const x = keep(scope, promote(size, half));
    const factor = f64x2.add(
      f64x2.mul(f64x2.mul(x.get, x.get), f64x2.const(GELU_CUBIC * Math.LOG2E)),
      f64x2.const(GELU_LINEAR * Math.LOG2E),
    );
    const w = keep(scope, f64x2.pmin(f64x2.mul(x.get, factor), f64x2.const(DECAYED)));
    const n = keep(scope, f64x2.nearest(w.get));
    return { set: [x.set, w.set, n.set], n: n.get, rest: f64x2.sub(n.get, w.get) };
  });
  const [low, high] = halves;
  return [
    halves.map(({ set }) => set),
    local.set(whole, demote(low?.n ?? [], high?.n ?? [])),
    local.set(rest, demote(low?.rest ?? [], high?.rest ?? [])),
  ];
}

/** `2^-127`, whose exponent has no bits, is 0. */
export const DECAYED = 127;

/** Bits of a quotient that one step of a remainder takes off: a 24-bit divisor times it is exact. */
const STEP = 26;

/** Steps that take the largest float below the smallest one, beside the last. */
const STEPS = Math.ceil((128 + 149) / STEP) - 1;

/**
 * The remainder of `a / b` as C's fmod, exact: `|a| - q |b|` for truncated quotients q of the pairs, of
 * 26 bits at most. Where a quotient is longer, multiples of `2^(26 k) |b|` are taken off before.
 */
export function remainder(scope: Scope, a: Code, b: Code): Code {
  const { float, word } = scope;
  const [x, y] = [keep(scope, f32x4.abs(a)), keep(scope, f32x4.abs(b))];
  const pairs = HALVES.map((half) => ({
    rest: keep(scope, promote(x.get, half)),
    divisor: keep(scope, promote(y.get, half)),
  }));
  const takeOff = (scale: number): Code =>
    pairs.map(({ rest, divisor }) => {
      const multiple = scale === 1 ? divisor.get : f64x2.mul(divisor.get, f64x2.const(scale));
      const quotient = f64x2.trunc(f64x2.div(rest.get, multiple));
      return rest.reset(f64x2.sub(rest.get, f64x2.mul(quotient, multiple)));
    });
  const long = Array.from({ length: STEPS }, (_, i) => takeOff(2 ** (STEP * (STEPS - i))));
  const isLong = f32x4.ge(x.get, f32x4.mul(y.get, float(2 ** STEP)));
  const [low, high] = pairs.map(({ rest }) => rest.get);
  const rest = v128.or(demote(low ?? [], high ?? []), v128.and(a, word(-(2 ** 31))));
  const isWhole = v128.and(
    f32x4.eq(y.get, float(Infinity)),
    f32x4.lt(x.get, float(Infinity)),
  );
  return [
    x.set,
    y.set,
    pairs.map(({ rest, divisor }) => [rest.set, divisor.set]),
    branch(v128.anyTrue(isLong), long),
    takeOff(1),
    v128.bitselect(a, rest, isWhole),
  ];
}
