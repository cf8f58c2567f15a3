/**
 * Cases for every primitive: seeded operands at which it is safe to differentiate, how often, and
 * how far two backends may differ. Backends and gradient rules are tested on the same table.
 */
import {
  apply,
  applyAll,
  type AttentionParameters,
  concat,
  dims,
  type DType,
  type FloatDType,
  full,
  mul,
  type PrimitiveName,
  type PrimitiveParameters,
  reshape,
  type Shape,
  sizeOf,
  type Tensor,
  tensor,
} from "@unitune/core";

/** How far the f32 results of two backends may differ. */
export interface Tolerance {
  /** The largest `|a - b| / max(1, |b|)`. */
  readonly value: number;
  /** Why it is this large. */
  readonly reason: string;
}

/** A primitive on operands of given shapes. */
export interface Case {
  /** What tells it from the other cases of the primitive. */
  readonly name: string;
  /** The operands; floats have the same values in f32 and f64. */
  readonly build: (dtype: FloatDType) => Tensor[];
  /** The primitive applied to operands like those that `build` gives. */
  readonly apply: (inputs: readonly Tensor[]) => Tensor;
  /** How often it is differentiated with respect to its floats; 0 where the gradient is 0 or none. */
  readonly order: 0 | 1 | 2;
  /** How far backends may differ. */
  readonly tolerance: Tolerance;
}

const exact: Tolerance = {
  value: 0,
  reason: "elements are moved, compared or counted as they are",
};
const rounded: Tolerance = {
  value: 2 ** -22,
  reason: "one operation of at most 2.5 units in the last place, what WGSL allows a division",
};
const approximated: Tolerance = {
  value: 4e-6,
  reason: "approximations by polynomials, of a few units in the last place times the slope",
};
const accumulated: Tolerance = {
  value: 1e-5,
  reason: "tens of terms of size 1 summed in f32 in any order, half a unit of 6e-8 lost at each",
};

const attended: Tolerance = {
  value: 4e-5,
  reason: "a softmax of scores up to 40, each off by some units of 2e-6 in the last place",
};

/** Numbers uniform on [0, 1), the same for the same text. */
function random(text: string): () => number {
  let state = [...text].reduce((hash, { length }, i) => {
    return Math.imul(hash ^ (text.charCodeAt(i) + length), 16777619);
  }, 2166136261);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** Draws the elements of an operand. */
type Sampler = (uniform: () => number, size: number) => number[];

const each = (draw: (u: number) => number): Sampler => (uniform, size) =>
  Array.from({ length: size }, () => draw(uniform()));

const reals = each((u) => 4 * u - 2);
const positive = each((u) => 0.3 + 2.7 * u);
/** At least 0.2 from 0, where |x| has a kink and 1 / x a pole. */
const nonzero = each((u) => u < 0.5 ? -0.2 - 4 * u : 0.2 + 4 * (u - 0.5));
/** Multiples of 1/2, which tie often. */
const halves = each((u) => Math.floor(13 * u) / 2 - 3);
/** Multiples of 1/2 without 0. */
const nonzeroHalves = each((u) => (u < 0.5 ? -1 : 1) * (1 + Math.floor(12 * u) % 5) / 2);
/** Numbers of all kinds, and NaN. */
const withNaN = each((u) => [NaN, -0, 0, Infinity, -Infinity, 1, -1][Math.floor(7 * u)] ?? NaN);
/** Odd multiples of 1/4: never a multiple of 1/2, nor within 1/4 of one. */
const between = each((u) => Math.floor(13 * u) / 2 - 2.75);
const integers = each((u) => Math.floor(19 * u) - 9);
const naturals = each((u) => Math.floor(19 * u));
/** Large enough that sums and products wrap. */
const wideIntegers = each((u) => Math.floor((u - 0.5) * 2 ** 32));
const wideNaturals = each((u) => Math.floor(u * 2 ** 32));
const truths = each((u) => u < 0.5 ? 0 : 1);
/** Different elements, at least 1/4 apart, in random order. */
const distinct: Sampler = (uniform, size) => {
  const elements = Array.from({ length: size }, (_, i) => i / 4 - 1);
  return elements.map((element) => ({ element, key: uniform() }))
    .toSorted((a, b) => a.key - b.key).map(({ element }) => element);
};
/**
 * Beside each boundary of 16-bit types: ties to even and to odd, the largest number and infinity, the
 * smallest normal and subnormal ones and half of it, NaN.
 */
const boundaries: Sampler = (uniform, size) => {
  const chosen = [
    ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20],
    ...[65504, 65519.99, 65520, 65536, 3.3895314e38, 3.3961776e38, Infinity],
    ...[2 ** -14, 2 ** -14 - 2 ** -25, 2 ** -15, 3 * 2 ** -25, 2 ** -25, 2 ** -26, 2 ** -126],
  ];
  // The sign of -NaN is an engine's own.
  const signed = [NaN, ...chosen.flatMap((x) => [x, -x])];
  return Array.from({ length: size }, (_, i) => signed[i] ?? 8 * uniform() - 4);
};
const constantly = (...elements: number[]): Sampler => () => elements;

/** An operand to be drawn; a float unless its dtype says otherwise. */
interface Operand {
  readonly shape: Shape;
  readonly sampler: Sampler;
  readonly dtype?: DType;
}

const float = (shape: Shape, sampler: Sampler = reals): Operand => ({ shape, sampler });
const i32 = (shape: Shape, sampler: Sampler = integers): Operand => ({
  shape,
  sampler,
  dtype: "i32",
});
const u32 = (shape: Shape, sampler: Sampler = naturals): Operand => ({
  shape,
  sampler,
  dtype: "u32",
});
const bool = (shape: Shape): Operand => ({ shape, sampler: truths, dtype: "bool" });
/** A float of 32 bits, also where the other floats have 64. */
const f32 = (shape: Shape, sampler = reals): Operand => ({ shape, sampler, dtype: "f32" });
const bf16 = (shape: Shape, sampler = reals): Operand => ({ shape, sampler, dtype: "bf16" });
const f16 = (shape: Shape, sampler = reals): Operand => ({ shape, sampler, dtype: "f16" });

function makeCase(
  operands: readonly Operand[],
  apply: Case["apply"],
  order: Case["order"],
  tolerance: Tolerance,
  note = "",
): Case {
  const shown = operands.map(({ shape, dtype = "float" }) => `${dtype}[${shape.join(", ")}]`);
  const name = [...shown, note].filter((part) => part !== "").join(" ") || "no operands";
  return {
    name,
    order,
    tolerance,
    apply,
    build: (floats) =>
      operands.map(({ shape, sampler, dtype = floats }, i) => {
        const elements = sampler(random(`${name} ${i}`), sizeOf(shape));
        return tensor(elements.map((x) => dtype === floats ? Math.fround(x) : x), { shape, dtype });
      }),
  };
}

/** Sizes of attention and its parameters; larger ones are in attention.test.ts. */
interface Attended {
  readonly q: Shape;
  readonly k: Shape;
  readonly parameters: AttentionParameters;
}

const plain: AttentionParameters = {
  scale: 0.7,
  softcap: null,
  causal: true,
  window: null,
  start: 0,
  segments: false,
};

/** The same heads and positions of queries and keys. */
const ofItself = (shape: Shape, parameters = plain): Attended => ({
  q: shape,
  k: shape,
  parameters,
});

const attentions: readonly Attended[] = [
  ofItself([1, 1, 1, 1]),
  ofItself([2, 5, 2, 3]),
  ofItself([1, 9, 1, 4]),
  ofItself([2, 0, 1, 2]),
  ofItself([1, 6, 2, 3], { ...plain, causal: false }),
  ofItself([1, 6, 1, 2], { ...plain, causal: false, window: 2 }),
  ofItself([2, 7, 2, 3], { ...plain, window: 3, softcap: 1.5, scale: -0.9 }),
  ofItself([3, 6, 2, 4], { ...plain, segments: true }),
  { q: [2, 5, 6, 3], k: [2, 5, 2, 3], parameters: plain },
  { q: [2, 2, 4, 3], k: [2, 7, 1, 3], parameters: { ...plain, start: 3, window: 4 } },
  { q: [3, 2, 2, 4], k: [3, 7, 1, 4], parameters: { ...plain, start: "operand" } },
  {
    q: [3, 4, 2, 3],
    k: [3, 6, 1, 3],
    parameters: {
      scale: 0.5,
      softcap: 2,
      causal: true,
      window: 3,
      start: "operand",
      segments: true,
    },
  },
  { q: [1, 3, 2, 2], k: [1, 4, 2, 2], parameters: { ...plain, start: -2 } },
  { q: [1, 3, 2, 2], k: [1, 0, 2, 2], parameters: plain },
];

/** Operands of attention after queries, keys and values, and after the cotangent of a gradient. */
function maskOperands({ q, k, parameters: { start, segments } }: Attended): Operand[] {
  const { B, T } = dims(q, "B T H D");
  const { S } = dims(k, "B S H D");
  const numbers = each((u) => Math.floor(4 * u) - 1);
  return [
    ...(start === "operand" ? [i32([B], each((u) => Math.floor(5 * u)))] : []),
    ...(segments ? [i32([B, T], numbers), i32([B, S], numbers)] : []),
  ];
}

function noteOf({ parameters }: Attended): string {
  return Object.entries(parameters).map(([name, value]) => `${name} ${value}`).join(", ");
}

/** The primitive with given parameters, as a function of its operands. */
function on<P extends PrimitiveName>(op: P, parameters: PrimitiveParameters[P]): Case["apply"] {
  return (inputs) => apply(op, inputs, parameters);
}

/** Scalars, sizes that no vector width divides, axes of size 1, and nothing at all. */
const shapes: readonly Shape[] = [[], [1], [7], [3, 1, 5], [2, 19], [0], [2, 0, 3]];

/** The primitives that work element by element and have no parameters. */
type Elementwise = {
  [P in PrimitiveName]: Record<never, never> extends PrimitiveParameters[P] ? P : never;
}[PrimitiveName];

/** An elementwise primitive on operands of every shape in turn. */
function elementwise(
  op: Elementwise,
  operands: (shape: Shape) => readonly Operand[],
  order: Case["order"],
  tolerance: Tolerance,
): Case[] {
  return shapes.map((shape) => makeCase(operands(shape), on(op, {}), order, tolerance));
}

/** An elementwise primitive of one float, differentiable twice. */
function smooth(op: Elementwise, sampler: Sampler, tolerance = approximated): Case[] {
  return elementwise(op, (shape) => [float(shape, sampler)], 2, tolerance);
}

/** A primitive on integers of both kinds, wide ones and small ones. */
function onIntegers(op: Elementwise, operands: 1 | 2): Case[] {
  const makers = [
    (shape: Shape) => i32(shape),
    (shape: Shape) => u32(shape),
    (shape: Shape) => i32(shape, wideIntegers),
    (shape: Shape) => u32(shape, wideNaturals),
  ];
  return makers.map((make, i) =>
    makeCase(
      Array.from({ length: operands }, () => make([23])),
      on(op, {}),
      0,
      exact,
      i < 2 ? "small" : "wide",
    )
  );
}

/** A comparison of floats that tie, and of integers. */
function comparison(op: Elementwise): Case[] {
  return [
    ...elementwise(op, (shape) => [float(shape, halves), float(shape, halves)], 0, exact),
    ...onIntegers(op, 2),
  ];
}

const square = {
  name: "square",
  backward: (
    [x]: readonly Tensor[],
    _: readonly Tensor[],
    [cotangent]: readonly Tensor[],
  ): Tensor[] => x === undefined || cotangent === undefined ? [] : [mul(cotangent, mul(x, 2))],
};

/** The cases of every primitive. */
export const cases: { readonly [P in PrimitiveName]: readonly Case[] } = {
  fill: shapes.flatMap((shape) => [
    makeCase([], on("fill", { shape, dtype: "f32", value: -1.5 }), 0, exact, `f32 [${shape}]`),
    makeCase([], on("fill", { shape, dtype: "i32", value: -7 }), 0, exact, `i32 [${shape}]`),
    makeCase([], on("fill", { shape, dtype: "u32", value: 2 ** 31 }), 0, exact, `u32 [${shape}]`),
    makeCase([], on("fill", { shape, dtype: "bool", value: 1 }), 0, exact, `bool [${shape}]`),
  ]),
  iota: [0, 1, 2].flatMap((axis) => [
    makeCase([], on("iota", { shape: [3, 1, 5], dtype: "i32", axis }), 0, exact, `i32 ${axis}`),
    makeCase([], on("iota", { shape: [2, 3, 7], dtype: "f32", axis }), 0, exact, `f32 ${axis}`),
    makeCase([], on("iota", { shape: [2, 0, 3], dtype: "u32", axis }), 0, exact, `u32 ${axis}`),
  ]),
  neg: [...smooth("neg", reals, exact), ...onIntegers("neg", 1)],
  abs: [...smooth("abs", nonzero, exact), ...onIntegers("abs", 1)],
  sign: [
    ...elementwise("sign", (shape) => [float(shape, nonzero)], 0, exact),
    makeCase([float([3], constantly(-2, 0, 5))], on("sign", {}), 0, exact, "at 0"),
    ...onIntegers("sign", 1),
  ],
  floor: elementwise("floor", (shape) => [float(shape, between)], 0, exact),
  exp: smooth("exp", reals),
  expm1: [
    ...smooth("expm1", reals),
    makeCase([float([4], constantly(1e-6, -1e-6, 1e-4, 0))], on("expm1", {}), 2, {
      value: 1e-12,
      reason: "results of 1e-6 to 1e-4 within some units in their own last places",
    }, "near 0"),
  ],
  log: smooth("log", positive),
  log1p: [
    ...smooth("log1p", positive),
    makeCase([float([4], constantly(1e-6, -1e-6, 1e-4, 0))], on("log1p", {}), 2, {
      value: 1e-10,
      reason: "results of 1e-6 to 1e-4 within some units in their own last places",
    }, "near 0"),
  ],
  sqrt: smooth("sqrt", positive, rounded),
  sin: smooth("sin", reals),
  cos: smooth("cos", reals),
  tanh: [
    ...smooth("tanh", reals),
    makeCase([float([4], constantly(-30, -1e-5, 9, 100))], on("tanh", {}), 2, approximated, "far"),
  ],
  erf: [
    ...smooth("erf", reals),
    makeCase([float([4], constantly(-6, -1e-5, 3, 100))], on("erf", {}), 2, approximated, "far"),
  ],
  geluDecay: [
    ...smooth("geluDecay", nonzero),
    makeCase(
      [float([4], constantly(-6, -0.3, 3, 100))],
      on("geluDecay", {}),
      2,
      approximated,
      "far",
    ),
  ],
  normalTail: [
    ...smooth("normalTail", nonzero),
    makeCase(
      [float([4], constantly(-6, -0.3, 3, 100))],
      on("normalTail", {}),
      2,
      approximated,
      "far",
    ),
  ],
  not: elementwise("not", (shape) => [bool(shape)], 0, exact),
  cast: [
    makeCase([float([11], between)], on("cast", { dtype: "i32" }), 0, exact, "to i32"),
    makeCase([float([11], positive)], on("cast", { dtype: "u32" }), 0, exact, "to u32"),
    makeCase([float([11], halves)], on("cast", { dtype: "bool" }), 0, exact, "to bool"),
    makeCase([i32([11])], on("cast", { dtype: "f32" }), 0, exact, "to f32"),
    makeCase([u32([11], wideNaturals)], on("cast", { dtype: "f32" }), 0, rounded, "to f32"),
    makeCase([bool([11])], on("cast", { dtype: "f32" }), 0, exact, "to f32"),
    makeCase([i32([11], wideIntegers)], on("cast", { dtype: "u32" }), 0, exact, "to u32"),
    makeCase([u32([11], wideNaturals)], on("cast", { dtype: "i32" }), 0, exact, "to i32"),
    makeCase([i32([11])], on("cast", { dtype: "bool" }), 0, exact, "to bool"),
    makeCase([bool([2, 0, 3])], on("cast", { dtype: "i32" }), 0, exact, "to i32"),
    ...([bf16, f16] as const).flatMap((of) => [
      makeCase([of([43], boundaries)], on("cast", { dtype: "f32" }), 0, exact, "to f32"),
      makeCase([of([3, 8])], on("cast", { dtype: "f32" }), 0, exact, "to f32"),
      makeCase([of([1])], on("cast", { dtype: "f32" }), 0, exact, "to f32"),
    ]),
    ...(["bf16", "f16"] as const).flatMap((dtype) => [
      makeCase([f32([43], boundaries)], on("cast", { dtype }), 0, exact, `to ${dtype}`),
      makeCase([f32([3, 8])], on("cast", { dtype }), 0, exact, `to ${dtype}`),
      makeCase([f32([])], on("cast", { dtype }), 0, exact, `to ${dtype}`),
    ]),
  ],
  bitcast: [
    makeCase([f32([11])], on("bitcast", { dtype: "u32" }), 0, exact, "to u32"),
    makeCase([f32([2, 3])], on("bitcast", { dtype: "i32" }), 0, exact, "to i32"),
    // Exponents that are neither 0 nor all ones.
    makeCase(
      [u32([9], each((u) => 2 ** 30 + Math.floor(u * 2 ** 24)))],
      on("bitcast", { dtype: "f32" }),
      0,
      exact,
      "to f32",
    ),
    makeCase([i32([5], wideIntegers)], on("bitcast", { dtype: "u32" }), 0, exact, "to u32"),
  ],
  add: [
    ...elementwise("add", (shape) => [float(shape), float(shape)], 2, rounded),
    ...onIntegers("add", 2),
  ],
  sub: [
    ...elementwise("sub", (shape) => [float(shape), float(shape)], 2, rounded),
    ...onIntegers("sub", 2),
  ],
  mul: [
    ...elementwise("mul", (shape) => [float(shape), float(shape)], 2, rounded),
    ...onIntegers("mul", 2),
  ],
  div: [
    ...elementwise("div", (shape) => [float(shape), float(shape, nonzero)], 2, rounded),
    ...onIntegers("div", 2),
  ],
  pow: [
    ...elementwise("pow", (shape) => [float(shape, positive), float(shape)], 2, approximated),
    ...[0, 1, 2, 3].map((exponent) =>
      makeCase(
        [float([5], constantly(-1.5, -0.5, 0, 0.5, 2))],
        ([x]) =>
          apply(
            "pow",
            x === undefined ? [] : [
              x,
              full(x.shape, exponent, x.dtype),
            ],
            {},
          ),
        2,
        approximated,
        `to the power ${exponent}`,
      )
    ),
  ],
  maximum: [
    ...elementwise("maximum", (shape) => [float(shape, halves), float(shape, between)], 2, exact),
    ...onIntegers("maximum", 2),
  ],
  minimum: [
    ...elementwise("minimum", (shape) => [float(shape, halves), float(shape, between)], 2, exact),
    ...onIntegers("minimum", 2),
  ],
  rem: [
    ...elementwise("rem", (shape) => [float(shape, between), float(shape, nonzeroHalves)], 2, {
      value: 1e-6,
      reason: "a - b trunc(a / b) in f32, with quotients of at most 7",
    }),
    ...onIntegers("rem", 2),
  ],
  equal: [
    ...comparison("equal"),
    makeCase([bool([23]), bool([23])], on("equal", {}), 0, exact),
  ],
  less: comparison("less"),
  lessEqual: comparison("lessEqual"),
  and: elementwise("and", (shape) => [bool(shape), bool(shape)], 0, exact),
  or: elementwise("or", (shape) => [bool(shape), bool(shape)], 0, exact),
  where: [
    ...elementwise("where", (shape) => [bool(shape), float(shape), float(shape)], 2, exact),
    makeCase([bool([23]), i32([23]), i32([23])], on("where", {}), 0, exact),
    makeCase([bool([23]), bool([23]), bool([23])], on("where", {}), 0, exact),
  ],
  sum: [
    ...([
      [[7], [0]],
      [[3, 19], [1]],
      [[3, 19], [0]],
      [[2, 3, 5], [1]],
      [[2, 3, 5], [0, 2]],
      [[2, 1, 5], [0, 1, 2]],
      [[2, 0, 3], [1]],
      [[2, 0, 3], [0]],
    ] satisfies [Shape, number[]][]).map(([shape, axes]) =>
      makeCase([float(shape)], on("sum", { axes }), 2, accumulated, `over ${axes}`)
    ),
    makeCase([i32([3, 19])], on("sum", { axes: [1] }), 0, exact),
    makeCase([i32([19, 3], wideIntegers)], on("sum", { axes: [0] }), 0, exact, "wide"),
    makeCase([u32([3, 19], wideNaturals)], on("sum", { axes: [0, 1] }), 0, exact, "wide"),
  ],
  reduceMax: [
    ...([
      [[7], [0]],
      [[3, 19], [1]],
      [[3, 19], [0]],
      [[2, 3, 5], [1]],
      [[2, 3, 5], [0, 2]],
      [[2, 1, 5], [0, 1, 2]],
      [[0, 3], [1]],
    ] satisfies [Shape, number[]][]).map(([shape, axes]) =>
      makeCase([float(shape, distinct)], on("reduceMax", { axes }), 2, exact, `over ${axes}`)
    ),
    makeCase([i32([3, 19], wideIntegers)], on("reduceMax", { axes: [1] }), 0, exact),
    makeCase([u32([3, 19], wideNaturals)], on("reduceMax", { axes: [0] }), 0, exact),
  ],
  argmax: [
    makeCase([float([19], distinct)], on("argmax", { axis: 0 }), 0, exact),
    makeCase([float([3, 7], halves)], on("argmax", { axis: 1 }), 0, exact, "with ties"),
    makeCase([float([3, 7, 5], halves)], on("argmax", { axis: 1 }), 0, exact, "with ties"),
    makeCase([float([3, 1], reals)], on("argmax", { axis: 1 }), 0, exact),
    makeCase([float([0, 3], reals)], on("argmax", { axis: 1 }), 0, exact),
    makeCase([i32([5, 7])], on("argmax", { axis: 0 }), 0, exact, "with ties"),
    makeCase([u32([5, 7], wideNaturals)], on("argmax", { axis: 1 }), 0, exact),
  ],
  argsort: [
    makeCase([float([19], distinct)], on("argsort", {}), 0, exact),
    makeCase([float([3, 17], halves)], on("argsort", {}), 0, exact, "with ties"),
    makeCase([float([2, 3, 1])], on("argsort", {}), 0, exact),
    makeCase([float([3, 0])], on("argsort", {}), 0, exact),
    makeCase([float([3, 70], withNaN)], on("argsort", {}), 0, exact, "with NaN and infinities"),
    makeCase([i32([4, 9])], on("argsort", {}), 0, exact, "with ties"),
    makeCase([u32([4, 9], wideNaturals)], on("argsort", {}), 0, exact),
  ],
  matmul: ([
    [[1, 1], [1, 1]],
    [[5, 7], [7, 3]],
    [[9, 13], [13, 17]],
    [[1, 9], [9, 4]],
    [[6, 3], [3, 1]],
    [[2, 3, 4], [2, 4, 5]],
    [[2, 1, 3, 2], [2, 1, 2, 3]],
    [[3, 0], [0, 2]],
    [[0, 3], [3, 2]],
  ] satisfies [Shape, Shape][]).map(([a, b]) =>
    makeCase([float(a), float(b)], on("matmul", {}), 2, accumulated)
  ),
  attention: attentions.map((attention) => {
    const { q, k, parameters } = attention;
    return makeCase(
      [float(q), float(k), float(k), ...maskOperands(attention)],
      on("attention", parameters),
      2,
      attended,
      noteOf(attention),
    );
  }),
  attentionGradient: attentions.map((attention) => {
    const { q, k, parameters } = attention;
    return makeCase(
      [float(q), float(k), float(k), float(q), ...maskOperands(attention)],
      // All three results, one after the other.
      (inputs) => {
        const results = applyAll("attentionGradient", inputs, parameters);
        return concat(results.map((x) => reshape(x, [sizeOf(x.shape)])), 0);
      },
      2,
      attended,
      noteOf(attention),
    );
  }),
  reshape: [
    makeCase([float([2, 6])], on("reshape", { shape: [3, 1, 4] }), 2, exact),
    makeCase([float([1])], on("reshape", { shape: [] }), 2, exact),
    makeCase([float([2, 0])], on("reshape", { shape: [0, 5] }), 2, exact),
    makeCase([i32([4, 3])], on("reshape", { shape: [12] }), 0, exact),
    makeCase([bf16([3, 5])], on("reshape", { shape: [5, 3] }), 0, exact),
  ],
  transpose: [
    makeCase([float([3, 5])], on("transpose", { permutation: [1, 0] }), 2, exact),
    makeCase([float([2, 3, 5])], on("transpose", { permutation: [2, 0, 1] }), 2, exact),
    makeCase([float([2, 1, 3, 5])], on("transpose", { permutation: [0, 2, 1, 3] }), 2, exact),
    makeCase([float([2, 0])], on("transpose", { permutation: [1, 0] }), 2, exact),
    makeCase([float([])], on("transpose", { permutation: [] }), 2, exact),
    makeCase([bool([3, 5])], on("transpose", { permutation: [1, 0] }), 0, exact),
    makeCase([bf16([3, 5])], on("transpose", { permutation: [1, 0] }), 0, exact),
    makeCase([f16([8, 12])], on("transpose", { permutation: [1, 0] }), 0, exact),
  ],
  expand: [
    makeCase([float([1])], on("expand", { shape: [7] }), 2, exact),
    makeCase([float([3, 1])], on("expand", { shape: [3, 5] }), 2, exact),
    makeCase([float([1, 5, 1])], on("expand", { shape: [3, 5, 2] }), 2, exact),
    makeCase([float([1, 3])], on("expand", { shape: [0, 3] }), 2, exact),
    makeCase([i32([1, 4])], on("expand", { shape: [3, 4] }), 0, exact),
    makeCase([bf16([3, 1])], on("expand", { shape: [3, 7] }), 0, exact),
  ],
  slice: [
    makeCase([float([9])], on("slice", { start: [2], end: [7] }), 2, exact),
    makeCase([float([4, 6])], on("slice", { start: [1, 0], end: [4, 5] }), 2, exact),
    makeCase([float([3, 4, 2])], on("slice", { start: [0, 1, 1], end: [2, 3, 2] }), 2, exact),
    makeCase([float([3, 4])], on("slice", { start: [0, 2], end: [3, 2] }), 2, exact),
    makeCase([u32([4, 6])], on("slice", { start: [1, 2], end: [3, 6] }), 0, exact),
    makeCase([bf16([21])], on("slice", { start: [3], end: [20] }), 0, exact),
    makeCase([f16([4, 12])], on("slice", { start: [1, 4], end: [4, 12] }), 0, exact),
  ],
  concat: [
    makeCase([float([3]), float([5])], on("concat", { axis: 0 }), 2, exact),
    makeCase([float([2, 3]), float([2, 1]), float([2, 4])], on("concat", { axis: 1 }), 2, exact),
    makeCase([float([2, 0, 3]), float([2, 2, 3])], on("concat", { axis: 1 }), 2, exact),
    makeCase([float([4])], on("concat", { axis: 0 }), 2, exact),
    makeCase([i32([2, 3]), i32([1, 3])], on("concat", { axis: 0 }), 0, exact),
    makeCase([bf16([2, 3]), bf16([1, 3])], on("concat", { axis: 0 }), 0, exact),
    makeCase([f16([3, 8]), f16([3, 4]), f16([3, 5])], on("concat", { axis: 1 }), 0, exact),
  ],
  gather: [
    makeCase([float([5, 3]), i32([4], constantly(4, 0, 4, 2))], on("gather", {}), 2, exact),
    makeCase([float([4]), i32([2, 3], constantly(0, 1, 2, 3, 3, 0))], on("gather", {}), 2, exact),
    makeCase([float([3, 2, 2]), i32([], constantly(1))], on("gather", {}), 2, exact),
    makeCase([float([3, 2]), i32([0])], on("gather", {}), 2, exact),
    makeCase([i32([3, 2]), i32([3], constantly(-1, 3, 1))], on("gather", {}), 0, exact, "outside"),
    makeCase([bf16([3, 5]), i32([4], constantly(2, -1, 3, 1))], on("gather", {}), 0, exact),
    makeCase([f16([3, 8]), i32([4], constantly(2, -1, 3, 1))], on("gather", {}), 0, exact),
  ],
  scatterAdd: [
    makeCase(
      [i32([4], constantly(4, 0, 4, 2)), float([4, 3])],
      on("scatterAdd", { rows: 5 }),
      2,
      accumulated,
    ),
    makeCase(
      [i32([2, 3], constantly(0, 1, -1, 7, 3, 0)), float([2, 3])],
      on("scatterAdd", { rows: 4 }),
      2,
      accumulated,
      "outside",
    ),
    makeCase([i32([], constantly(1)), float([2])], on("scatterAdd", { rows: 3 }), 2, accumulated),
    makeCase([i32([0]), float([0, 2])], on("scatterAdd", { rows: 3 }), 2, accumulated),
    makeCase(
      [i32([4], constantly(2, 0, 5, 2)), float([4, 6]), float([4, 6])],
      on("scatterAdd", { rows: 4 }),
      2,
      accumulated,
      "to a table",
    ),
    makeCase(
      [i32([1100]), float([1100, 2]), float([3, 2])],
      on("scatterAdd", { rows: 3 }),
      1,
      accumulated,
      "many to a table",
    ),
  ],
  dynamicSlice: [
    makeCase(
      [bf16([2, 5, 3]), i32([], constantly(2))],
      on("dynamicSlice", { axis: 1, size: 2 }),
      0,
      exact,
    ),
    makeCase(
      [float([7]), i32([], constantly(2))],
      on("dynamicSlice", { axis: 0, size: 3 }),
      2,
      exact,
    ),
    makeCase(
      [float([2, 5, 3]), i32([], constantly(4))],
      on("dynamicSlice", { axis: 1, size: 2 }),
      2,
      exact,
      "clamped",
    ),
    makeCase(
      [i32([4, 3]), i32([], constantly(-2))],
      on("dynamicSlice", { axis: 0, size: 1 }),
      0,
      exact,
      "clamped",
    ),
    makeCase(
      [float([3, 2, 5, 4]), i32([3], constantly(4, -1, 1))],
      on("dynamicSlice", { axis: 2, size: 2 }),
      2,
      exact,
      "a start for each row",
    ),
  ],
  dynamicUpdate: [
    makeCase(
      [bf16([2, 5, 3]), bf16([2, 2, 3]), i32([], constantly(2))],
      on("dynamicUpdate", { axis: 1 }),
      0,
      exact,
    ),
    makeCase(
      [f16([5, 4]), f16([2, 4]), i32([], constantly(3))],
      on("dynamicUpdate", { axis: 0 }),
      0,
      exact,
    ),
    makeCase(
      [float([7]), float([3]), i32([], constantly(2))],
      on("dynamicUpdate", { axis: 0 }),
      2,
      exact,
    ),
    makeCase(
      [float([2, 5, 3]), float([2, 2, 3]), i32([], constantly(4))],
      on("dynamicUpdate", { axis: 1 }),
      2,
      exact,
      "clamped",
    ),
    makeCase(
      [i32([4, 3]), i32([1, 3]), i32([], constantly(-2))],
      on("dynamicUpdate", { axis: 0 }),
      0,
      exact,
      "clamped",
    ),
    makeCase(
      [float([3, 2, 5, 4]), float([3, 2, 2, 4]), i32([3], constantly(4, -1, 1))],
      on("dynamicUpdate", { axis: 2 }),
      2,
      exact,
      "a start for each row",
    ),
  ],
  randomBits: [
    ...shapes.map((shape) =>
      makeCase(
        [u32([2], wideNaturals), u32([2], constantly(0, 1))],
        on("randomBits", { shape }),
        0,
        exact,
        `[${shape}]`,
      )
    ),
    makeCase(
      [u32([3, 2], wideNaturals), u32([3, 2], wideNaturals)],
      on("randomBits", { shape: [3, 7] }),
      0,
      exact,
      "a key for each row",
    ),
  ],
  stopGradient: elementwise("stopGradient", (shape) => [float(shape)], 0, exact),
  customVjp: shapes.map((shape) =>
    makeCase(
      [float(shape)],
      ([x]) =>
        apply("customVjp", x === undefined ? [] : [mul(x, x), x], {
          rule: square,
          values: 1,
        }),
      2,
      rounded,
    )
  ),
  barrier: elementwise("barrier", (shape) => [float(shape), float(shape)], 2, exact),
};
