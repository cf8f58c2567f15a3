/**
 * Elementary functions as the steps that all backends share, evaluated one by one in f32: against f64,
 * at special values, and against Threefry in numbers.
 */
import { assert, assertEquals } from "@std/assert";
import {
  apply,
  compile,
  type PrimitiveName,
  reference,
  type Tensor,
  tensor,
  type TypedArray,
} from "@unitune/core";
import fc from "fast-check";
import { elementary, resolve } from "../../core/lowering/elementary/elementary.ts";
import { expand } from "../../core/lowering/elementary/expand.ts";
import type { Kernel, Lowered, Step } from "../../core/lowering/kernels.ts";
import type { ElementaryFunction } from "../../core/lowering/operations.ts";
import { threefry2x32 } from "../../core/threefry.ts";
import { angles, randomFloats } from "./accuracy.ts";
import { evaluate, evaluateFunction } from "./scalar_interpreter.ts";
import { specials } from "./special_values.ts";

const LEAST_NORMAL = 2 ** -126;
const LARGEST = 3.4e38;

/** Units in the last place of f32 that a value is off, where the exact value is a normal number. */
function unitsOff(value: number, exact: number): number {
  const size = Math.abs(exact);
  if (!(size >= LEAST_NORMAL && size <= LARGEST)) return 0;
  return Math.abs(value - exact) / 2 ** (Math.floor(Math.log2(size)) - 23);
}

/** Floats between two numbers, and as many of all sizes up to the ends. */
function spread(low: number, high: number, size: number): Float32Array {
  const even = Float32Array.from({ length: size }, (_, i) => low + (high - low) * i / (size - 1));
  return new Float32Array([
    ...even,
    ...randomFloats(size, 7).filter((x) => x >= low && x <= high),
  ]);
}

/** A function, the range that it is looked at, and how many units in the last place it may be off. */
interface Bound {
  readonly op: PrimitiveName & ElementaryFunction;
  readonly low: number;
  readonly high: number;
  /** Two roundings are one unit. */
  readonly units: number;
}

const bounds: readonly Bound[] = [
  { op: "exp", low: -104, high: 89, units: 1 },
  { op: "expm1", low: -104, high: 89, units: 2 },
  { op: "log", low: 0, high: LARGEST, units: 1 },
  { op: "log1p", low: -1, high: LARGEST, units: 2 },
  // The rounding of x^2 counts where the slope of the quotient is steep.
  { op: "tanh", low: -20, high: 20, units: 6 },
  { op: "erf", low: -6, high: 6, units: 7 },
  // Up to 3 the exponent is rounded as it is: half a unit of 4.
  { op: "geluDecay", low: -12, high: 3, units: 6 },
  { op: "normalTail", low: -13, high: 13, units: 7 },
];

/** The function in f64. */
async function exactly(op: Bound["op"], x: Float32Array): Promise<TypedArray> {
  using oracle = compile((x: Tensor) => apply(op, [x], {}), { device: reference() });
  return await oracle(tensor(x, { dtype: "f64" })).data();
}

for (const { op, low, high, units } of bounds) {
  Deno.test(`${op} in steps is within ${units} units in the last place`, async () => {
    const x = spread(low, high, 1 << 14);
    const exact = await exactly(op, x);
    let worst = { off: 0, at: NaN };
    x.forEach((at, i) => {
      const off = unitsOff(evaluateFunction(op, at), exact[i] ?? NaN);
      if (!(off <= worst.off)) worst = { off, at };
    });
    assert(worst.off <= units, `at ${worst.at} it is off by ${worst.off}`);
  });
}

Deno.test("geluDecay in steps is as good beside 1, where x is above 0", async () => {
  const x = spread(3, 12, 1 << 12);
  const exact = await exactly("geluDecay", x);
  x.forEach((at, i) => {
    assert(Math.abs(evaluateFunction("geluDecay", at) - (exact[i] ?? NaN)) <= 2 ** -24, `${at}`);
  });
});

Deno.test("sine and cosine in steps are off by 2e-7 at most, at any size", () => {
  for (const x of angles(1 << 14)) {
    const [sine, cosine] = [evaluateFunction("sin", x), evaluateFunction("cos", x)];
    assert(Math.abs(sine - Math.sin(x)) <= 2e-7, `sin ${x} is ${sine}`);
    assert(Math.abs(cosine - Math.cos(x)) <= 2e-7, `cos ${x} is ${cosine}`);
    assert(Math.max(Math.abs(sine), Math.abs(cosine)) <= 1);
  }
});

Deno.test("powers of 2 in steps, as attention takes them, end at 2^-126", () => {
  for (const x of spread(-200, 0, 1 << 12)) {
    const [value, exact] = [evaluateFunction("exp2OfNegative", x), 2 ** x];
    assert(x < -126 ? value <= LEAST_NORMAL : unitsOff(value, exact) <= 2, `2^${x} is ${value}`);
  }
});

Deno.test("remainders in steps are exact, however long the quotient", () => {
  const [a, b] = [randomFloats(1 << 13, 1), randomFloats(1 << 13, 2)];
  a.forEach((x, i) => {
    const y = b[i] ?? NaN;
    assertEquals(evaluateFunction("remainder", x, y), Math.fround(x % y), `${x} rem ${y}`);
  });
});

Deno.test("powers in steps are off by 1e-6 of themselves at most", () => {
  const bases = fc.double({ min: 1e-6, max: 1e6, noNaN: true });
  const exponents = fc.double({ min: -40, max: 40, noNaN: true });
  fc.assert(
    fc.property(bases, exponents, (base, exponent) => {
      const [a, b] = [Math.fround(base), Math.fround(exponent)];
      const exact = a ** b;
      if (!(exact >= LEAST_NORMAL && exact <= LARGEST)) return;
      assert(Math.abs(evaluateFunction("pow", a, b) / exact - 1) <= 1e-6);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("whole powers in steps are exact where a float holds them", () => {
  for (let a = -200; a <= 200; a++) {
    for (let b = 0; b < 24; b++) {
      if (Math.fround(a ** b) === a ** b) assertEquals(evaluateFunction("pow", a, b), a ** b);
    }
  }
});

Deno.test("functions in steps give what IEEE 754 has at special values", () => {
  const functions = new Map<string, ElementaryFunction>([
    ["rem", "remainder"],
    ...typedKeys(elementary).map((op): [string, ElementaryFunction] => [op, op]),
  ]);
  const found = specials.filter(({ of, dtype }) => functions.has(of) && dtype === "f32");
  assertEquals(found.length, 12, "every function that is a primitive has special values");
  for (const { of, rows } of found) {
    for (const row of rows) {
      const operands = row.slice(0, -1);
      const value = evaluateFunction(functions.get(of) ?? "exp", ...operands);
      assertEquals(value, row.at(-1), `${of}(${operands})`);
    }
  }
});

Deno.test("Threefry in steps is Threefry", () => {
  const word = fc.nat({ max: 2 ** 32 - 1 });
  const words = fc.tuple(word, word);
  fc.assert(fc.property(fc.nat({ max: 2 ** 31 - 2 }), words, words, (position, key, counter) => {
    const block: [number, number] = [(counter[0] + (position >>> 1)) >>> 0, counter[1]];
    assertEquals(
      evaluateFunction("threefry", position, ...key, ...counter),
      threefry2x32(key, block)[position % 2],
    );
  }));
});

/** The keys of a record, of which there are no others. */
function typedKeys<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(record).filter((key): key is K => Object.hasOwn(record, key));
}

/** A program of one loop over one element, which stores a value of its body. */
function programOf(steps: readonly Step[], value: number): Lowered {
  const at = { offset: 0, strides: [0] };
  const stores = [{ buffer: 0, at, value }];
  return {
    buffers: [],
    kernels: [{ kind: "map", domain: [1], steps, stores }],
    inputs: [],
    outputs: [],
  };
}

/** The value that such a program stores, its body being native operations and constants. */
function stored({ kernels: [kernel] }: Lowered): number {
  assert(kernel?.kind === "map" && kernel.stores[0] !== undefined);
  const steps = kernel.steps.map((step) => {
    if (step.kind === "index") return { kind: "constant", dtype: step.dtype, value: 5 } as const;
    assert(step.kind === "constant" || step.kind === "apply", `${step.kind} is left`);
    if (step.kind === "apply") assertEquals(resolve(step.op, "u32").kind, "native");
    return step;
  });
  return evaluate({ parameters: [], steps, value: kernel.stores[0].value, dtype: "f32" }, []);
}

Deno.test("expanded bodies have native operations only, and give the same", () => {
  const constants = [1.75, -0.6].map((value): Step => ({ kind: "constant", dtype: "f32", value }));
  for (const op of typedKeys(elementary)) {
    const { parameters, dtype } = elementary[op];
    if (parameters.some((type) => type !== "f32")) continue;
    const operands = parameters.map((_, i) => i);
    const apply: Step = { kind: "apply", dtype, op: op === "remainder" ? "rem" : op, operands };
    const program = expand(programOf([...constants, apply], 2));
    const expected = evaluateFunction(op, ...[1.75, -0.6].slice(0, parameters.length));
    assertEquals(stored(program), expected, op);
  }
  const words = [1, 2, 3, 4].map((value): Step => ({ kind: "constant", dtype: "u32", value }));
  const at = { offset: 5, strides: [0] };
  const random: Step = { kind: "random", dtype: "u32", at, operands: [0, 1, 2, 3] };
  assertEquals(stored(expand(programOf([...words, random], 4))), threefry2x32([1, 2], [5, 4])[1]);
});

Deno.test("functions that an emitter has stay in expanded bodies", () => {
  const constant: Step = { kind: "constant", dtype: "f32", value: 2 };
  const steps: Step[] = [constant, { kind: "apply", dtype: "f32", op: "expm1", operands: [0] }];
  const ops = ({ kernels: [kernel] }: Lowered) =>
    kernel?.kind === "map"
      ? kernel.steps.flatMap((step) => step.kind === "apply" ? [step.op] : [])
      : [];
  assert(ops(expand(programOf(steps, 1), (op) => op === "exp")).includes("exp"));
  assertEquals(ops(expand(programOf(steps, 1), (op) => op === "expm1")), ["expm1"]);
});

Deno.test("products and sums over bodies are expanded, too", () => {
  const constant: Step = { kind: "constant", dtype: "f32", value: 2 };
  const steps: Step[] = [constant, { kind: "apply", dtype: "f32", op: "exp", operands: [0] }];
  const at = { offset: 0, strides: [0, 0] };
  const view = { buffer: 0, offset: 0, batch: [], row: 1, column: 1 };
  const kernels: Kernel[] = [
    {
      kind: "reduce",
      reduction: "sum",
      kept: [1],
      reduced: [1],
      steps,
      value: 1,
      output: 0,
      outputStart: 0,
    },
    {
      kind: "matmul",
      batch: [],
      rows: 1,
      columns: 1,
      depth: 1,
      a: view,
      b: view,
      output: 0,
      outputStart: 0,
      epilogue: { steps, stores: [{ buffer: 0, at, value: 1 }] },
    },
  ];
  const [sum, product] = expand({ buffers: [], kernels, inputs: [], outputs: [] }).kernels;
  assert(sum?.kind === "reduce" && product?.kind === "matmul");
  assertEquals(sum.value, sum.steps.length - 1);
  assertEquals(product.epilogue?.steps, sum.steps);
  assertEquals(product.epilogue?.stores[0]?.value, sum.value);
});
