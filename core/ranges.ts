/** Ranges of hyperparameters, so that a wrong one is an error and never a silent NaN. */

/** The numbers that a hyperparameter may be. */
export interface Range {
  /** The range in words, as an error states it after "expected". */
  readonly words: string;
  /** Whether a number lies in it; NaN lies in none. */
  readonly holds: (value: number) => boolean;
}

/** The ranges that options of optimizers and objectives have. */
export interface Ranges {
  /** Any finite number. */
  readonly finite: Range;
  /** Above 0 and finite. */
  readonly positive: Range;
  /** At least 0 and finite. */
  readonly nonNegative: Range;
  /** At least 0; infinite where something is to have no bound. */
  readonly upToInfinity: Range;
  /** Above 0; infinite where there is to be no limit. */
  readonly limit: Range;
  /** The share of a mean or a sum that remains after a step: at least 0 and below 1. */
  readonly decay: Range;
  /** A share, or a probability: from 0 to 1. */
  readonly share: Range;
  /** A count of steps, which is kept in 32 bits. */
  readonly steps: Range;
  /** A closed interval. */
  readonly between: (low: number, high: number) => Range;
  /** The integers from a lowest one. */
  readonly integerFrom: (low: number) => Range;
}

/** Whether f32, in which is computed, has a number at most rounded: neither overflowed nor lost. */
function isSingle(value: number): boolean {
  const single = Math.fround(value);
  return Number.isFinite(single) && (single !== 0 || value === 0);
}

function between(low: number, high: number): Range {
  return {
    words: `a number from ${low} to ${high}`,
    holds: (value) => value >= low && value <= high,
  };
}

/**
 * The ranges of hyperparameters, by their names. Finite ranges exclude every number that f32 would
 * round to infinity, and every nonzero number that it would round to 0.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { ranges } from "@unitune/core";
 *
 * assert(ranges.positive.holds(0.1) && !ranges.positive.holds(1e-46));
 * assert(ranges.share.holds(1) && !ranges.share.holds(NaN));
 * ```
 */
export const ranges: Ranges = {
  finite: { words: "a finite number of 32 bits", holds: isSingle },
  positive: {
    words: "a number above 0 that 32 bits hold",
    holds: (value) => value > 0 && isSingle(value),
  },
  nonNegative: {
    words: "a finite number of 32 bits, from 0",
    holds: (value) => value >= 0 && isSingle(value),
  },
  upToInfinity: { words: "a number from 0 to Infinity", holds: (value) => value >= 0 },
  limit: {
    words: "a number above 0 that 32 bits hold, or Infinity",
    holds: (value) => value === Infinity || value > 0 && Math.fround(value) > 0,
  },
  decay: {
    words: "a number from 0 (included) to 1 (excluded)",
    holds: (value) => value >= 0 && value < 1,
  },
  share: between(0, 1),
  steps: {
    words: "an integer from 0 to 2^31 - 1",
    holds: (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
  },
  between,
  integerFrom: (low) => ({
    words: `an integer from ${low}`,
    holds: (value) => Number.isSafeInteger(value) && value >= low,
  }),
};

/**
 * Refuses a hyperparameter out of its range.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { checkRange, ranges } from "@unitune/core";
 *
 * assertThrows(
 *   () => checkRange("dpo: beta", -1, ranges.positive),
 *   RangeError,
 *   "dpo: beta: expected a number above 0 that 32 bits hold, got -1",
 * );
 * ```
 *
 * @param name The name of the value in the error.
 * @param value The value.
 * @param range Its range.
 * @throws {RangeError} If the value is no number in the range.
 */
export function checkRange(name: string, value: unknown, { words, holds }: Range): void {
  if (typeof value !== "number" || !holds(value)) {
    const got = typeof value === "string" ? JSON.stringify(value) : String(value);
    throw new RangeError(`${name}: expected ${words}, got ${got}`);
  }
}

/**
 * Refuses options out of their ranges.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { checkOptions, ranges } from "@unitune/core";
 *
 * const { positive } = ranges;
 * checkOptions("dpo", { beta: positive, margin: positive }, { beta: 0.1 });
 * assertThrows(() => checkOptions("dpo", { beta: positive }, { beta: NaN }), RangeError, "dpo: beta");
 * ```
 *
 * @param name The function whose options these are, for the error.
 * @param ranges The range of each option.
 * @param options The options; absent options and options without a range are not checked.
 * @throws {RangeError} If one is out of range, with its name, its range and its value.
 */
export function checkOptions<K extends string>(
  name: string,
  ranges: Readonly<Record<K, Range>>,
  options: { readonly [Option in NoInfer<K>]?: unknown },
): void {
  const given = new Map<string, unknown>(Object.entries(options));
  for (const [option, range] of Object.entries<Range>(ranges)) {
    const value = given.get(option);
    if (value !== undefined) checkRange(`${name}: ${option}`, value, range);
  }
}
