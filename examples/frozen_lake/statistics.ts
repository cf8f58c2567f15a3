/** Means over seeds with their intervals. */

/** A mean and its 95 % interval. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** The 0.975 quantiles of Student's t for 1 to 30 degrees of freedom (NIST handbook, 1.3.6.7.2). */
const quantiles: readonly number[] = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];

/** The most values that {@linkcode estimate} takes. */
export const MOST_SEEDS = quantiles.length + 1;

/** The mean of some numbers. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The mean of independent values, with its 95 % interval by Student's t.
 *
 * @param values At least 2 and at most 31.
 * @returns The estimate.
 */
export function estimate(values: readonly number[]): Estimate {
  const mean = meanOf(values);
  const quantile = quantiles[values.length - 2];
  if (quantile === undefined) {
    throw new RangeError(`estimate: expected 2 to ${MOST_SEEDS} values, got ${values.length}`);
  }
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const half = quantile * Math.sqrt(squares / (values.length - 1) / values.length);
  return { mean, low: mean - half, high: mean + half };
}
