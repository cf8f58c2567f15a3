/**
 * Elementary functions in WGSL, over the types F, I, U and B: one lane or four (see `wgsl.ts`).
 *
 * WGSL's own are too coarse (sin to 2^-11, log to 2^-21 near 1) and differ between drivers, so
 * these are polynomials (`polynomials.ts`), tanh from expm1. NaN is told by its bits, since
 * `x != x` may be folded to false, and no step relies on `(1 + x) - 1`, which compilers may
 * simplify.
 */
import { GROUPS, PARITY, ROTATIONS } from "../../threefry.ts";
import {
  COSINE,
  ERF_DENOMINATOR,
  ERF_NUMERATOR,
  EXP_TAIL,
  LN2_PARTS,
  LOG_SERIES,
  QUARTER_PARTS,
  SINE,
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
  | "reduceByQuarter"
  | "sinOf"
  | "cosOf"
  | "tanhOf"
  | "erfOf"
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
  | "threefry";

interface Definition {
  /** The functions that it calls. */
  readonly needs: readonly MathFunction[];
  readonly source: string;
}

/** A finite number as an f32 literal; -0 and the rest by bits, which no compiler rounds. */
export function literal(value: number): string {
  const rounded = Math.fround(value);
  if (Object.is(rounded, -0)) return "bitcast<f32>(0x80000000u)";
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

/** sin (shift 0) or cos (shift 1): one of two polynomials, by the quarter turn. */
function circular(name: "sinOf" | "cosOf", shift: 0 | 1): string {
  return `fn ${name}(x: F) -> F {
  let n = floor(fma(x, F(${literal(2 / Math.PI)}), F(0.5f)));
  let r = reduceByQuarter(x, n);
  let z = r * r;
  let quarter = I(n) + I(${shift});
  let s = fma(${sine} * z, r, r);
  let c = fma(${cosine}, z * z, fma(z, F(-0.5f), F(1f)));
  let size = select(s, c, (quarter & I(1)) == I(1));
  return bitcast<F>(bitcast<U>(size) ^ (bitcast<U>(quarter & I(2)) << U(30u)));
}`;
}

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
  // The scale in two steps, since 2^n itself may be out of range where the result is not.
  expOf: {
    needs: ["isNan", "powerOfTwo", "expTail"],
    source: `fn expOf(x: F) -> F {
  let clamped = min(max(x, F(-104f)), F(89f));
  let n = floor(fma(clamped, F(${literal(Math.LOG2E)}), F(0.5f)));
  let r = fma(n, F(${literal(-LN2_PARTS[1])}), fma(n, F(${literal(-LN2_PARTS[0])}), clamped));
  let whole = I(n);
  let half = whole >> U(1u);
  let scaled = (expTail(r) + F(1f)) * powerOfTwo(half) * powerOfTwo(whole - half);
  return select(scaled, x, isNan(x));
}`,
  },
  expm1Of: {
    needs: ["expOf", "expTail"],
    source: `fn expm1Of(x: F) -> F {
  return select(expOf(x) - F(1f), expTail(x), abs(x) < F(0.34f));
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
  return select(logOf(x + F(1f)), logParts(x, F(0f)), near);
}`,
  },
  reduceByQuarter: {
    needs: [],
    source: `fn reduceByQuarter(x: F, n: F) -> F {
  return ${QUARTER_PARTS.reduce((rest, part) => `fma(n, F(${literal(-part)}), ${rest})`, "x")};
}`,
  },
  sinOf: { needs: ["reduceByQuarter"], source: circular("sinOf", 0) },
  cosOf: { needs: ["reduceByQuarter"], source: circular("cosOf", 1) },
  // e / (e + 2) with e = e^(2|x|) - 1, and the sign of x.
  tanhOf: {
    needs: ["isNan", "expm1Of"],
    source: `fn tanhOf(x: F) -> F {
  let e = expm1Of(min(abs(x), F(20f)) * F(2f));
  let size = bitcast<U>(e / (e + F(2f))) | (bitcast<U>(x) & U(0x80000000u));
  return select(bitcast<F>(size), x, isNan(x));
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
  // e^(b ln |a|), negative for negative a and odd b, NaN for negative a and broken b.
  powOf: {
    needs: ["expOf", "logOf", "nan"],
    source: `fn powOf(a: F, b: F) -> F {
  let size = expOf(b * logOf(abs(a)));
  let half = b * F(0.5f);
  let signed = select(size, -size, floor(half) != half);
  let whole = select(nan(), signed, floor(b) == b);
  return select(select(size, whole, a < F(0f)), F(1f), b == F(0f));
}`,
  },
  maximumOf: {
    needs: ["isNan"],
    source: `fn maximumOf(a: F, b: F) -> F {
  return select(select(select(b, a, a > b), b, isNan(b)), a, isNan(a));
}`,
  },
  minimumOf: {
    needs: ["isNan"],
    source: `fn minimumOf(a: F, b: F) -> F {
  return select(select(select(b, a, a < b), b, isNan(b)), a, isNan(a));
}`,
  },
  signOf: {
    needs: [],
    source: `fn signOf(x: F) -> F {
  return select(select(x, F(-1f), x < F(0f)), F(1f), x > F(0f));
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
  remainderF: {
    needs: [],
    source: `fn remainderF(a: F, b: F) -> F { return fma(-trunc(a / b), b, a); }`,
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
