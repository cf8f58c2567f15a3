import { assert, assertAlmostEquals, assertEquals, assertStrictEquals } from "@std/assert";
import {
  abs,
  apply,
  cast,
  clip,
  compile,
  cos,
  defaultDevice,
  type DType,
  erf,
  exp,
  expm1,
  floor,
  gelu,
  isNumber,
  log,
  log1p,
  logSigmoid,
  neg,
  notEqual,
  reference,
  relu,
  rem,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  square,
  stopGradient,
  tanh,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import fc from "fast-check";

/** Where functions turn special: no number, no end, no size, too small, too large. */
const specials: readonly number[] = [
  ...[NaN, Infinity, -Infinity, 0, -0],
  ...[1e-45, -1e-40, 1.2e-38, 1e-30, -1e-7, 1e-3, 0.5, -0.999999, 1, -1, 1.5],
  ...[3.99, -4.01, 9.1, -17, 65, 80.5, 88.7, 88.8, -87.3, -88.1, -103.9, -104.1, 8191.5],
];
const far: readonly number[] = [1e6, -1e9, 3.4e38, -3.4e38];

const functions = { neg, abs, sign, floor, exp, expm1, log, log1p, sqrt, sin, cos, tanh, erf };

for (const [name, f] of Object.entries(functions)) {
  Deno.test(`${name} of special values on wasm is what it is on the reference`, async () => {
    const x = tensor([...specials, ...far]);
    const [actual, expected] = await Promise.all(
      [wasm(), reference()].map((device) => compile((x: Tensor) => f(x), { device })(x).data()),
    );
    [...await x.data()].forEach((given, i) => {
      const [a = NaN, b = NaN] = [actual?.[i], expected?.[i]];
      // Some units in the last place; below 1e-38 the last place is fixed.
      const close = Object.is(a, b) || a === b ||
        Math.abs(a - b) <= 4e-6 * Math.max(Math.abs(b), 1e-38);
      assert(close, `${name}(${given}) is ${a} on wasm, ${b} on the reference`);
    });
  });
}

/** Identities hold within some units in the last place: this times the larger side or 1. */
const CLOSE = 2e-6;

const identities: Readonly<
  Record<string, { of: (x: Tensor) => Tensor; is: (x: number) => number }>
> = {
  square: { of: square, is: (x) => x * x },
  relu: { of: relu, is: (x) => Math.max(x, 0) },
  sigmoid: { of: sigmoid, is: (x) => 1 / (1 + Math.exp(-x)) },
  softplus: { of: softplus, is: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))) },
  logSigmoid: { of: logSigmoid, is: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))) },
  clip: { of: (x) => clip(x, -1, 2), is: (x) => Math.min(Math.max(x, -1), 2) },
  stopGradient: { of: stopGradient, is: (x) => x },
  gelu: {
    of: gelu,
    is: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  },
};

for (const [name, { of, is }] of Object.entries(identities)) {
  Deno.test(`${name} is its formula, far from 0 too`, async () => {
    const float = fc.float({ min: -100, max: 100, noNaN: true });
    const floats = fc.array(float, { minLength: 9, maxLength: 9 });
    await fc.assert(fc.asyncProperty(floats, async (values) => {
      const actual = await of(tensor(values)).data();
      values.forEach((x, i) => {
        const expected = is(x);
        assertAlmostEquals(actual[i] ?? NaN, expected, CLOSE * Math.max(1, Math.abs(expected)));
      });
    }));
  });
}

Deno.test("tanh on wasm is within 6 units in the last place, and at most 1, which it reaches", async () => {
  // A geometric sequence from 1e-5 to 12.
  const x = Float32Array.from({ length: 1 << 18 }, (_, i) => 1e-5 * 1.2e6 ** (i / (1 << 18)));
  for (const relaxedSimd of [true, false]) {
    using device = wasm({ threads: 1, relaxedSimd });
    const run = compile((x: Tensor) => [tanh(x), tanh(neg(x))], { device });
    const [ofX = [], ofMinusX = []] = await Promise.all(run(tensor(x)).map((y) => y.data()));
    x.forEach((given, i) => {
      const [y = NaN, exact] = [ofX[i], Math.tanh(given)];
      const unit = 2 ** (Math.floor(Math.log2(exact)) - 23);
      assert(Math.abs(y - exact) <= 6 * unit && y <= 1, `tanh(${given}) is ${y}, not ${exact}`);
      assert(given < 9.5 || y === 1, `tanh(${given}) is ${y}, not 1`);
      assertStrictEquals(ofMinusX[i], -y);
    });
  }
});

Deno.test("the two forms of gelu are near each other", async () => {
  const x = tensor(Array.from({ length: 81 }, (_, i) => i / 10 - 4));
  const [byErf, byTanh] = [await gelu(x, "erf").data(), await gelu(x, "tanh").data()];
  // The approximation's own error, at most 4.8e-4 over all x.
  byErf.forEach((y, i) => assertAlmostEquals(byTanh[i] ?? NaN, y, 5e-4));
});

const conversions: readonly { from: DType; to: DType; given: number[]; result: number[] }[] = [
  {
    from: "f32",
    to: "i32",
    given: [1.9, -1.9, 3e9, -3e9, NaN],
    result: [1, -1, 2147483647, -2147483648, 0],
  },
  { from: "f32", to: "u32", given: [1.9, -1.9, 5e9, NaN], result: [1, 0, 4294967295, 0] },
  { from: "f32", to: "bool", given: [0, -0, 0.5, NaN], result: [0, 0, 1, 1] },
  { from: "i32", to: "u32", given: [-1, 7], result: [4294967295, 7] },
  { from: "u32", to: "i32", given: [4294967295, 7], result: [-1, 7] },
  { from: "i32", to: "f32", given: [-7, 16777217], result: [-7, 16777216] },
  { from: "bool", to: "f32", given: [0, 1], result: [0, 1] },
  { from: "f64", to: "f32", given: [0.1], result: [Math.fround(0.1)] },
  { from: "f32", to: "f64", given: [Math.fround(0.1)], result: [Math.fround(0.1)] },
];
for (const { from, to, given, result } of conversions) {
  Deno.test(`a cast from ${from} to ${to} of [${given}] is [${result}]`, async () => {
    const x = tensor(given, { dtype: from });
    const device = from === "f64" || to === "f64" ? reference() : wasm();
    assertEquals([...await compile((x: Tensor) => cast(x, to), { device })(x).data()], result);
  });
}

Deno.test("a cast to the same element type is nothing", () => {
  const x = tensor([1]);
  assertStrictEquals(cast(x, "f32"), x);
});

Deno.test("integers divided by 0 are 0, and overflow wraps", async () => {
  const least = -(2 ** 31);
  const [a, b] = [tensor([7, least, 7], { dtype: "i32" }), tensor([0, -1, -2], { dtype: "i32" })];
  const f = compile((a: Tensor, b: Tensor) => [apply("div", [a, b], {}), rem(a, b)]);
  const [quotient, remainder] = f(a, b);
  assertEquals(await quotient?.data(), new Int32Array([0, least, -3]));
  assertEquals(await remainder?.data(), new Int32Array([0, 0, 1]));
});

Deno.test("NaN differs from all numbers, itself included", async () => {
  const x = tensor([NaN, 1]);
  assertEquals(await isNumber(x).data(), new Uint32Array([0, 1]));
  assertEquals(await notEqual(x, x).data(), new Uint32Array([1, 0]));
});

Deno.test("a remainder is exact, also of the largest number by some of the smallest", async () => {
  const largest = (2 - 2 ** -23) * 2 ** 127;
  const pairs = [1, 3, 11, 13, 2 ** 20 + 7, 2 ** 23 - 1].flatMap((units) =>
    [largest, -largest, 2 ** 127, 12345.678].map((x) =>
      [Math.fround(x), units * 2 ** -149] as const
    )
  );
  const [x, y] = [0, 1].map((i) => tensor(Float32Array.from(pairs, (pair) => pair[i] ?? NaN)));
  assert(x && y);
  const remainders = await rem(x, y).data();
  assertEquals(remainders, Float32Array.from(pairs, ([x, y]) => x % y));
});

Deno.test("the device that none names is the same one each time", () => {
  for (const precision of ["f32", "f64"] as const) {
    assertStrictEquals(defaultDevice(precision), defaultDevice(precision));
  }
  assertEquals([defaultDevice("f32").name, defaultDevice("f64").name], ["wasm", "reference"]);
});
