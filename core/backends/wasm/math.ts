/**
 * Elementary functions on four floats, as functions of the module.
 *
 * Polynomials: exp, log, sin and cos after Cephes (S. Moshier), erf's rational function as in
 * Eigen, tanh from expm1. Errors are a few units in the last place on the range that each names.
 */
import { GROUPS, PARITY, ROTATIONS } from "../../threefry.ts";
import { call, type Code, f32x4, i32, i32x4, local, types, v128 } from "./instructions.ts";
import { defineFunction, keep, type Locals, type WasmFunction } from "./module.ts";

/** Functions of the module that kernels call, each a vector from vectors. */
export type MathFunction =
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sin"
  | "cos"
  | "tanh"
  | "erf"
  | "pow"
  | "divS"
  | "divU"
  | "remS"
  | "remU"
  | "remF"
  | "threefry";

/** Where each function stands in the module. */
export type MathTable = Readonly<Record<MathFunction, number>>;

const c = f32x4.const;
const splat = (bits: number): Code => i32x4.const(bits, bits, bits, bits);

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
function polynomial(x: Code, coefficients: readonly number[]): Code {
  const [first = 0, ...rest] = coefficients;
  return rest.reduce<Code>((sum, next) => f32x4.add(f32x4.mul(sum, x), c(next)), c(first));
}

/** A function of one vector. */
function unary(body: (locals: Locals, x: Code) => Code): WasmFunction {
  return defineFunction(
    [types.v128],
    [types.v128],
    (locals, x) => body(locals, local.get(x ?? 0)),
  );
}

/** Adds a vector local: code to set it now, and code to get it. */
function vectorOf(locals: Locals, value: Code): { set: Code; get: Code } {
  return keep(locals, types.v128, value);
}

/** x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, so that n ln 2 is nearly exact. */
function reduceByLn2(locals: Locals, x: Code) {
  const n = vectorOf(locals, f32x4.nearest(f32x4.mul(x, c(Math.LOG2E))));
  const high = f32x4.sub(x, f32x4.mul(n.get, c(0.693359375)));
  const r = vectorOf(locals, f32x4.sub(high, f32x4.mul(n.get, c(-2.12194440e-4))));
  return { code: [n.set, r.set], n: n.get, r: r.get };
}

/** `(e^r - 1 - r) / r^2` for |r| <= ln 2 / 2. */
function expTail(r: Code): Code {
  return polynomial(r, [
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
  ]);
}

/** `2^n` for integers n from -126 to 127, given as integers. */
function powerOfTwo(n: Code): Code {
  return i32x4.shl(i32x4.add(n, splat(127)), i32.const(23));
}

const exp = unary((locals, x) => {
  const clamped = vectorOf(locals, f32x4.max(f32x4.min(x, c(89)), c(-104)));
  const { code, n, r } = reduceByLn2(locals, clamped.get);
  const whole = vectorOf(locals, i32x4.truncSatF32x4S(n));
  const half = vectorOf(locals, i32x4.shrS(whole.get, i32.const(1)));
  const mantissa = f32x4.add(f32x4.add(f32x4.mul(expTail(r), f32x4.mul(r, r)), r), c(1));
  // The scale in two steps, since 2^n itself may be out of range where the result is not.
  const scaled = f32x4.mul(mantissa, powerOfTwo(half.get));
  return [
    clamped.set,
    code,
    whole.set,
    half.set,
    f32x4.mul(scaled, powerOfTwo(i32x4.sub(whole.get, half.get))),
  ];
});

function expm1(expIndex: number): WasmFunction {
  return unary((locals, x) => {
    const clamped = vectorOf(locals, f32x4.max(f32x4.min(x, c(80)), c(-80)));
    const { code, n, r } = reduceByLn2(locals, clamped.get);
    const scale = vectorOf(locals, powerOfTwo(i32x4.truncSatF32x4S(n)));
    const tail = f32x4.add(f32x4.mul(expTail(r), f32x4.mul(r, r)), r);
    const near = f32x4.add(f32x4.mul(scale.get, tail), f32x4.sub(scale.get, c(1)));
    return [
      clamped.set,
      code,
      scale.set,
      v128.bitselect(call(expIndex, x), near, f32x4.gt(x, c(60))),
    ];
  });
}

const log = unary((locals, x) => {
  // Subnormal numbers are scaled up by 2^23 first.
  const tiny = vectorOf(locals, f32x4.lt(x, c(1.17549435e-38)));
  const scaled = vectorOf(locals, v128.bitselect(f32x4.mul(x, c(2 ** 23)), x, tiny.get));
  const exponent = vectorOf(
    locals,
    i32x4.sub(
      i32x4.sub(i32x4.shrU(scaled.get, i32.const(23)), splat(126)),
      v128.and(tiny.get, splat(23)),
    ),
  );
  // x = 2^e m with m from sqrt(1/2) to sqrt(2).
  const half = vectorOf(
    locals,
    v128.or(v128.and(scaled.get, splat(0x007fffff)), splat(0x3f000000)),
  );
  const low = vectorOf(locals, f32x4.lt(half.get, c(Math.SQRT1_2)));
  const m = vectorOf(
    locals,
    f32x4.sub(f32x4.add(half.get, v128.and(low.get, half.get)), c(1)),
  );
  const e = vectorOf(locals, f32x4.convertI32x4S(i32x4.add(exponent.get, low.get)));
  const z = vectorOf(locals, f32x4.mul(m.get, m.get));
  const series = polynomial(m.get, [
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
  ]);
  const small = f32x4.add(
    f32x4.mul(f32x4.mul(series, m.get), z.get),
    f32x4.mul(e.get, c(-2.12194440e-4)),
  );
  const corrected = f32x4.sub(small, f32x4.mul(z.get, c(0.5)));
  const finite = vectorOf(
    locals,
    f32x4.add(f32x4.add(m.get, corrected), f32x4.mul(e.get, c(0.693359375))),
  );
  const infinite = v128.bitselect(x, finite.get, f32x4.eq(x, c(Infinity)));
  const zero = v128.bitselect(c(-Infinity), infinite, f32x4.eq(x, c(0)));
  return [
    ...[tiny, scaled, exponent, half, low, m, e, z, finite].map(({ set }) => set),
    v128.bitselect(zero, c(NaN), f32x4.ge(x, c(0))),
  ];
});

/** `ln(1 + x)` as `ln(u) x / (u - 1)` with u = 1 + x rounded, after Kahan. */
function log1p(logIndex: number): WasmFunction {
  return unary((locals, x) => {
    const u = vectorOf(locals, f32x4.add(x, c(1)));
    const d = vectorOf(locals, f32x4.sub(u.get, c(1)));
    const quotient = f32x4.div(f32x4.mul(call(logIndex, u.get), x), d.get);
    const exact = v128.or(f32x4.eq(d.get, c(0)), f32x4.eq(x, c(Infinity)));
    return [u.set, d.set, v128.bitselect(x, quotient, exact)];
  });
}

/** sin (shift 0) or cos (shift 1): quarter turns are taken off, then one of two polynomials. */
function circular(shift: number): WasmFunction {
  return unary((locals, x) => {
    const n = vectorOf(locals, f32x4.nearest(f32x4.mul(x, c(2 / Math.PI))));
    const parts = [1.5703125, 4.837512969970703125e-4, 7.54978995489188216e-8];
    const r = vectorOf(
      locals,
      parts.reduce<Code>((rest, part) => f32x4.sub(rest, f32x4.mul(n.get, c(part))), x),
    );
    const z = vectorOf(locals, f32x4.mul(r.get, r.get));
    const quarter = vectorOf(locals, i32x4.add(i32x4.truncSatF32x4S(n.get), splat(shift)));
    const sine = f32x4.add(
      f32x4.mul(
        f32x4.mul(polynomial(z.get, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]), z.get),
        r.get,
      ),
      r.get,
    );
    const cosine = f32x4.add(
      f32x4.sub(
        f32x4.mul(
          polynomial(z.get, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]),
          f32x4.mul(z.get, z.get),
        ),
        f32x4.mul(z.get, c(0.5)),
      ),
      c(1),
    );
    const odd = i32x4.eq(v128.and(quarter.get, splat(1)), splat(1));
    const sign = i32x4.shl(v128.and(quarter.get, splat(2)), i32.const(30));
    return [n.set, r.set, z.set, quarter.set, v128.xor(v128.bitselect(cosine, sine, odd), sign)];
  });
}

/** `e / (e + 2)` with e = e^(2|x|) - 1, and the sign of x. */
function tanh(expm1Index: number): WasmFunction {
  return unary((locals, x) => {
    const e = vectorOf(
      locals,
      call(expm1Index, f32x4.mul(f32x4.min(f32x4.abs(x), c(20)), c(2))),
    );
    const size = f32x4.div(e.get, f32x4.add(e.get, c(2)));
    return [e.set, v128.or(size, v128.and(x, splat(0x80000000 | 0)))];
  });
}

/** x P(x^2) / Q(x^2) for |x| <= 4, where erf rounds to 1 beyond. */
const erf = unary((locals, x) => {
  const clamped = vectorOf(locals, f32x4.max(f32x4.min(x, c(4)), c(-4)));
  const z = vectorOf(locals, f32x4.mul(clamped.get, clamped.get));
  const p = polynomial(z.get, [
    -2.72614225801306e-10,
    2.77068142495902e-8,
    -2.10102402082508e-6,
    -5.69250639462346e-5,
    -7.34990630326855e-4,
    -2.95459980854025e-3,
    -1.60960333262415e-2,
  ]);
  const q = polynomial(z.get, [
    -1.45660718464996e-5,
    -2.13374055278905e-4,
    -1.68282697438203e-3,
    -7.37332916720468e-3,
    -1.42647390514189e-2,
  ]);
  return [clamped.set, z.set, f32x4.div(f32x4.mul(clamped.get, p), q)];
});

function binary(body: (locals: Locals, a: Code, b: Code) => Code): WasmFunction {
  return defineFunction(
    [types.v128, types.v128],
    [types.v128],
    (locals, a, b) => body(locals, local.get(a ?? 0), local.get(b ?? 1)),
  );
}

/** `e^(b ln |a|)`, negative for negative a and odd b, NaN for negative a and broken b. */
function pow(expIndex: number, logIndex: number): WasmFunction {
  return binary((locals, a, b) => {
    const size = vectorOf(
      locals,
      call(expIndex, f32x4.mul(b, call(logIndex, f32x4.abs(a)))),
    );
    const half = f32x4.mul(b, c(0.5));
    const isOdd = f32x4.ne(f32x4.floor(half), half);
    const isWhole = f32x4.eq(f32x4.floor(b), b);
    const negative = f32x4.lt(a, c(0));
    const signed = v128.bitselect(
      v128.bitselect(v128.bitselect(f32x4.neg(size.get), size.get, isOdd), c(NaN), isWhole),
      size.get,
      negative,
    );
    return [size.set, v128.bitselect(c(1), signed, f32x4.eq(b, c(0)))];
  });
}

/** An integer operation without a vector form, lane by lane; a divisor of 0 gives 0. */
function byLanes(operation: (a: Code, b: Code) => Code): WasmFunction {
  return binary((locals, a, b) => {
    const divisor = locals.add(types.i32);
    let result: Code = splat(0);
    const code: Code[] = [];
    const total = locals.add(types.v128);
    for (let lane = 0; lane < 4; lane++) {
      code.push(
        local.set(divisor, i32x4.extractLane(b, lane)),
        local.set(
          total,
          i32x4.replaceLane(
            lane === 0 ? result : local.get(total),
            lane,
            [
              local.get(divisor),
              0x04,
              types.i32,
              operation(i32x4.extractLane(a, lane), local.get(divisor)),
              0x05,
              i32.const(0),
              0x0b,
            ],
          ),
        ),
      );
      result = local.get(total);
    }
    return [code, result];
  });
}

/** `-2^31 / -1` overflows in the machine's division; as everywhere, it wraps. */
function divideSigned(a: Code, b: Code): Code {
  return [
    i32.eq(b, i32.const(-1)),
    0x04,
    types.i32,
    i32.sub(i32.const(0), a),
    0x05,
    i32.divS(a, b),
    0x0b,
  ];
}

const remF = binary((_, a, b) => f32x4.sub(a, f32x4.mul(f32x4.trunc(f32x4.div(a, b)), b)));

/** The words at positions, which count words of blocks: see `randomBits` in the primitives. */
const threefry = defineFunction(
  [types.v128, types.v128, types.v128, types.v128, types.v128],
  [types.v128],
  (locals, position = 0, key0 = 1, key1 = 2, counter0 = 3, counter1 = 4) => {
    const parity = v128.xor(v128.xor(local.get(key0), local.get(key1)), splat(PARITY));
    const last = vectorOf(locals, parity);
    const subkeys = [local.get(key0), local.get(key1), last.get];
    const subkey = (index: number): Code => subkeys[index % 3] ?? [];
    const [x, y] = [locals.add(types.v128), locals.add(types.v128)];
    const block = i32x4.add(i32x4.shrU(local.get(position), i32.const(1)), local.get(counter0));
    const code: Code[] = [
      last.set,
      local.set(x, i32x4.add(block, subkey(0))),
      local.set(y, i32x4.add(local.get(counter1), subkey(1))),
    ];
    for (let group = 0; group < GROUPS; group++) {
      for (const rotation of ROTATIONS[group % 2] ?? []) {
        const rotated = v128.or(
          i32x4.shl(local.get(y), i32.const(rotation)),
          i32x4.shrU(local.get(y), i32.const(32 - rotation)),
        );
        code.push(
          local.set(x, i32x4.add(local.get(x), local.get(y))),
          local.set(y, v128.xor(rotated, local.get(x))),
        );
      }
      code.push(
        local.set(x, i32x4.add(local.get(x), subkey(group + 1))),
        local.set(y, i32x4.add(i32x4.add(local.get(y), subkey(group + 2)), splat(group + 1))),
      );
    }
    const isSecond = i32x4.eq(v128.and(local.get(position), splat(1)), splat(1));
    return [code, v128.bitselect(local.get(y), local.get(x), isSecond)];
  },
);

/** The functions, in the order in which they stand at the front of a module. */
export function mathFunctions(): { readonly functions: WasmFunction[]; readonly table: MathTable } {
  const table: MathTable = {
    exp: 0,
    expm1: 1,
    log: 2,
    log1p: 3,
    sin: 4,
    cos: 5,
    tanh: 6,
    erf: 7,
    pow: 8,
    divS: 9,
    divU: 10,
    remS: 11,
    remU: 12,
    remF: 13,
    threefry: 14,
  };
  const functions: Record<MathFunction, WasmFunction> = {
    exp,
    expm1: expm1(table.exp),
    log,
    log1p: log1p(table.log),
    sin: circular(0),
    cos: circular(1),
    tanh: tanh(table.expm1),
    erf,
    pow: pow(table.exp, table.log),
    divS: byLanes(divideSigned),
    divU: byLanes(i32.divU),
    remS: byLanes(i32.remS),
    remU: byLanes(i32.remU),
    remF,
    threefry,
  };
  return { functions: Object.values(functions), table };
}
