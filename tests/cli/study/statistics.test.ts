/** Intervals and corrections, by published values. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { bonferroniLevel, estimateOf, holmAdjusted } from "../../../cli/study/statistics.ts";

Deno.test("intervals have Student's quantiles", () => {
  // Two-sided, of 95 % and 99 %: tables of the t distribution, as in Abramowitz and Stegun, 26.10.
  const quantiles: readonly (readonly [degrees: number, of95: number, of99: number])[] = [
    ...[[1, 12.706, 63.657], [2, 4.303, 9.925], [3, 3.182, 5.841], [4, 2.776, 4.604]] as const,
    ...[[5, 2.571, 4.032], [8, 2.306, 3.355], [15, 2.131, 2.947], [29, 2.045, 2.756]] as const,
  ];
  for (const [degrees, ...expected] of quantiles) {
    const values = Array.from({ length: degrees + 1 }, (_, i) => i % 3);
    const own = [0.95, 0.99].map((level) => estimateOf(values, level));
    const { mean, count } = own[0] ?? estimateOf(values);
    assertEquals([count, mean], [degrees + 1, values.reduce((a, b) => a + b, 0) / count]);
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / degrees;
    for (const [i, { low, high }] of own.entries()) {
      // The tables have three decimals.
      const half = (expected[i] ?? NaN) * Math.sqrt(variance / count);
      assertAlmostEquals(high - mean, half, 6e-4);
      assertAlmostEquals(mean - low, half, 6e-4);
    }
  }
  const { low, high, ...rest } = estimateOf([3]);
  assertEquals([Number.isNaN(low), Number.isNaN(high), rest], [true, true, { mean: 3, count: 1 }]);
});

Deno.test("several intervals and tests are corrected, and one is not", () => {
  assertEquals([0, 1].map(bonferroniLevel), [0.95, 0.95]);
  assertAlmostEquals(bonferroniLevel(2), 0.975, 1e-12);
  assertEquals(holmAdjusted([]), []);
  assertEquals(holmAdjusted([0.25]), [0.25]);
  // Holm, 1979: the smallest of three counts three times, none is less than one before, or above 1.
  assertEquals(holmAdjusted([0.25, 0.125, 0.5]), [0.5, 0.375, 0.5]);
  assertEquals(holmAdjusted([0.75, 0.75]), [1, 1]);
  assert(holmAdjusted([0, 0]).every((p) => p === 0));
});
