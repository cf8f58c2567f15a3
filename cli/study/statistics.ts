/**
 * Means over seeds, and intervals of differences between arms that share their seeds.
 *
 * @module
 */

/** A mean and its interval. */
export interface Estimate {
  /** The mean. */
  readonly mean: number;
  /** The lower end of the 95 % interval; NaN for a single seed. */
  readonly low: number;
  /** Its upper end. */
  readonly high: number;
  /** How many seeds. */
  readonly count: number;
}

/**
 * The 97.5 % quantiles of Student's t by degrees of freedom, from 1 on, to three decimals as every
 * table has them (Student 1908; NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
 */
const QUANTILES = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
] as const;

/** The quantile for more degrees of freedom: that of 20, which errs towards wider intervals. */
const BEYOND = 2.086;

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
 * assertAlmostEquals(high - mean, 4.303 / Math.sqrt(3));
 * assertAlmostEquals(mean - low, high - mean);
 * ```
 *
 * @param values The values; at least one.
 * @returns The mean and its interval.
 */
export function estimateOf(values: readonly number[]): Estimate {
  const { length: count } = values;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const t = QUANTILES[count - 2] ?? BEYOND;
  const half = count < 2 ? NaN : t * Math.sqrt(squares / (count - 1) / count);
  return { mean, low: mean - half, high: mean + half, count };
}

/**
 * The mean difference between two arms and its interval: the difference is taken seed by seed, since
 * arms of one seed share their checkpoint, their data and their questions.
 *
 * @example
 * ```ts
 * import { pairedDifference } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const values = (of: number[]) => new Map(of.map((value, seed) => [seed, value]));
 * const difference = pairedDifference(values([2, 4, 6]), values([1, 2, 3, 9]));
 * assertEquals([difference?.mean, difference?.count], [2, 3]);
 * ```
 *
 * @param arm Values by seed.
 * @param other Those of what it is compared with.
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
