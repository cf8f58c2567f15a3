/** Options of optimizers, schedules and clipping: what has no meaning is refused, with its range. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  adamw,
  addDecayedWeights,
  addMomentum,
  bema,
  clipByGlobalNorm,
  constant,
  cosineDecay,
  linearWarmup,
  lion,
  movingAverage,
  rmsprop,
  scale,
  scaleByAdam,
  scaleByLearningRate,
  scaleByLion,
  scaleByRms,
  sgd,
  warmupCosine,
} from "@unitune/autodiff";
import { type DType, tensor } from "@unitune/core";
import fc from "fast-check";

const broken = fc.constantFrom(NaN, Infinity, -Infinity, 1e300, -1e300);
const negative = fc.double({ max: -1e-30, noNaN: true });
/** Not from 0 to below 1. */
const noDecay = fc.oneof(broken, negative, fc.double({ min: 1, noNaN: true }));
const noAmount = fc.oneof(broken, negative, fc.constantFrom(1e-300));
const noLimit = fc.oneof(fc.constantFrom(NaN, 0, -0, -Infinity, 1e-300), negative);
const noSteps = fc.oneof(
  broken,
  fc.integer({ max: -1 }),
  fc.double({ noInteger: true, noNaN: true }),
);
const notFinite = fc.oneof(broken, fc.constantFrom(1e-300));

/** Each option: how it is named in an error, what it may not be and what it may. */
const options: Readonly<
  Record<string, {
    readonly of: (value: number) => unknown;
    readonly tells: string;
    readonly no: fc.Arbitrary<number>;
    readonly yes: readonly number[];
  }>
> = {
  "rate of adamw": { of: (x) => adamw(x), tells: "rate", no: noAmount, yes: [0, 1e-30, 10] },
  "rate of lion": { of: (x) => lion(x), tells: "rate", no: noAmount, yes: [0, 1] },
  "rate of rmsprop": { of: (x) => rmsprop(x), tells: "rate", no: noAmount, yes: [0, 1] },
  "rate of sgd": { of: (x) => sgd(x), tells: "rate", no: noAmount, yes: [0, 1] },
  "rate of an average": {
    of: (rate) => movingAverage({ rate }),
    tells: "rate",
    no: fc.oneof(noLimit, fc.double({ min: 1 + 1e-9, noNaN: true })),
    yes: [1e-30, 1],
  },
  "interval of an average": {
    of: (every) => movingAverage({ every }),
    tells: "every",
    no: fc.oneof(noSteps, fc.constant(0)),
    yes: [1, 512],
  },
  "interval of BEMA": {
    of: (every) => bema({ every }),
    tells: "every",
    no: fc.oneof(noSteps, fc.constant(0)),
    yes: [1, 400],
  },
  "rate power of BEMA": {
    of: (ratePower) => bema({ ratePower }),
    tells: "ratePower",
    no: noAmount,
    yes: [0, 2],
  },
  "bias power of BEMA": {
    of: (biasPower) => bema({ biasPower }),
    tells: "biasPower",
    no: noAmount,
    yes: [0, 2],
  },
  "lag of BEMA": {
    of: (lag) => bema({ lag }),
    tells: "lag",
    no: fc.oneof(broken, negative, fc.constantFrom(0, 0.99)),
    yes: [1, 10],
  },
  "growth of BEMA": {
    of: (growth) => bema({ growth }),
    tells: "growth",
    no: noAmount,
    yes: [0, 1],
  },
  "rate by itself": { of: scaleByLearningRate, tells: "rate", no: noAmount, yes: [0, 1] },
  "beta1 of adamw": {
    of: (beta1) => adamw(0.1, { beta1 }),
    tells: "beta1",
    no: noDecay,
    yes: [0, 0.9, 1 - 2 ** -24],
  },
  "beta2 of adamw": {
    of: (beta2) => adamw(0.1, { beta2 }),
    tells: "beta2",
    no: noDecay,
    yes: [0, 0.999],
  },
  "epsilon of adamw": {
    of: (epsilon) => adamw(0.1, { epsilon }),
    tells: "epsilon",
    no: noAmount,
    yes: [0, 1e-30, 1],
  },
  "weight decay of adamw": {
    of: (weightDecay) => adamw(0.1, { weightDecay }),
    tells: "weight decay",
    no: noAmount,
    yes: [0, 0.1],
  },
  "beta1 of Adam": { of: (beta1) => scaleByAdam({ beta1 }), tells: "beta1", no: noDecay, yes: [0] },
  "beta1 of Lion": { of: (beta1) => scaleByLion({ beta1 }), tells: "beta1", no: noDecay, yes: [0] },
  "beta2 of lion": { of: (beta2) => lion(1, { beta2 }), tells: "beta2", no: noDecay, yes: [0] },
  "decay of RMSprop": {
    of: (decay) => scaleByRms({ decay }),
    tells: "decay",
    no: noDecay,
    yes: [0],
  },
  "epsilon of rmsprop": {
    of: (epsilon) => rmsprop(1, { epsilon }),
    tells: "epsilon",
    no: noAmount,
    yes: [0, 1],
  },
  "momentum of rmsprop": {
    of: (momentum) => rmsprop(1, { momentum }),
    tells: "momentum",
    no: noDecay,
    yes: [0, 0.9],
  },
  "momentum of sgd": {
    of: (momentum) => sgd(1, { momentum }),
    tells: "momentum",
    no: noDecay,
    yes: [0, 0.9],
  },
  "momentum by itself": {
    of: (momentum) => addMomentum({ momentum }),
    tells: "momentum",
    no: noDecay,
    yes: [0],
  },
  "weight decay": { of: (x) => addDecayedWeights(x), tells: "rate", no: noAmount, yes: [0, 1] },
  "factor of scale": { of: scale, tells: "factor", no: notFinite, yes: [-1, 0, 1e30] },
  "limit of clipping": {
    of: clipByGlobalNorm,
    tells: "limit",
    no: noLimit,
    yes: [1e-30, 1, 1e300, Infinity],
  },
  "value of constant": { of: constant, tells: "value", no: notFinite, yes: [-1, 0, 1] },
  "peak of linearWarmup": {
    of: (peak) => linearWarmup({ peak, warmup: 1 }),
    tells: "peak",
    no: notFinite,
    yes: [0, 1],
  },
  "warmup of linearWarmup": {
    of: (warmup) => linearWarmup({ peak: 1, warmup }),
    tells: "warmup",
    no: noSteps,
    yes: [0, 100],
  },
  "end of cosineDecay": {
    of: (end) => cosineDecay({ peak: 1, end, total: 1 }),
    tells: "end",
    no: notFinite,
    yes: [0, 2],
  },
  "total of cosineDecay": {
    of: (total) => cosineDecay({ peak: 1, end: 0, total }),
    tells: "total",
    no: noSteps,
    yes: [0, 1],
  },
  "warmup of warmupCosine": {
    of: (warmup) => warmupCosine({ peak: 1, end: 0, warmup, total: 10 }),
    tells: "warmup",
    no: fc.oneof(noSteps, fc.integer({ min: 11 })),
    yes: [0, 10],
  },
  "total of warmupCosine": {
    of: (total) => warmupCosine({ peak: 1, end: 0, warmup: 0, total }),
    tells: "total",
    no: noSteps,
    yes: [0, 10],
  },
};

for (const [name, { of, tells, no, yes }] of Object.entries(options)) {
  Deno.test(`${name}: what is out of range is refused, and what is within is not`, () => {
    fc.assert(
      fc.property(no, (value) => {
        const { message } = assertThrows(() => of(value), RangeError);
        for (const part of [tells, "expected", `got ${value}`]) {
          assert(message.includes(part), message);
        }
      }),
      { seed: 15, numRuns: 40 },
    );
    for (const value of yes) of(value);
  });
}

Deno.test("clipping by Infinity, or by more than f32 holds, leaves every update as it is", async () => {
  for (const dtype of ["f32", "f64"] as const satisfies DType[]) {
    for (const limit of [Infinity, 1e300]) {
      const x = { w: tensor([3, -4e10], { dtype }), b: tensor([0], { dtype }) };
      const { updates } = clipByGlobalNorm(limit).update(x, {}, x);
      assertEquals(await updates.w.data(), await x.w.data());
      assertEquals(await updates.b.data(), await x.b.data());
    }
  }
});

Deno.test("clipping: no norm grows, no sign turns, and what is within the limit keeps its bits", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 5 }),
      fc.oneof(fc.float({ min: Math.fround(1e-3), noNaN: true }), fc.constant(Infinity)),
      async (elements, limit) => {
        const x = tensor(elements);
        const clipped = [...await clipByGlobalNorm(limit).update(x, {}, x).updates.data()];
        const given = [...await x.data()];
        const norm = Math.hypot(...given);
        // Half a unit of f32 in each of some roundings of the norm, the factor and the products.
        if (norm < limit * (1 - 1e-6)) assertEquals(clipped, given);
        assert(Math.hypot(...clipped) <= limit * (1 + 1e-6) || norm <= limit);
        clipped.forEach((y, i) =>
          assert(y * (given[i] ?? NaN) >= 0 && Math.abs(y) <= Math.abs(given[i] ?? NaN))
        );
      },
    ),
    { seed: 15, numRuns: 100 },
  );
});
