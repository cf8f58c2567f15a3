/**
 * Elementary functions on four floats, as code that is put into the loops that need it. Constants
 * are set once before the loops.
 *
 * Errors are a few units in the last place on the range that each names.
 */
import { GELU_CUBIC, GELU_LINEAR } from "../../primitives.ts";
import { GROUPS, PARITY, ROTATIONS } from "../../threefry.ts";
import {
  COSINE,
  ERF_DENOMINATOR,
  ERF_NUMERATOR,
  EXP2,
  EXP_TAIL,
  GELU_NEAR,
  LN2_PARTS,
  LOG_SERIES,
  QUARTER_PARTS,
  SINE,
  TAIL_DENOMINATOR,
  TAIL_NUMERATOR,
  TANH_DENOMINATOR,
  TANH_NUMERATOR,
} from "../polynomials.ts";
import { branch, type Code, f32x4, i32, i32x4, local, types, v128 } from "./instructions.ts";
import { DECAYED, pow, reduceDecay, reduceFar, remainder } from "./doubles.ts";
import { keep, type Scope } from "./scope.ts";

/** Code that leaves one vector, from operands that are cheap to repeat. */
export type MathCode = (scope: Scope, ...x: Code[]) => Code;

function operand(x: readonly Code[], index: number): Code {
  const code = x[index];
  if (code === undefined) throw new RangeError(`operand ${index} is missing`);
  return code;
}

/** A function of one vector. */
function unary(body: (scope: Scope, x: Code) => Code): MathCode {
  return (scope, ...x) => body(scope, operand(x, 0));
}

/** A function of two vectors. */
function binary(body: (scope: Scope, a: Code, b: Code) => Code): MathCode {
  return (scope, ...x) => body(scope, operand(x, 0), operand(x, 1));
}

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
function polynomial({ float, madd }: Scope, x: Code, coefficients: readonly number[]): Code {
  const [first = 0, ...rest] = coefficients;
  return rest.reduce<Code>((sum, next) => madd(sum, x, float(next)), float(first));
}

/** Added to a number below 2^22, this leaves the nearest integer in the lowest bits. */
const ROUNDER = 1.5 * 2 ** 23;
const ROUNDER_BITS = 0x4b400000;

/**
 * x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that n ln 2 is nearly exact. `bits` is
 * the integer n, to which those of the rounder are added.
 */
function reduceByLn2(scope: Scope, x: Code): { code: Code; bits: Code; r: Code } {
  const { float, madd } = scope;
  const rounded = keep(scope, madd(x, float(Math.LOG2E), float(ROUNDER)));
  const n = keep(scope, f32x4.sub(rounded.get, float(ROUNDER)));
  const high = madd(n.get, float(-LN2_PARTS[0]), x);
  const r = keep(scope, madd(n.get, float(-LN2_PARTS[1]), high));
  return { code: [rounded.set, n.set, r.set], bits: rounded.get, r: r.get };
}

/** x between two numbers; NaN stays what it is. */
function clamp({ float }: Scope, x: Code, low: number, high: number): Code {
  return f32x4.pmax(f32x4.pmin(x, float(high)), float(low));
}

/** `e^r - 1` for |r| <= ln 2 / 2. */
function nearExpm1(scope: Scope, r: Code): Code {
  const tail = polynomial(scope, r, EXP_TAIL);
  return scope.madd(tail, f32x4.mul(r, r), r);
}

/** `2^n` for integers n from -126 to 127, given as integers. */
function powerOfTwo({ word }: Scope, n: Code): Code {
  return i32x4.shl(i32x4.add(n, word(127)), i32.const(23));
}

const exp = unary((scope, x) => {
  const { float, word } = scope;
  const clamped = keep(scope, clamp(scope, x, -104, 89));
  const { code, bits, r } = reduceByLn2(scope, clamped.get);
  const whole = keep(scope, i32x4.sub(bits, word(ROUNDER_BITS)));
  const half = keep(scope, i32x4.shrS(whole.get, i32.const(1)));
  const mantissa = f32x4.add(nearExpm1(scope, r), float(1));
  // The scale in two steps, since 2^n itself may be out of range where the result is not.
  const scaled = f32x4.mul(mantissa, powerOfTwo(scope, half.get));
  const rest = powerOfTwo(scope, i32x4.sub(whole.get, half.get));
  return [clamped.set, code, whole.set, half.set, f32x4.mul(scaled, rest)];
});

/**
 * `2^x` for x <= 0, and 0 below -126.5, where what float32 could hold has lost its digits: half the
 * instructions of {@linkcode exp}.
 */
const exp2OfNegative = unary((scope, x) => {
  const { float } = scope;
  const clamped = keep(scope, f32x4.pmax(x, float(-127)));
  const rounded = keep(scope, f32x4.add(clamped.get, float(ROUNDER)));
  const n = f32x4.sub(rounded.get, float(ROUNDER));
  const fraction = keep(scope, f32x4.sub(clamped.get, n));
  // Of n as an integer, what is above it falls off; 2^-127 is 0.
  const scale = powerOfTwo(scope, rounded.get);
  const power = f32x4.mul(polynomial(scope, fraction.get, EXP2), scale);
  return [clamped.set, rounded.set, fraction.set, power];
});

/** `2^n (e^r - 1) + (2^n - 1)` for |x| <= 80, where 2^n is in range. */
function expm1Within(scope: Scope, x: Code): Code {
  const { code, bits, r } = reduceByLn2(scope, x);
  // What is above the integer n falls off.
  const scale = keep(scope, powerOfTwo(scope, bits));
  const rest = f32x4.sub(scale.get, scope.float(1));
  return [code, scale.set, scope.madd(scale.get, nearExpm1(scope, r), rest)];
}

const expm1 = unary((scope, x) => {
  const { float } = scope;
  const clamped = keep(scope, clamp(scope, x, -80, 80));
  const near = keep(scope, expm1Within(scope, clamped.get));
  const far = v128.bitselect(exp(scope, x), near.get, f32x4.gt(x, float(60)));
  // e^-0 - 1 is -0, which the steps lose.
  return [clamped.set, near.set, v128.bitselect(x, far, f32x4.eq(x, float(0)))];
});

const log = unary((scope, x) => {
  const { float, word, madd } = scope;
  // Subnormal numbers are scaled up by 2^23 first.
  const tiny = keep(scope, f32x4.lt(x, float(1.17549435e-38)));
  const scaled = keep(scope, v128.bitselect(f32x4.mul(x, float(2 ** 23)), x, tiny.get));
  const exponent = keep(
    scope,
    i32x4.sub(
      i32x4.sub(i32x4.shrU(scaled.get, i32.const(23)), word(126)),
      v128.and(tiny.get, word(23)),
    ),
  );
  // x = 2^e (1 + m) with 1 + m from sqrt(1/2) to sqrt(2).
  const half = keep(scope, v128.or(v128.and(scaled.get, word(0x007fffff)), word(0x3f000000)));
  const low = keep(scope, f32x4.lt(half.get, float(Math.SQRT1_2)));
  const m = keep(
    scope,
    f32x4.sub(f32x4.add(half.get, v128.and(low.get, half.get)), float(1)),
  );
  const e = keep(scope, f32x4.convertI32x4S(i32x4.add(exponent.get, low.get)));
  const z = keep(scope, f32x4.mul(m.get, m.get));
  const series = polynomial(scope, m.get, LOG_SERIES);
  const small = madd(f32x4.mul(series, m.get), z.get, f32x4.mul(e.get, float(LN2_PARTS[1])));
  const corrected = madd(z.get, float(-0.5), small);
  const finite = keep(scope, madd(e.get, float(LN2_PARTS[0]), f32x4.add(m.get, corrected)));
  const infinite = v128.bitselect(x, finite.get, f32x4.eq(x, float(Infinity)));
  const zero = v128.bitselect(float(-Infinity), infinite, f32x4.eq(x, float(0)));
  return [
    ...[tiny, scaled, exponent, half, low, m, e, z, finite].map(({ set }) => set),
    v128.bitselect(zero, float(NaN), f32x4.ge(x, float(0))),
  ];
});

/** `ln(1 + x)` as `ln(u) (x / (u - 1))` with u = 1 + x rounded, after Kahan. */
const log1p = unary((scope, x) => {
  const { float } = scope;
  const u = keep(scope, f32x4.add(x, float(1)));
  const d = keep(scope, f32x4.sub(u.get, float(1)));
  const quotient = f32x4.mul(log(scope, u.get), f32x4.div(x, d.get));
  const exact = v128.or(f32x4.eq(d.get, float(0)), f32x4.eq(x, float(Infinity)));
  return [u.set, d.set, v128.bitselect(x, quotient, exact)];
});

/** Up to here quarter turns are taken off in f32; their number has 13 bits. */
const NEAR = 8192;

/**
 * sin (shift 0) or cos (shift 1): quarter turns are taken off, then one of two polynomials. The quarter
 * turn is in three parts, so that few digits are lost; far from 0 it takes more.
 */
function circular(shift: 0 | 1): MathCode {
  return unary((scope, x) => {
    const { float, word, madd, locals } = scope;
    const n = keep(scope, f32x4.nearest(f32x4.mul(x, float(2 / Math.PI))));
    const [rest, quarter] = [locals.add(types.v128), locals.add(types.v128)];
    const r = local.get(rest);
    const reduced = QUARTER_PARTS.reduce<Code>((rest, part) => madd(n.get, float(-part), rest), x);
    const z = keep(scope, f32x4.mul(r, r));
    const turned = keep(scope, i32x4.add(local.get(quarter), word(shift)));
    const sine = madd(f32x4.mul(polynomial(scope, z.get, SINE), z.get), r, r);
    const cosine = f32x4.add(
      madd(
        polynomial(scope, z.get, COSINE),
        f32x4.mul(z.get, z.get),
        f32x4.mul(z.get, float(-0.5)),
      ),
      float(1),
    );
    const odd = i32x4.eq(v128.and(turned.get, word(1)), word(1));
    const sign = i32x4.shl(v128.and(turned.get, word(2)), i32.const(30));
    const value = v128.xor(v128.bitselect(cosine, sine, odd), sign);
    return [
      n.set,
      local.set(rest, reduced),
      local.set(quarter, i32x4.truncSatF32x4S(n.get)),
      branch(
        v128.anyTrue(f32x4.gt(f32x4.abs(x), float(NEAR))),
        reduceFar(scope, x, NEAR, rest, quarter),
      ),
      z.set,
      turned.set,
      // sin of -0 is -0, which the parts lose.
      shift === 0 ? v128.bitselect(x, value, f32x4.eq(x, float(0))) : value,
    ];
  });
}

/** `x P(x^2) / Q(x^2)`, with x held within a limit. */
function rational(
  scope: Scope,
  x: Code,
  limit: number,
  numerator: readonly number[],
  denominator: readonly number[],
): Code {
  const clamped = keep(scope, clamp(scope, x, -limit, limit));
  const z = keep(scope, f32x4.mul(clamped.get, clamped.get));
  const p = polynomial(scope, z.get, numerator);
  const q = polynomial(scope, z.get, denominator);
  return [clamped.set, z.set, f32x4.div(f32x4.mul(clamped.get, p), q)];
}

/** Within 6 units in the last place; beyond the limit 1, since no rounding is large enough there. */
const tanh = unary((scope, x) =>
  clamp(scope, rational(scope, x, 9.5, TANH_NUMERATOR, TANH_DENOMINATOR), -1, 1)
);

/** Beyond the limit erf rounds to 1. */
const erf = unary((scope, x) => rational(scope, x, 4, ERF_NUMERATOR, ERF_DENOMINATOR));

/** `e^-|u|` as a power of 2; below 2^-126.5 it is 0. */
const geluDecay = unary((scope, x) => {
  const { float, madd, locals } = scope;
  const size = keep(scope, f32x4.abs(x));
  const factor = madd(
    f32x4.mul(size.get, size.get),
    float(GELU_CUBIC * Math.LOG2E),
    float(GELU_LINEAR * Math.LOG2E),
  );
  const w = keep(scope, f32x4.mul(size.get, factor));
  // With the bias of exponents, so that the lowest bits are those of the scale.
  const rounder = float(ROUNDER + DECAYED);
  const [rounded, rest] = [locals.add(types.v128), locals.add(types.v128)];
  const scale = i32x4.shl(local.get(rounded), i32.const(23));
  return [
    size.set,
    w.set,
    local.set(rounded, f32x4.sub(rounder, w.get)),
    local.set(rest, f32x4.sub(f32x4.sub(rounder, local.get(rounded)), w.get)),
    branch(
      v128.anyTrue(f32x4.gt(size.get, float(GELU_NEAR))),
      [
        reduceDecay(scope, size.get, rounded, rest),
        local.set(rounded, f32x4.sub(rounder, local.get(rounded))),
      ],
    ),
    f32x4.mul(polynomial(scope, local.get(rest), EXP2), scale),
  ];
});

/**
 * `e^(-x^2 / 2) P(|x|) / Q(|x|)`, with `x^2 = h^2 + (x - h)(x + h)` for the first 12 digits h of x, of
 * whose square none is lost. What is left of the scale is taken off last, since the result may be a
 * subnormal number.
 */
const normalTail = unary((scope, x) => {
  const { float, word } = scope;
  const size = keep(scope, f32x4.pmin(f32x4.abs(x), float(16)));
  const h = keep(scope, v128.and(size.get, word(~0xfff)));
  const half = float(-0.5);
  const exact = keep(scope, f32x4.mul(f32x4.mul(h.get, h.get), half));
  const { code, bits, r } = reduceByLn2(scope, exact.get);
  const rest = f32x4.mul(
    f32x4.mul(f32x4.sub(size.get, h.get), f32x4.add(size.get, h.get)),
    half,
  );
  const whole = keep(scope, f32x4.add(r, rest));
  const mantissa = f32x4.add(nearExpm1(scope, whole.get), float(1));
  const scale = powerOfTwo(scope, i32x4.add(bits, word(64)));
  const ratio = f32x4.div(
    polynomial(scope, size.get, TAIL_NUMERATOR),
    polynomial(scope, size.get, TAIL_DENOMINATOR),
  );
  const scaled = f32x4.mul(f32x4.mul(mantissa, scale), ratio);
  return [size.set, h.set, exact.set, code, whole.set, f32x4.mul(scaled, float(2 ** -64))];
});

/** One integer or the other by a condition. */
function choose(condition: Code, then: Code, otherwise: Code): Code {
  return [condition, 0x04, types.i32, then, 0x05, otherwise, 0x0b];
}

/** An integer operation without a vector form, lane by lane; a divisor of 0 gives 0. */
function byLanes(operation: (a: Code, b: Code) => Code): MathCode {
  return binary(({ locals, word }, a, b) => {
    const divisor = locals.add(types.i32);
    const result = locals.add(types.v128);
    const lane = (index: number): Code => {
      const quotient = operation(i32x4.extractLane(a, index), local.get(divisor));
      return [
        local.set(divisor, i32x4.extractLane(b, index)),
        local.set(
          result,
          i32x4.replaceLane(
            local.get(result),
            index,
            choose(local.get(divisor), quotient, i32.const(0)),
          ),
        ),
      ];
    };
    return [local.set(result, word(0)), [0, 1, 2, 3].map(lane), local.get(result)];
  });
}

/** `-2^31 / -1` overflows in the machine's division; as everywhere, it wraps. */
function divideSigned(a: Code, b: Code): Code {
  return choose(i32.eq(b, i32.const(-1)), i32.sub(i32.const(0), a), i32.divS(a, b));
}

/**
 * The words at positions, which count words of blocks, under a key of two and a counter of two
 * words: see `randomBits` in the primitives.
 */
const threefry: MathCode = (scope, ...x) => {
  const { word } = scope;
  const [position, key0, key1, counter0, counter1] = [0, 1, 2, 3, 4].map((i) => operand(x, i));
  if (
    position === undefined || key0 === undefined || key1 === undefined || counter0 === undefined ||
    counter1 === undefined
  ) throw new RangeError("threefry has five operands");
  const last = keep(scope, v128.xor(v128.xor(key0, key1), word(PARITY)));
  const subkeys = [key0, key1, last.get];
  const subkey = (index: number): Code => subkeys[index % 3] ?? [];
  const place = keep(scope, position);
  const block = i32x4.add(i32x4.shrU(place.get, i32.const(1)), counter0);
  const a = scope.locals.add(types.v128);
  const b = scope.locals.add(types.v128);
  const code: Code[] = [
    last.set,
    place.set,
    local.set(a, i32x4.add(block, subkey(0))),
    local.set(b, i32x4.add(counter1, subkey(1))),
  ];
  for (let group = 0; group < GROUPS; group++) {
    for (const rotation of ROTATIONS[group % 2] ?? []) {
      const rotated = v128.or(
        i32x4.shl(local.get(b), i32.const(rotation)),
        i32x4.shrU(local.get(b), i32.const(32 - rotation)),
      );
      code.push(
        local.set(a, i32x4.add(local.get(a), local.get(b))),
        local.set(b, v128.xor(rotated, local.get(a))),
      );
    }
    code.push(
      local.set(a, i32x4.add(local.get(a), subkey(group + 1))),
      local.set(b, i32x4.add(i32x4.add(local.get(b), subkey(group + 2)), word(group + 1))),
    );
  }
  const isSecond = i32x4.eq(v128.and(place.get, word(1)), word(1));
  return [code, v128.bitselect(local.get(b), local.get(a), isSecond)];
};

/** The elementary functions. */
export const math = {
  exp,
  exp2OfNegative,
  expm1,
  log,
  log1p,
  sin: circular(0),
  cos: circular(1),
  tanh,
  erf,
  geluDecay,
  normalTail,
  pow: binary(pow),
  divS: byLanes(divideSigned),
  divU: byLanes(i32.divU),
  remS: byLanes(i32.remS),
  remU: byLanes(i32.remU),
  remF: binary(remainder),
  threefry,
} as const satisfies Readonly<Record<string, MathCode>>;
