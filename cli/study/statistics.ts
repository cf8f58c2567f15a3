/**
 * Means over seeds, and intervals of differences between arms with the same seeds.
 *
 * @module
 */

/** A mean and its interval. */
export interface Estimate {
  /** The mean. */
  readonly mean: number;
  /** The lower end of the 95 % interval; NaN for a single seed. */
  readonly low: number;
  /** The upper end of the 95 % interval; NaN for a single seed. */
  readonly high: number;
  /** The number of seeds. */
  readonly count: number;
}

/**
 * The mean of some values.
 *
 * @example
 * ```ts
 * import { meanOf } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(meanOf([1, 2, 6]), 3);
 * ```
 *
 * @param values The values; at least one.
 * @returns Their mean.
 * @throws {RangeError} If there are none.
 */
export function meanOf(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("meanOf: expected at least one value, got none");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The probability that Student's t lies between `-t` and `t`, where `t = sqrt(degrees) tan(angle)`:
 * a finite sum of positive terms for whole degrees of freedom (Abramowitz and Stegun, "Handbook of
 * Mathematical Functions", 1964, 26.7.3 and 26.7.4).
 */
function centralProbability(angle: number, degrees: number): number {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const isOdd = degrees % 2 === 1;
  let total = 0;
  let term = isOdd ? cosine : 1;
  for (let power = isOdd ? 1 : 0; power <= degrees - 2; power += 2) {
    total += term;
    term *= cosine ** 2 * (power + 1) / (power + 2);
  }
  return isOdd ? (angle + sine * total) * 2 / Math.PI : sine * total;
}

/** The t between whose negative and itself lie 95 % of Student's t, by bisection of its angle. */
function studentQuantile(degrees: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (;;) {
    const middle = (low + high) / 2;
    // No number lies between two neighbours.
    if (middle <= low || middle >= high) return Math.sqrt(degrees) * Math.tan(middle);
    if (centralProbability(middle, degrees) < 0.95) low = middle;
    else high = middle;
  }
}

/**
 * The mean of values, one a seed, with Student's 95 % interval `mean +- t s / sqrt(n)`.
 *
 * @example
 * ```ts
 * import { estimateOf } from "@unitune/cli";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const { mean, low, high } = estimateOf([1, 2, 3]);
 * assertAlmostEquals(mean, 2);
 * assertAlmostEquals(high - mean, 4.302652729749462 / Math.sqrt(3));
 * assertAlmostEquals(mean - low, high - mean);
 * ```
 *
 * @param values The values; at least one.
 * @returns The mean and its interval.
 * @throws {RangeError} If there are none.
 */
export function estimateOf(values: readonly number[]): Estimate {
  const { length: count } = values;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = count < 2
    ? NaN
    : studentQuantile(count - 1) * Math.sqrt(squares / (count - 1) / count);
  return { mean, low: mean - half, high: mean + half, count };
}

/**
 * The mean difference between two arms and its interval: the difference is taken seed by seed,
 * since arms of one seed share their checkpoint, their data and their questions.
 *
 * @example
 * ```ts
 * import { pairedDifference } from "@unitune/cli/statistics";
 * import { assertEquals } from "@std/assert";
 *
 * const values = (of: number[]) => new Map(of.map((value, seed) => [seed, value]));
 * const difference = pairedDifference(values([2, 4, 6]), values([1, 2, 3, 9]));
 * assertEquals([difference?.mean, difference?.count], [2, 3]);
 * ```
 *
 * @param arm Values of the arm by seed.
 * @param other Values of the other arm by seed.
 * @returns The estimate, over the seeds that both have; undefined where there is none.
 */
export function pairedDifference(
  arm: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
): Estimate | undefined {
  const differences = [...arm].flatMap(([seed, value]) => {
    const against = other.get(seed);
    return against === undefined ? [] : [value - against];
  });
  return differences.length === 0 ? undefined : estimateOf(differences);
}
