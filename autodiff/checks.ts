/** Checks of hyperparameters, so that a wrong one is an error and never a silent NaN. */

/** Numbers that a hyperparameter may be, and their range in words. */
export interface Range {
  /** What an error says was expected. */
  readonly words: string;
  /** Whether a number lies in it; NaN lies in none. */
  readonly holds: (value: number) => boolean;
}

/** Whether f32, in which is computed, has a number at most rounded: neither overflowed nor lost. */
function isSingle(value: number): boolean {
  const single = Math.fround(value);
  return Number.isFinite(single) && (single !== 0 || value === 0);
}

/** Any number that f32 has. */
export const finite: Range = { words: "a finite number of 32 bits", holds: isSingle };

/** From 0. */
export const nonNegative: Range = {
  words: "a finite number of 32 bits, from 0",
  holds: (value) => value >= 0 && isSingle(value),
};

/** What remains of a mean or a sum after a step. */
export const decay: Range = {
  words: "a number from 0 (included) to 1 (excluded)",
  holds: (value) => value >= 0 && value < 1,
};

/** Above 0; infinite where there is to be no limit. */
export const limit: Range = {
  words: "a number above 0 that 32 bits hold, or Infinity",
  holds: (value) => value === Infinity || value > 0 && Math.fround(value) > 0,
};

/** A count of steps. */
export const steps: Range = {
  words: "an integer from 0 to 2^31 - 1",
  holds: (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 31,
};

/**
 * Refuses options out of their ranges.
 *
 * @param name Whose options they are.
 * @param values The options.
 * @param ranges Their ranges.
 * @throws {RangeError} If one is out of range, with its name, its range and its value.
 */
export function checkOptions<Name extends string>(
  name: string,
  values: Readonly<Record<Name, number>>,
  ranges: Readonly<Record<Name, Range>>,
): void {
  for (const option in ranges) {
    const value: unknown = values[option];
    const { words, holds } = ranges[option];
    if (typeof value === "number" && holds(value)) continue;
    const got = typeof value === "string" ? JSON.stringify(value) : String(value);
    throw new RangeError(`${name}: ${option}: expected ${words}, got ${got}`);
  }
}
