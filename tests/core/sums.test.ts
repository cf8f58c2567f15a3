/** Sums of many terms: what they may be off by, in any order, on every device without a graphics API. */
import { assert, assertEquals } from "@std/assert";
import {
  compile,
  type Device,
  mean,
  reference,
  sum,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import fc from "fast-check";
// Not public: where sums are cut.
import { CHAIN, levelsOf } from "../../core/lowering/levels.ts";
import { arbitraryCount, assertNear, checkWay, ways } from "./exact_sums.ts";

const devices: Readonly<Record<string, () => Device>> = {
  reference,
  "wasm, one thread": () => wasm({ threads: 1 }),
  "wasm, three threads": () => wasm({ threads: 3 }),
  "wasm without fused multiplication": () => wasm({ threads: 1, relaxedSimd: false }),
};

for (const [where, open] of Object.entries(devices)) {
  Deno.test(`sums in any order stay within their bounds on ${where}`, async () => {
    using device = open();
    const cases = fc.record({
      count: arbitraryCount(70_000),
      width: fc.constantFrom(1, 2, 4, 5, 17, 33),
      seed: fc.integer(),
      order: fc.nat(),
    });
    for (const name of Object.keys(ways)) {
      await fc.assert(
        fc.asyncProperty(cases, (sizes) => checkWay(device, name, sizes)),
        { numRuns: 5, seed: 11 },
      );
    }
  });
}

Deno.test("sums of 2^21 terms stay within their bounds on wasm", async () => {
  // 2^24 terms are among the slow tests.
  using device = wasm();
  for (const name of ["along rows", "by scatterAdd", "by a product"]) {
    // Numbers of all sizes, and equal ones.
    for (const seed of [5, 6]) {
      await checkWay(device, name, { count: 2 ** 21, width: 1, seed, order: 1 });
    }
  }
});

/** Equal terms, whose rounding errors all go one way. */
const equalTerms: readonly (readonly [number, number, number])[] = [
  [10_000_000, 1, 0.1],
  [2 ** 24, 1, 0.6931472],
  [262_144, 4, 0.1],
  [4096, 128, 0.1],
];

for (const [where, open] of Object.entries(devices)) {
  Deno.test(`sums and means of equal terms do not drift on ${where}`, async () => {
    using device = open();
    using run = compile(
      (x: Tensor) => [sum(x, { axes: [0] }), mean(x, { axes: [0] })],
      { device },
    );
    for (const [count, width, value] of equalTerms) {
      if (where === "reference" && count > 2 ** 20) continue;
      const x = new Float32Array(count * width).fill(value);
      const [total, average] = run(tensor(x, { shape: [count, width] }));
      const term = Math.fround(value);
      for (const element of await total?.data() ?? []) {
        assertNear("sum", element, { total: count * term, size: count * term }, `${count} terms`);
      }
      for (const element of await average?.data() ?? []) {
        assertNear("sum", element, { total: term, size: term }, `the mean of ${count} terms`);
      }
    }
  });
}

Deno.test("a mean divides by its count: that of equal integers is that integer", async () => {
  for (const open of Object.values(devices)) {
    using device = open();
    using run = compile((x: Tensor) => mean(x), { device });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: -9999, max: 9999 }),
        async (count, value) => {
          assertEquals(await run(tensor(new Float32Array(count).fill(value))).item(), value + 0);
        },
      ),
      { numRuns: 20, seed: 12, examples: [[41, 1000], [49, 1], [3, 7]] },
    );
  }
});

Deno.test("infinities and NaN are what a long sum comes to", async () => {
  for (const open of Object.values(devices)) {
    using device = open();
    using run = compile((x: Tensor) => sum(x), { device });
    for (
      const [odd, expected] of [[[Infinity], Infinity], [[-Infinity], -Infinity], [[
        Infinity,
        -Infinity,
      ], NaN], [[NaN], NaN]] as const
    ) {
      const x = new Float32Array(70_001).fill(0.1);
      odd.forEach((value, i) => x[i * 69_999] = value);
      assertEquals(await run(tensor(x)).item(), expected);
    }
  }
});

Deno.test("no term goes through more than a chain of additions at each level", () => {
  const loops = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 3 });
  fc.assert(fc.property(loops, (rounds) => {
    const cuts = levelsOf(rounds);
    let [chain, done] = [1, 0];
    for (let loop = rounds.length - 1; loop >= 0; loop--) {
      const blocks = cuts.filter((cut) => cut.loop === loop).map((cut) => cut.rounds);
      for (const [i, block] of blocks.entries()) {
        const ratio = block / (blocks[i - 1] ?? 1);
        assert(Number.isInteger(ratio) && block < (rounds[loop] ?? 0) * (i + 1));
        assert(chain * ratio <= CHAIN, `${rounds} in ${JSON.stringify(cuts)}`);
        chain = 1;
        done++;
      }
      chain *= Math.ceil((rounds[loop] ?? 1) / (blocks.at(-1) ?? 1));
    }
    assert(chain <= CHAIN && done === cuts.length);
  }));
});
