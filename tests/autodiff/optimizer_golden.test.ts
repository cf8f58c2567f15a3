/** Optimizers against steps of PyTorch, transformers and the algorithm of bitsandbytes. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import {
  adafactor,
  adamw8bit,
  applyUpdates,
  dequantized,
  type GradientTransform,
  inBlocks,
  muon,
  outOfBlocks,
  quantized,
  relativeSteps,
} from "@unitune/autodiff";
import { compile, leavesOf, type Shape, sizeOf, type Tensor, tensor } from "@unitune/core";
import golden from "./golden/optimizers.json" with { type: "json" };

const STEPS = 4;
const SHAPES = { wide: [3, 5], long: [6, 2], vector: [4] } as const;

type Params = Readonly<Record<string, Tensor>>;

/** Element i of a tensor is `sin(i^2 + offset)`, times a factor. */
function formula(shape: Shape, offset: number, factor = (_: number) => 1): Tensor {
  const elements = Array.from(
    { length: sizeOf(shape) },
    (_, i) => Math.sin(i * i + offset) * factor(i),
  );
  return tensor(elements, { shape, dtype: "f64" });
}

/** Parameters of some shapes after steps along gradients by the formula. */
async function run<S>(
  optimizer: GradientTransform<S>,
  shapes: Readonly<Record<string, Shape>>,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const at = (offset: number): Params =>
    Object.fromEntries(
      Object.entries(shapes).map(([name, shape], n) => [name, formula(shape, n + offset)]),
    );
  let params = at(0);
  let state = optimizer.init(params);
  for (let t = 1; t <= STEPS; t++) {
    const updated = optimizer.update(at(7 * t), state, params);
    params = applyUpdates(params, updated.updates);
    state = updated.state;
  }
  return Object.fromEntries(
    await Promise.all(
      Object.entries(params).map(async ([name, leaf]) => [name, [...await leaf.data()]] as const),
    ),
  );
}

function assertNear(
  found: Readonly<Record<string, readonly number[]>>,
  expected: Readonly<Record<string, readonly number[]>>,
  tolerance: number,
): void {
  assertEquals(Object.keys(found).toSorted(), Object.keys(expected).toSorted());
  for (const [name, values] of Object.entries(expected)) {
    assertEquals(found[name]?.length, values.length);
    values.forEach((value, i) =>
      assertAlmostEquals(found[name]?.[i] ?? NaN, value, tolerance, name)
    );
  }
}

/** Rounding of f64 alone, in another order of operations. */
const EXACT = 1e-10;

/** Rates of schedules are f32: half a unit of 2^-24 of each of 4 steps of 0.01 or less. */
const RATED = 1e-8;

const matrices = { wide: SHAPES.wide, long: SHAPES.long };
const all = () => true;

Deno.test("muon: steps of matrices are those of PyTorch", async () => {
  assertNear(await run(muon(0.05, { weightDecay: 0.1 }), matrices), golden.muon, EXACT);
  const plain = muon(0.05, { weightDecay: 0, nesterov: false, momentum: 0.5 });
  assertNear(await run(plain, matrices), golden.muonPlain, EXACT);
});

Deno.test("muon: all but the matrices of the mask are AdamW's", () => {
  const optimizer = muon(0.05, { mask: (path) => path === "wide" });
  const params = { wide: formula(SHAPES.wide, 0), long: formula(SHAPES.long, 1) };
  const state = optimizer.init({ ...params, vector: formula(SHAPES.vector, 2) });
  const [{ chosen, others }] = state;
  assertEquals(Object.keys(chosen.first), ["wide"]);
  assertEquals(Object.keys(others.second).toSorted(), ["long", "vector"]);
});

Deno.test("adafactor: steps are those of transformers", async () => {
  assertNear(await run(adafactor(), SHAPES), golden.adafactor, RATED);
  const rising = adafactor(relativeSteps({ warmup: true }));
  assertNear(await run(rising, SHAPES), golden.adafactorWarmup, RATED);
  const fixed = adafactor(0.05, {
    scaleParameter: false,
    weightDecay: 0.1,
    clipThreshold: 0.5,
    mask: all,
  });
  assertNear(await run(fixed, SHAPES), golden.adafactorFixed, EXACT);
});

Deno.test("adafactor: the state of a matrix has a number for each row and column", () => {
  const params = { w: formula(SHAPES.wide, 0), v: formula(SHAPES.vector, 0) };
  const [{ rows, columns, whole }] = adafactor().init(params);
  assertEquals([rows.w?.shape, columns.w?.shape, whole.v?.shape], [[3], [5], [4]]);
  assertEquals(leavesOf([rows, columns, whole]).length, 3);
});

Deno.test("adamw8bit: steps are those of the published algorithm", async () => {
  const size = 64 * 65;
  const optimizer = adamw8bit(0.01, { beta2: 0.99, weightDecay: 0.1, mask: all });
  let params = { w: formula([size], 0) };
  let state = optimizer.init(params);
  for (let t = 1; t <= STEPS; t++) {
    const gradient = { w: formula([size], 7 * t, (i) => 10 ** (-6 * i / size)) };
    const updated = optimizer.update(gradient, state, params);
    params = applyUpdates(params, updated.updates);
    state = updated.state;
  }
  const found = (await params.w.data()).filter((_, i) => i % (size / 20) === 0);
  golden.adamw8bit.forEach((value, i) => assertAlmostEquals(found[i] ?? NaN, value, EXACT));
});

for (const kind of ["signed", "positive"] as const) {
  const numbers = golden.maps[kind];
  const through = compile((x: Tensor) => dequantized(kind, quantized(kind, inBlocks(x))));

  Deno.test(`${kind}: a number of a block becomes the nearest of the map of bitsandbytes`, async () => {
    assertEquals([numbers.length, new Set(numbers).size], [256, 256]);
    const nearest = (x: number) =>
      numbers.reduce((best, y) => Math.abs(x - y) < Math.abs(x - best) ? y : best);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: -7, max: 0, noNaN: true }), { minLength: 300, maxLength: 300 }),
        fc.constantFrom(1, 1e-4, 37),
        async (exponents, scale) => {
          const shares = exponents.map((x, i) =>
            10 ** x * (kind === "signed" && i % 2 === 1 ? -1 : 1)
          );
          // The first of each block is its largest.
          const x = Float32Array.from(
            shares.map((share, i) => i % 256 === 0 ? scale : share * scale),
          );
          const found = await outOfBlocks(through(tensor(x)), [300]).data();
          x.forEach((value, i) => {
            const expected = nearest(value / scale) * scale;
            // The middle of two numbers may be rounded to either; elsewhere there are some roundings.
            const error = Math.abs((found[i] ?? NaN) - value) - Math.abs(expected - value);
            assertAlmostEquals(error, 0, 1e-6 * Math.abs(value), `${value / scale}`);
          });
        },
      ),
      { numRuns: 20 },
    );
  });

  Deno.test(`${kind}: every number of the map is its own nearest`, async () => {
    const x = Float32Array.from(numbers);
    const found = await outOfBlocks(through(tensor(x)), [256]).data();
    x.forEach((value, i) => assertAlmostEquals(found[i] ?? NaN, value, 1e-6 * Math.abs(value)));
  });
}

Deno.test("blocks of zeros stay zeros", async () => {
  const zero = dequantized("signed", quantized("signed", inBlocks(tensor(new Float32Array(300)))));
  assertEquals(await zero.data(), new Float32Array(512));
});
