/** Accuracy as C: elementary functions, sums of many terms, products and attention of any sizes. */
import { assert, assertEquals } from "@std/assert";
import { cast, compile, type DType, reference, type Tensor, tensor } from "@unitune/core";
import fc from "fast-check";
import { arePartsWorthwhile, PRODUCT_SCRATCH } from "../../core/backends/native/product.ts";
import {
  accurate,
  angles,
  misses,
  worstCircular,
  worstPower,
  wrongRemainders,
} from "../core/accuracy.ts";
import { arbitraryCount, checkWay, ways } from "../core/exact_sums.ts";
import { products, sizes } from "../core/product_cases.ts";
import { type Attended, checkAttention, longContexts } from "../webgpu/attended.ts";
import { testOnNative } from "./machine.ts";

testOnNative("elementary functions and their gradients keep their digits as C", async (device) => {
  for (const name of Object.keys(accurate)) {
    assertEquals(await misses(device, name, 1 << 12), [], name);
  }
  assert(await worstPower(device, 1 << 12) <= 1e-6);
  assertEquals(await wrongRemainders(device, 1 << 12), []);
  const { error, size } = await worstCircular(device, angles(1 << 12));
  assert(size <= 1 && error <= 1e-6, `off by ${error}, as large as ${size}`);
});

testOnNative("sums in any order stay within their bounds as C", async (device) => {
  const cases = fc.record({
    count: arbitraryCount(70_000),
    width: fc.constantFrom(1, 2, 4, 5, 17, 33, 65, 130),
    seed: fc.integer(),
    order: fc.nat(),
  });
  for (const name of Object.keys(ways)) {
    await fc.assert(
      fc.asyncProperty(cases, (sizes) => checkWay(device, name, sizes)),
      { numRuns: 5, seed: 11 },
    );
  }
  for (const name of ["along rows", "by scatterAdd", "by a product"]) {
    await checkWay(device, name, { count: 2 ** 21, width: 1, seed: 6, order: 1 });
  }
});

/** Types of factors that are multiplied in ways of their own. */
const factors = [["f32", "f32"], ["f32", "bf16"], ["f32", "f16"], ["bf16", "bf16"]] as const;

for (const [name, { operands, product }] of Object.entries(products)) {
  testOnNative(
    `${name} as C is exactly the reference's, of factors of any type`,
    async (device) => {
      for (const size of sizes) {
        for (const [left, right] of factors) {
          const f = (a: Tensor, b: Tensor) => product(cast(a, "f32"), cast(b, "f32"), size);
          using run = compile(f, { device });
          using exact = compile(f, { device: reference() });
          const [a, b] = operands(size);
          // Whole numbers below 8 are exact in all of them.
          const stored = async (x: Tensor, dtype: DType) =>
            tensor(await x.data(), { shape: x.shape, dtype });
          assertEquals(
            await run(await stored(a, left), await stored(b, right)).data(),
            await exact(a, b).data(),
            `M, K, N = ${size}, ${left} x ${right}`,
          );
        }
      }
    },
  );
}

Deno.test("a product of few rows is made in parts where sums of parts are few beside the weights", () => {
  const most = PRODUCT_SCRATCH / 32;
  const chosen = [
    ...[[1, 64, 32], [1, 64, 31], [16, 64, 512], [16, 64, 511], [17, 64, 600]],
    ...[[1, most, 32], [1, most + 1, 32]],
  ].filter(([rows = 0, columns = 0, depth = 0]) => arePartsWorthwhile(rows, columns, depth));
  assertEquals(chosen, [[1, 64, 32], [16, 64, 512], [1, most, 32]]);
});

/** Heads in groups, wide and narrow, windows, bounds, segments, starts, few queries. */
const attended: readonly Attended[] = [
  { q: [2, 37, 3, 20], k: [2, 37, 3, 20] },
  { q: [1, 150, 4, 64], k: [1, 150, 2, 64], parameters: { softcap: 2, window: 40 } },
  { q: [1, 70, 2, 130], k: [1, 70, 1, 130], parameters: { causal: false, window: 9 } },
  { q: [2, 3, 4, 16], k: [2, 90, 2, 16], parameters: { start: "operand" }, starts: [80, 20] },
  { q: [1, 100, 2, 8], k: [1, 100, 2, 8], parameters: { segments: true } },
  // One query.
  { q: [2, 1, 4, 20], k: [2, 150, 2, 20], parameters: { start: "operand" }, starts: [140, 17] },
  {
    q: [1, 1, 2, 32],
    k: [1, 70, 2, 32],
    parameters: { start: "operand", softcap: 2 },
    starts: [69],
  },
  ...longContexts,
];

testOnNative("attention of any sizes and masks as C is the reference's", async (device) => {
  for (const each of attended) await checkAttention([device], each);
});
