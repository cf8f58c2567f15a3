/**
 * Elementary functions in WGSL, over the types F, I, U and B: one lane or four (see `wgsl.ts`).
 *
 * WGSL's own are too coarse (sin to 2^-11, log to 2^-21 near 1) and differ between drivers, so
 * these are polynomials (`polynomials.ts`). NaN is told by its bits, since `x != x` may be folded to
 * false, and no step relies on `(1 + x) - 1`, which compilers may simplify. A processor may take
 * subnormal floats for 0, as WGSL allows it to.
 */
import { GROUPS, PARITY, ROTATIONS } from "../../threefry.ts";
import { GELU_CUBIC, GELU_LINEAR } from "../../primitives.ts";
import {
  COSINE,
  ERF_DENOMINATOR,
  ERF_NUMERATOR,
  EXP2,
  EXP_TAIL,
  GELU_NEAR,
  LN2_PARTS,
  LOG2_UNITS,
  LOG_SERIES,
  QUARTER_PARTS,
  QUARTERS,
  SINE,
  TAIL_DENOMINATOR,
  TAIL_NUMERATOR,
  TANH_DENOMINATOR,
  TANH_NUMERATOR,
} from "../polynomials.ts";

/** Functions that kernels may use. */
export type MathFunction =
  | "isNan"
  | "infinity"
  | "nan"
  | "powerOfTwo"
  | "expTail"
  | "expOf"
  | "expm1Of"
  | "logParts"
  | "logOf"
  | "log1pOf"
  | "quarterBits"
  | "farTurns"
  | "reduceByQuarter"
  | "sinOf"
  | "cosOf"
  | "tanhOf"
  | "erfOf"
  | "geluDecayOf"
  | "normalTailOf"
  | "multiplyHigh"
  | "binaryPower"
  | "powOf"
  | "maximumOf"
  | "minimumOf"
  | "signOf"
  | "divideI"
  | "divideU"
  | "remainderI"
  | "remainderU"
  | "remainderF"
  | "toI"
  | "toU"
  | "toB"
  | "threefry";

interface Definition {
  /** The functions that it calls. */
  readonly needs: readonly MathFunction[];
  readonly source: string;
}

/** A finite number as an f32 literal; by its bits where compilers may make 0 of it. */
export function literal(value: number): string {
  const rounded = Math.fround(value);
  if (Object.is(rounded, -0) || rounded !== 0 && Math.abs(rounded) < 2 ** -126) {
    const [bits = 0] = new Uint32Array(new Float32Array([rounded]).buffer);
    return `bitcast<f32>(0x${bits.toString(16)}u)`;
  }
  return rounded < 0 ? `(${rounded}f)` : `${rounded}f`;
}

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
function polynomial(x: string, coefficients: readonly number[]): string {
  const [first = 0, ...rest] = coefficients;
  return rest.reduce(
    (sum, next) => `fma(${sum}, ${x}, F(${literal(next)}))`,
    `F(${literal(first)})`,
  );
}

const expTail = polynomial("r", EXP_TAIL);

const logSeries = polynomial("m", LOG_SERIES);

const sine = polynomial("z", SINE);
const cosine = polynomial("z", COSINE);

const erfAbove = polynomial("z", ERF_NUMERATOR);
const erfBelow = polynomial("z", ERF_DENOMINATOR);

const tailAbove = polynomial("size", TAIL_NUMERATOR);
const tailBelow = polynomial("size", TAIL_DENOMINATOR);

const tanhAbove = polynomial("z", TANH_NUMERATOR);
const tanhBelow = polynomial("z", TANH_DENOMINATOR);

/** Zero bits in front of those of 2 / pi, and the exponent of the first float that begins there. */
const FRONT = 16;
const FRONT_PLACE = 152 - FRONT;

/** 32 bits of `2 / pi`, behind zeros, in hexadecimal. */
function quarterWord(index: number): string {
  return BigInt.asUintN(32, QUARTERS >> BigInt(256 + FRONT - 32 * (index + 1))).toString(16);
}

/** sin (shift 0) or cos (shift 1): one of two polynomials, by the quarter turn. */
function circular(name: "sinOf" | "cosOf", shift: 0 | 1): string {
  return `fn ${name}(x: F) -> F {
  let reduced = reduceByQuarter(x);
  let r = reduced.rest;
  let z = r * r;
  let quarter = reduced.quarter + I(${shift});
  let s = fma(${sine} * z, r, r);
  let c = fma(${cosine}, z * z, fma(z, F(-0.5f), F(1f)));
  let size = select(s, c, (quarter & I(1)) == I(1));
  let value = bitcast<F>(bitcast<U>(size) ^ (bitcast<U>(quarter & I(2)) << U(30u)));
  let isFinite = (bitcast<U>(x) & U(0x7fffffffu)) < U(0x7f800000u);
  return select(nan(), ${shift === 0 ? "select(value, x, x == F(0f))" : "value"}, isFinite);
}`;
}

/** The factors of u in so few digits that a multiple of 1/8 up to 10 times them is exact. */
const [linear, cubic] = [Math.round(GELU_LINEAR * 2 ** 14) / 2 ** 14, 9 / 2 ** 8];

/** The sum of the rounds' operations on the two words, unrolled. */
function threefryRounds(): string {
  const subkeys = ["key0", "key1", "parity"] as const;
  const subkey = (index: number) => subkeys[index % 3] ?? "parity";
  return Array.from({ length: GROUPS }, (_, group) => [
    ...(ROTATIONS[group % 2] ?? []).flatMap((rotation) => [
      "x += y;",
      `y = ((y << U(${rotation}u)) | (y >> U(${32 - rotation}u))) ^ x;`,
    ]),
    `x += ${subkey(group + 1)};`,
    `y += ${subkey(group + 2)} + U(${group + 1}u);`,
  ]).flat().map((line) => `  ${line}`).join("\n");
}

const definitions: { readonly [M in MathFunction]: Definition } = {
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
  // The scale in two steps, since 2^n itself may be out of range where the result is not. The parts of
  // ln 2 are multiplied by n and 3 n: compilers would add up factors of one number, and round x away.
  expOf: {
    needs: ["isNan", "powerOfTwo", "expTail"],
    source: `fn expOf(x: F) -> F {
  let clamped = min(max(x, F(-104f)), F(89f));
  let n = floor(fma(clamped, F(${literal(Math.LOG2E)}), F(0.5f)));
  let whole = I(n);
  let high = fma(n, F(${literal(-LN2_PARTS[0])}), clamped);
  let r = fma(F(whole * I(3)), F(${literal(-LN2_PARTS[1] / 3)}), high);
  let half = whole >> U(1u);
  let scaled = (expTail(r) + F(1f)) * powerOfTwo(half) * powerOfTwo(whole - half);
  return select(scaled, x, isNan(x));
}`,
  },
  expm1Of: {
    needs: ["expOf", "expTail"],
    source: `fn expm1Of(x: F) -> F {
  let value = select(expOf(x) - F(1f), expTail(x), abs(x) < F(0.34f));
  return select(value, x, x == F(0f));
}`,
  },
  // ln(2^e (1 + m)) for m from sqrt(1/2) - 1 to sqrt(2) - 1.
  logParts: {
    needs: [],
    source: `fn logParts(m: F, e: F) -> F {
  let z = m * m;
  let small = fma(${logSeries} * m, z, e * F(${literal(LN2_PARTS[1])}));
  return fma(e, F(${literal(LN2_PARTS[0])}), m + fma(z, F(-0.5f), small));
}`,
  },
  // Subnormal numbers are scaled up by 2^23 first.
  logOf: {
    needs: ["isNan", "infinity", "nan", "logParts"],
    source: `fn logOf(x: F) -> F {
  let tiny = x < F(${literal(2 ** -126)});
  let scaled = select(x, x * F(8388608f), tiny);
  let bits = bitcast<U>(scaled);
  let part = bitcast<F>((bits & U(0x007fffffu)) | U(0x3f000000u));
  let low = part < F(${literal(Math.SQRT1_2)});
  let m = select(part, part + part, low) - F(1f);
  let whole = I(bits >> U(23u)) - I(126);
  let e = whole - select(I(0), I(23), tiny) - select(I(0), I(1), low);
  let finite = logParts(m, F(e));
  let defined = select(nan(), finite, x > F(0f));
  let withZero = select(defined, -infinity(), x == F(0f));
  return select(withZero, x, (bitcast<U>(x) == U(0x7f800000u)) | isNan(x));
}`,
  },
  log1pOf: {
    needs: ["logOf", "logParts"],
    source: `fn log1pOf(x: F) -> F {
  let near = (x > F(-0.29f)) & (x < F(0.41f));
  let value = select(logOf(x + F(1f)), logParts(x, F(0f)), near);
  return select(value, x, x == F(0f));
}`,
  },
  // 32 bits of 2 / pi by their number, behind 16 zeros.
  quarterBits: {
    needs: [],
    source: `fn quarterBits(index: U) -> U {
  var bits = U(0x${quarterWord(0)}u);
${
      [1, 2, 3, 4, 5].map((i) =>
        `  bits = select(bits, U(0x${quarterWord(i)}u), index == U(${i}u));`
      ).join("\n")
    }
  return bits;
}`,
  },
  // |x| 2 / pi modulo 4 in units of 2^-30, for |x| = m 2^(e - 150) from 1 (Payne and Hanek, 1983).
  farTurns: {
    needs: ["quarterBits"],
    source: `fn farTurns(x: F) -> U {
  let bits = bitcast<U>(x);
  let m = (bits & U(0x007fffffu)) | U(0x00800000u);
  let place = max((bits >> U(23u)) & U(0xffu), U(${FRONT_PLACE}u)) - U(${FRONT_PLACE}u);
  let word = place >> U(5u);
  let left = place & U(31u);
  let right = U(31u) - left;
  let middle = quarterBits(word + U(1u));
  let high = (quarterBits(word) << left) | ((middle >> U(1u)) >> right);
  let low = (middle << left) | ((quarterBits(word + U(2u)) >> U(1u)) >> right);
  // m low / 2^32, of which some units at the end are left out.
  let carried = (((m >> U(12u)) * (low >> U(16u))) >> U(4u)) +
    (((m & U(0xfffu)) * (low >> U(16u))) >> U(16u));
  return m * high + carried;
}`,
  },
  // x less a multiple of a quarter turn: up to 8192 in f32, beyond in integers. The parts of the turn
  // are multiplied by n, 3 n and 5 n for the reason that exp names.
  reduceByQuarter: {
    needs: ["farTurns"],
    source: `struct Reduced { rest: F, quarter: I }
fn reduceByQuarter(x: F) -> Reduced {
  let n = floor(fma(x, F(${literal(2 / Math.PI)}), F(0.5f)));
  let whole = I(n);
  let first = fma(n, F(${literal(-QUARTER_PARTS[0])}), x);
  let second = fma(F(whole * I(3)), F(${literal(-QUARTER_PARTS[1] / 3)}), first);
  let near = fma(F(whole * I(5)), F(${literal(-QUARTER_PARTS[2] / 5)}), second);
  let isFar = abs(x) > F(8192f);
  if (!any(isFar)) { return Reduced(near, whole); }
  let turns = farTurns(x);
  let quarter = (turns + U(0x20000000u)) >> U(30u);
  let size = F(bitcast<I>(turns - (quarter << U(30u)))) * F(${literal(Math.PI / 2 ** 31)});
  let far = select(size, -size, x < F(0f));
  let turned = select(I(quarter), -I(quarter), x < F(0f));
  return Reduced(select(near, far, isFar), select(whole, turned, isFar));
}`,
  },
  sinOf: { needs: ["reduceByQuarter", "nan"], source: circular("sinOf", 0) },
  cosOf: { needs: ["reduceByQuarter", "nan"], source: circular("cosOf", 1) },
  // x P(x^2) / Q(x^2) for |x| <= 9.5, beyond which no rounding is large enough to leave 1.
  tanhOf: {
    needs: ["isNan"],
    source: `fn tanhOf(x: F) -> F {
  let y = min(max(x, F(-9.5f)), F(9.5f));
  let z = y * y;
  let value = y * ${tanhAbove} / ${tanhBelow};
  return select(min(max(value, F(-1f)), F(1f)), x, isNan(x));
}`,
  },
  // x P(x^2) / Q(x^2) for |x| <= 4, where erf rounds to 1 beyond.
  erfOf: {
    needs: ["isNan"],
    source: `fn erfOf(x: F) -> F {
  let y = min(max(x, F(-4f)), F(4f));
  let z = y * y;
  return select(y * ${erfAbove} / ${erfBelow}, x, isNan(x));
}`,
  },
  // Far below 0, u is taken apart: of h, a multiple of 1/8, a part of u is exact, and the rest small.
  geluDecayOf: {
    needs: ["expOf"],
    source: `fn geluDecayOf(x: F) -> F {
  let size = abs(x);
  let square = size * size;
  let near = expOf(-size * fma(square, F(${literal(GELU_CUBIC)}), F(${literal(GELU_LINEAR)})));
  let isFar = x < F(${literal(-GELU_NEAR)});
  if (!any(isFar)) { return near; }
  let h = floor(size * F(8f)) * F(0.125f);
  let cube = h * h * h;
  let exact = fma(cube, F(${literal(cubic)}), h * F(${literal(linear)}));
  let slope = fma(square + h * (size + h), F(${literal(GELU_CUBIC)}), F(${literal(GELU_LINEAR)}));
  let rest = fma(size - h, slope, fma(cube, F(${literal(GELU_CUBIC - cubic)}), h * F(${
      literal(GELU_LINEAR - linear)
    })));
  return select(near, expOf(-exact) * expOf(-rest), isFar & (size < F(16f)));
}`,
  },
  // e^(-x^2 / 2) P(|x|) / Q(|x|), where x^2 is taken apart, too: the first 12 digits of x lose none.
  normalTailOf: {
    needs: ["expOf", "isNan"],
    source: `fn normalTailOf(x: F) -> F {
  let size = min(abs(x), F(16f));
  let h = bitcast<F>(bitcast<U>(size) & U(0xfffff000u));
  let density = expOf(h * h * F(-0.5f)) * expOf((size - h) * (size + h) * F(-0.5f));
  return select(density * (${tailAbove} / ${tailBelow}), x, isNan(x));
}`,
  },
  // The upper half of a product.
  multiplyHigh: {
    needs: [],
    source: `fn multiplyHigh(a: I, b: I) -> I {
  let low = bitcast<U>(a & I(0xffff)) * bitcast<U>(b & I(0xffff));
  let left = (a >> U(16u)) * (b & I(0xffff));
  let right = (a & I(0xffff)) * (b >> U(16u));
  let carried = I(low >> U(16u)) + (left & I(0xffff)) + (right & I(0xffff));
  return (a >> U(16u)) * (b >> U(16u)) + (left >> U(16u)) + (right >> U(16u)) +
    (carried >> U(16u));
}`,
  },
  // a^b = 2^y for a above 0 and b not 0: y in units of 2^-23, from 32-bit products alone, since
  // compilers may reorder sums of floats that are made to keep what rounding loses.
  binaryPower: {
    needs: ["multiplyHigh", "powerOfTwo"],
    source: `fn binaryPower(a: F, b: F) -> F {
  let bits = bitcast<U>(a);
  let isTiny = bits < U(0x00800000u);
  let up = select(U(0u), countLeadingZeros(bits) - U(8u), isTiny);
  let mantissa = I(((bits << up) & U(0x007fffffu)) | U(0x00800000u));
  // a = 2^e (1 + t) with 1 + t from sqrt(1/2) to sqrt(2), t in units of 2^-32.
  let isHigh = mantissa > I(${Math.round(Math.SQRT2 * 2 ** 23)});
  let t = select((mantissa - I(0x800000)) << U(9u), (mantissa - I(0x1000000)) << U(8u), isHigh);
  let e = I(bits >> U(23u)) - I(127) + select(I(0), I(1) - I(up), isTiny) +
    select(I(0), I(1), isHigh);
  var g = I(${LOG2_UNITS[0]});
${LOG2_UNITS.slice(1).map((unit) => `  g = multiplyHigh(g, t) + I(${unit});`).join("\n")}
  // log2 a in units of 2^-scale, with as many digits as fit.
  let upT = countLeadingZeros(U(abs(t))) - U(1u);
  let upE = countLeadingZeros(U(abs(e))) - U(2u);
  let isNear = e == I(0);
  let near = multiplyHigh(t << (upT & U(31u)), g);
  let far = (e << (upE & U(31u))) + (multiplyHigh(t, g) >> ((U(30u) - upE) & U(31u)));
  let logarithm = select(far, near, isNear);
  let scale = select(I(upE), I(upT) + I(30), isNear);
  let exponent = bitcast<U>(b);
  let size = multiplyHigh(
    logarithm,
    I(((exponent & U(0x007fffffu)) | U(0x00800000u)) << U(7u)),
  );
  let product = select(size, -size, b < F(0f));
  // y is the product 2^-down in units of 2^-23.
  let down = scale - I((exponent >> U(23u)) & U(0xffu)) + I(102);
  let estimate = F(product) * powerOfTwo(clamp(I(-23) - down, I(-126), I(127)));
  let isFar = abs(estimate) > F(200f);
  let lowered = ((product >> U(clamp(down - I(1), I(0), I(31)))) + I(1)) >> U(1u);
  let raised = product << U(clamp(-down, I(0), I(31)));
  let y = select(raised, lowered, down > I(0));
  let nearest = (y + I(0x400000)) >> U(23u);
  let f = F(y - (nearest << U(23u))) * F(${literal(2 ** -23)});
  let n = select(nearest, select(I(-200), I(200), product > I(0)), isFar);
  let half = n >> U(1u);
  return ${polynomial("select(f, F(0f), isFar)", EXP2)} * powerOfTwo(half) * powerOfTwo(n - half);
}`,
  },
  // Whole powers up to 16 are products, which are exact where a float holds the power. Special cases
  // as in IEEE 754.
  powOf: {
    needs: ["binaryPower", "isNan", "infinity", "nan"],
    source: `fn powOf(a: F, b: F) -> F {
  let size = bitcast<F>(bitcast<U>(a) & U(0x7fffffffu));
  let isWhole = floor(b) == b;
  let half = b * F(0.5f);
  let isOdd = isWhole & (floor(half) != half);
  let times = U(clamp(b, F(0f), F(16f)));
  let square = size * size;
  let fourth = square * square;
  let eighth = fourth * fourth;
  var product = select(F(1f), size, (times & U(1u)) != U(0u));
  product = select(product, product * square, (times & U(2u)) != U(0u));
  product = select(product, product * fourth, (times & U(4u)) != U(0u));
  product = select(product, product * eighth, (times & U(8u)) != U(0u));
  product = select(product, eighth * eighth, times == U(16u));
  let isProduct = isWhole & (b >= F(0f)) & (b <= F(16f));
  let finite = select(binaryPower(size, b), product, isProduct);
  // Infinite where a base above 1 is raised, or one below 1 lowered.
  let isUnbounded = (bitcast<U>(b) & U(0x7fffffffu)) == U(0x7f800000u);
  let isEnd = isUnbounded | (bitcast<U>(size) == U(0x7f800000u)) | (bitcast<U>(size) == U(0u));
  let isRaised = (size > F(1f)) == (b > F(0f));
  let magnitude = select(finite, select(F(0f), infinity(), isRaised), isEnd);
  let sign = select(U(0u), bitcast<U>(a) & U(0x80000000u), isOdd);
  let signed = bitcast<F>(bitcast<U>(magnitude) | sign);
  let isNegative = (a < F(0f)) & (bitcast<U>(size) != U(0x7f800000u));
  let isUndefined = (isNegative & !isWhole) | isNan(a) | isNan(b);
  let isOne = (b == F(0f)) | (a == F(1f)) | ((size == F(1f)) & isUnbounded);
  return select(select(signed, nan(), isUndefined), F(1f), isOne);
}`,
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
  // By bits: of what is made of selections, compilers make their own sign, which keeps that of -0.
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
  // Exact, as C's fmod: the dividend's mantissa modulo the divisor's, then 8 bits more at a time.
  remainderF: {
    needs: ["nan"],
    source: `fn remainderF(a: F, b: F) -> F {
  let x = bitcast<U>(a) & U(0x7fffffffu);
  let y = bitcast<U>(b) & U(0x7fffffffu);
  let isDefined = (x < U(0x7f800000u)) & (y <= U(0x7f800000u)) & (y != U(0u));
  // Without a remainder to find, 1 by 1.
  let isLess = x < y;
  let isFound = isDefined & !isLess;
  let dividend = select(U(0x3f800000u), x, isFound);
  let divisor = select(U(0x3f800000u), y, isFound);
  let m = (divisor & U(0x007fffffu)) | select(U(0u), U(0x00800000u), divisor >= U(0x00800000u));
  var rest = (dividend & U(0x007fffffu)) | select(U(0u), U(0x00800000u), dividend >= U(0x00800000u));
  let exponent = max(divisor >> U(23u), U(1u));
  var left = max(dividend >> U(23u), U(1u)) - exponent;
  rest = rest % m;
  while (any(left > U(0u))) {
    let bits = min(left, U(8u));
    rest = (rest << bits) % m;
    left -= bits;
  }
  // The rest times 2^(exponent - 150), by its bits.
  let up = min(countLeadingZeros(rest) - U(8u), exponent - U(1u));
  let raised = rest << up;
  let isNormal = raised >= U(0x00800000u);
  let biased = select(U(0u), exponent - up, isNormal);
  let size = select(select((raised & U(0x007fffffu)) | (biased << U(23u)), U(0u), rest == U(0u)), x, isLess);
  return select(nan(), bitcast<F>(size | (bitcast<U>(a) & U(0x80000000u))), isDefined);
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
  // The words at positions, which count words of blocks: see `randomBits` in the primitives.
  threefry: {
    needs: [],
    source: `fn threefry(position: U, key0: U, key1: U, counter0: U, counter1: U) -> U {
  let parity = key0 ^ key1 ^ U(${PARITY}u);
  var x = (position >> U(1u)) + counter0 + key0;
  var y = counter1 + key1;
${threefryRounds()}
  return select(x, y, (position & U(1u)) == U(1u));
}`,
  },
};

/** The text of functions and of those that they call, each once, callees first. */
export function mathSource(used: Iterable<MathFunction>): string {
  const done = new Set<MathFunction>();
  const texts: string[] = [];
  const visit = (name: MathFunction) => {
    if (done.has(name)) return;
    done.add(name);
    const { needs, source } = definitions[name];
    needs.forEach(visit);
    texts.push(source);
  };
  for (const name of used) visit(name);
  return texts.join("\n");
}
