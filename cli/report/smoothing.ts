/**
 * Noisy measurements as curves: smoothed, and with no more points than a drawing can show.
 *
 * @module
 */

/** A measurement. */
export interface Measurement {
  /** The position. */
  readonly x: number;
  /** The value. */
  readonly y: number;
}

/** For each value, the weighted sum of it and those before it: `s_i = y_i + decay * s_(i-1)`. */
function decayingSums(values: readonly number[], decay: number): number[] {
  let sum = 0;
  return values.map((value) => sum = value + decay * sum);
}

/**
 * Smooths measurements by a kernel that looks as far ahead as back, so that nothing is delayed:
 * `s_i = sum_j w_|i-j| y_j / sum_j w_|i-j|` with `w_k = exp(-k / scale)`, in two passes.
 *
 * @param points The measurements, in order.
 * @param scale The distance, in measurements, at which a weight is 1/e; above 0.
 * @returns The smoothed measurements, at the same positions.
 *
 * @example
 * ```ts
 * import { smoothed } from "./smoothing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const points = [0, 1, 0].map((y, x) => ({ x, y }));
 * // The weights of neighbours are 1/2.
 * assertEquals(smoothed(points, 1 / Math.LN2).map(({ y }) => y.toFixed(4)), [
 *   ...["0.2857", "0.5000", "0.2857"],
 * ]);
 * ```
 */
export function smoothed<Point extends Measurement>(
  points: readonly Point[],
  scale: number,
): readonly Point[] {
  const decay = Math.exp(-1 / scale);
  const bothWays = (values: readonly number[]) => {
    const before = decayingSums(values, decay);
    const after = decayingSums(values.toReversed(), decay).toReversed();
    // The value itself is in both sums.
    return values.map((value, i) => (before[i] ?? NaN) + (after[i] ?? NaN) - value);
  };
  const totals = bothWays(points.map(({ y }) => y));
  const weights = bothWays(points.map(() => 1));
  return points.map((point, i) => ({ ...point, y: (totals[i] ?? NaN) / (weights[i] ?? NaN) }));
}

/**
 * Leaves out measurements that a drawing has no room for. Of each of equally many neighbours, the
 * lowest and the highest stay, so peaks remain visible.
 *
 * @param points The measurements, in order.
 * @param most The most measurements to keep; an even number.
 * @returns The measurements that are kept, in order.
 *
 * @example
 * ```ts
 * import { thinned } from "./smoothing.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const points = [3, 1, 2, 5, 5, 9].map((y, x) => ({ x, y }));
 * assertEquals(thinned(points, 4).map(({ y }) => y), [3, 1, 5, 9]);
 * assertEquals(thinned(points, 6), points);
 * ```
 */
export function thinned<Point extends Measurement>(
  points: readonly Point[],
  most: number,
): readonly Point[] {
  if (points.length <= most) return points;
  const size = Math.ceil(2 * points.length / most);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, group) => {
    const own = points.slice(group * size, (group + 1) * size);
    const extreme = (isBeyond: (y: number, other: number) => boolean) =>
      own.reduce((best, { y }, i) => isBeyond(y, own[best]?.y ?? NaN) ? i : best, 0);
    const kept = [extreme((y, other) => y < other), extreme((y, other) => y > other)];
    return own.filter((_, i) => kept.includes(i));
  }).flat();
}
