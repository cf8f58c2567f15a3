/** Noisy curves: smoothed without delay, and thinned without losing peaks. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { smoothed, thinned } from "../../../cli/report/smoothing.ts";

const values = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), {
  minLength: 1,
  maxLength: 40,
});
const scales = fc.double({ min: 0.1, max: 20, noNaN: true });
const pointsOf = (values: readonly number[]) => values.map((y, x) => ({ x, y }));

Deno.test("smoothing is the mean by its kernel, and the same backwards", () => {
  fc.assert(fc.property(values, scales, (values, scale) => {
    const points = pointsOf(values);
    const drawn = smoothed(points, scale);
    for (const [i, { x, y }] of drawn.entries()) {
      const weights = values.map((_, j) => Math.exp(-Math.abs(i - j) / scale));
      const total = values.reduce((sum, value, j) => sum + value * (weights[j] ?? NaN), 0);
      assertEquals(x, i);
      // Sums of at most 40 terms, each at most 10.
      assertAlmostEquals(y, total / weights.reduce((a, b) => a + b), 1e-12);
    }
    const back = smoothed(points.toReversed(), scale).toReversed();
    for (const [i, { y }] of back.entries()) assertAlmostEquals(y, drawn[i]?.y ?? NaN, 1e-12);
  }));
});

Deno.test("thinned measurements are some of them, in order, with the lowest and the highest", () => {
  const even = fc.integer({ min: 1, max: 12 }).map((half) => 2 * half);
  fc.assert(fc.property(values, even, (values, most) => {
    const points = pointsOf(values);
    const kept = thinned(points, most);
    assert(kept.length <= most);
    if (points.length <= most) assertEquals(kept, points);
    assertEquals(kept, points.filter((point) => kept.includes(point)));
    const ends = (of: typeof kept) => [
      Math.min(...of.map(({ y }) => y)),
      Math.max(...of.map(({ y }) => y)),
    ];
    assertEquals(ends(kept), ends(points));
  }));
});

Deno.test("of each group the first of the lowest and of the highest is kept", () => {
  const ys = [4, 1, 1, 9, 9, 3, 5, 2, 2, 8, 8, 6];
  // 12 measurements in 2 groups of 6.
  assertEquals(thinned(pointsOf(ys), 4).map(({ x }) => x), [1, 3, 7, 9]);
  // And in 3 of 4.
  assertEquals(thinned(pointsOf(ys), 6).map(({ x }) => x), [1, 3, 4, 7, 8, 9]);
  assertEquals(thinned(pointsOf(ys), 12), pointsOf(ys));
});
