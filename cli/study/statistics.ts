/**
 * Means over seeds, and differences between arms with the same seeds: intervals, tests, effect sizes.
 *
 * @module
 */

/** A mean and its interval. */
export interface Estimate {
  /** The mean. */
  readonly mean: number;
  /** The lower end of the interval, of 95 % unless told; NaN for a single seed. */
  readonly low: number;
  /** The upper end of the interval; NaN for a single seed. */
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

/** Where a condition that holds on the left of an interval ceases to hold, by bisection. */
function endOf(isLeft: (at: number) => boolean, low: number, high: number): number {
  for (;;) {
    const middle = (low + high) / 2;
    // No number lies between two neighbours.
    if (middle <= low || middle >= high) return middle;
    if (isLeft(middle)) low = middle;
    else high = middle;
  }
}

/** The t between whose negative and itself lies a share of Student's t, by bisection of its angle. */
function studentQuantile(degrees: number, share: number): number {
  const angle = endOf((at) => centralProbability(at, degrees) < share, 0, Math.PI / 2);
  return Math.sqrt(degrees) * Math.tan(angle);
}

/** The level of an interval that stands by itself. */
const LEVEL = 0.95;

/**
 * The mean of values, one a seed, with Student's interval `mean +- t s / sqrt(n)`.
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
 * @param level The level of the interval, above 0 and below 1 (default 0.95).
 * @returns The mean and its interval.
 * @throws {RangeError} If there are none.
 */
export function estimateOf(values: readonly number[], level: number = LEVEL): Estimate {
  const { length: count } = values;
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = count < 2
    ? NaN
    : studentQuantile(count - 1, level) * Math.sqrt(squares / (count - 1) / count);
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
 * @param level The level of the interval (default 0.95).
 * @returns The estimate, over the seeds that both have; undefined where there is none.
 */
export function pairedDifference(
  arm: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
  level: number = LEVEL,
): Estimate | undefined {
  const differences = differencesOf(arm, other);
  return differences.length === 0 ? undefined : estimateOf(differences, level);
}

/** The differences of the seeds that both arms have. */
function differencesOf(
  arm: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
): readonly number[] {
  return [...arm].flatMap(([seed, value]) => {
    const against = other.get(seed);
    return against === undefined ? [] : [value - against];
  });
}

/** A paired t-test of a difference from 0, and its size in standard deviations. */
export interface PairedTest {
  /** The number of seeds. */
  readonly count: number;
  /** The probability of a difference as far from 0, on either side, if there were none. */
  readonly p: number;
  /** Cohen's d of pairs: the mean difference by the standard deviation of the differences. */
  readonly effect: Estimate;
}

/**
 * The paired t-test of two arms, two-sided, and its effect size `d = mean / s` with the exact 95 %
 * interval: `t = d sqrt(n)` has the noncentral t distribution, and the ends are the d under which a t
 * as low, or as high, as the measured one has the probability 0.025 (Cumming and Finch, "A primer on
 * the understanding, use, and calculation of confidence intervals", 2001).
 *
 * @example
 * ```ts
 * import { pairedTest } from "@unitune/cli/statistics";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const values = (of: number[]) => new Map(of.map((value, seed) => [seed, value]));
 * const test = pairedTest(values([2, 4, 6]), values([1, 2, 3]));
 * assertAlmostEquals(test?.effect.mean ?? NaN, 2);
 * assertAlmostEquals(test?.p ?? NaN, 0.0741799, 1e-7);
 * ```
 *
 * @param arm Values of the arm by seed.
 * @param other Values of the other arm by seed.
 * @returns The test; undefined with fewer than two seeds, or where all differences are equal.
 */
export function pairedTest(
  arm: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
): PairedTest | undefined {
  const differences = differencesOf(arm, other);
  const { length: count } = differences;
  if (count < 2) return undefined;
  const mean = meanOf(differences);
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (count - 1));
  if (deviation === 0) return undefined;
  const [d, root, degrees] = [mean / deviation, Math.sqrt(count), count - 1];
  const t = d * root;
  const angle = Math.atan(Math.abs(t) / Math.sqrt(degrees));
  // Of d, nothing beyond has a probability that is not 0 or 1 in f64.
  const [least, greatest] = [t - FAR - Math.abs(t), t + FAR + Math.abs(t)];
  const end = (probability: number) =>
    endOf((at) => noncentralProbability(t, degrees, at) > probability, least, greatest) / root;
  const tail = (1 - LEVEL) / 2;
  return {
    count,
    p: 1 - centralProbability(angle, degrees),
    effect: { mean: d, low: end(1 - tail), high: end(tail), count },
  };
}

/** Standard deviations beyond which a normal distribution has less than 1e-22. */
const FAR = 10;

/**
 * The probability of a standard normal variable below x: by the series of erf, whose terms are all
 * positive (Abramowitz and Stegun, 7.1.6).
 */
function normalProbability(x: number): number {
  if (Math.abs(x) > FAR) return x > 0 ? 1 : 0;
  let [term, total] = [x, 0];
  for (let n = 1; total + term !== total; n++) {
    total += term;
    term *= x ** 2 / (2 * n + 1);
  }
  return 0.5 + total * Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
}

/** The intervals of Simpson's rule below, enough for 1e-8 from 1 degree of freedom on. */
const INTERVALS = 2000;

/**
 * The probability that a noncentral t lies below t: that of `(Z + shift) / S < t`, integrated over S,
 * the root of a chi-square by its degrees, by Simpson's rule over the logarithm of S.
 */
function noncentralProbability(t: number, degrees: number, shift: number): number {
  // The logarithm of S has the density s^degrees e^(-degrees s^2 / 2), up to a factor.
  const [from, to] = [-FAR * 2 / Math.sqrt(degrees), FAR / Math.sqrt(degrees)];
  let [below, all] = [0, 0];
  for (let i = 0; i <= INTERVALS; i++) {
    const logarithm = from + (to - from) * i / INTERVALS;
    const s = Math.exp(logarithm);
    const weight = (i === 0 || i === INTERVALS ? 1 : i % 2 === 0 ? 2 : 4) *
      Math.exp(degrees * (logarithm + (1 - s ** 2) / 2));
    all += weight;
    below += weight * normalProbability(t * s - shift);
  }
  return below / all;
}

/**
 * The level of each of several intervals that hold together with the level 0.95, by Bonferroni's
 * inequality: `1 - 0.05 / count`.
 *
 * @param count The number of intervals.
 * @returns The level.
 *
 * @example
 * ```ts
 * import { bonferroniLevel } from "@unitune/cli/statistics";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bonferroniLevel(5), 0.99);
 * ```
 */
export function bonferroniLevel(count: number): number {
  return 1 - (1 - LEVEL) / Math.max(1, count);
}

/**
 * Adjusts the p-values of several tests so that all those below a level are right together with the
 * probability 1 - level (Holm, "A simple sequentially rejective multiple test procedure", 1979): of m
 * values in ascending order the i-th is multiplied by `m - i + 1`, and none is less than those before
 * it, or more than 1.
 *
 * @param values The p-values.
 * @returns The adjusted ones, in the same order.
 *
 * @example
 * ```ts
 * import { holmAdjusted } from "@unitune/cli/statistics";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(holmAdjusted([0.5, 0.125, 0.375]), [0.75, 0.375, 0.75]);
 * ```
 */
export function holmAdjusted(values: readonly number[]): readonly number[] {
  const order = [...values.keys()].sort((a, b) => (values[a] ?? NaN) - (values[b] ?? NaN));
  const adjusted = new Map<number, number>();
  let least = 0;
  for (const [rank, index] of order.entries()) {
    least = Math.max(least, Math.min(1, (values.length - rank) * (values[index] ?? NaN)));
    adjusted.set(index, least);
  }
  return values.map((_, index) => adjusted.get(index) ?? NaN);
}
