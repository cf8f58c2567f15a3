/** Ranges of hyperparameters, so that a wrong one is an error and never a silent NaN. */

/**
 * The numbers that a hyperparameter may be. They are computed with in f32, so a range holds the
 * numbers that f32 keeps, at most rounded: none that overflows, vanishes or reaches an open limit.
 */
export interface Range {
  /** Whether only whole numbers lie in it (default false). */
  readonly integer?: boolean;
  /** The least number. */
  readonly min?: number;
  /** The limit below all numbers. */
  readonly above?: number;
  /** The greatest number. */
  readonly max?: number;
  /** The limit above all numbers. */
  readonly below?: number;
  /** Whether `Infinity` lies in it, which stands for no limit (default false). */
  readonly infinite?: boolean;
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

function between(min: number, max: number): Range {
  return { min, max };
}

/**
 * The ranges of hyperparameters, by their names.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { inRange, ranges } from "@unitune/core";
 *
 * assert(inRange(0.1, ranges.positive) && !inRange(1e-46, ranges.positive));
 * assert(inRange(1, ranges.share) && !inRange(NaN, ranges.share));
 * ```
 */
export const ranges: Ranges = {
  finite: {},
  positive: { above: 0 },
  nonNegative: { min: 0 },
  upToInfinity: { min: 0, infinite: true },
  limit: { above: 0, infinite: true },
  decay: { min: 0, below: 1 },
  share: between(0, 1),
  steps: { integer: true, min: 0, max: 2 ** 31 - 1 },
  between,
  integerFrom: (min) => ({ integer: true, min }),
};

/** Whether a number lies within the limits, before it is rounded to f32. */
function isWithin(
  value: number,
  { min = -Infinity, above = -Infinity, max = Infinity, below = Infinity }: Range,
): boolean {
  return min <= value && above < value && value <= max && value < below;
}

/** Whether f32 has a number, at most rounded, and within limits that are not reached. */
function isKept(value: number, { above = -Infinity, below = Infinity, infinite }: Range): boolean {
  const single = Math.fround(value);
  if (single === Infinity) return infinite === true;
  return Number.isFinite(single) && (single !== 0 || value === 0) && above < single &&
    single < below;
}

/**
 * Whether a value is a number of a range. NaN lies in none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { inRange } from "@unitune/core";
 *
 * const share = { min: 0, below: 1 };
 * assertEquals([0, 0.5, 1, "0.5", 0.9999999999].map((x) => inRange(x, share)), [
 *   ...[true, true, false, false],
 *   // In f32 it is 1.
 *   false,
 * ]);
 * ```
 *
 * @param value The value.
 * @param range The range.
 * @returns Whether it lies in the range.
 */
export function inRange(value: unknown, range: Range): value is number {
  if (typeof value !== "number") return false;
  if (value === Infinity) return range.infinite === true;
  if (!isWithin(value, range)) return false;
  return range.integer ? Number.isSafeInteger(value) : isKept(value, range);
}

/** The words for each limit. */
const limitWords = {
  min: "at least",
  above: "above",
  max: "at most",
  below: "below",
} as const;

/**
 * A range in words, as an error states it: `a number, at least 0, below 1`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeRange, ranges } from "@unitune/core";
 *
 * assertEquals(describeRange(ranges.share), "a number, at least 0, at most 1");
 * assertEquals(describeRange(ranges.integerFrom(2)), "a whole number, at least 2");
 * ```
 *
 * @param range The range.
 * @returns The words.
 */
export function describeRange(range: Range): string {
  const limits = (["min", "above", "max", "below"] as const).flatMap((limit) => {
    const value = range[limit];
    return value === undefined ? [] : [`${limitWords[limit]} ${value}`];
  });
  const isOpen = limits.length === 0 && !range.infinite;
  const kind = range.integer ? "a whole number" : isOpen ? "a finite number" : "a number";
  return [range.infinite ? `${kind} or Infinity` : kind, ...limits].join(", ");
}

/**
 * A value that is out of a range, as an error shows it, with its value in f32 if that is another
 * number altogether.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeOutlier, ranges } from "@unitune/core";
 *
 * assertEquals(describeOutlier(-1, ranges.positive), "-1");
 * assertEquals(describeOutlier(1e39, ranges.positive), "1e+39, which is Infinity in 32 bits");
 * ```
 *
 * @param value The value.
 * @param range The range that it is out of.
 * @param written The value as it was written.
 * @returns The value in words.
 */
export function describeOutlier(
  value: unknown,
  range: Range,
  written: string = typeof value === "string" ? JSON.stringify(value) : String(value),
): string {
  const isLost = typeof value === "number" && Number.isFinite(value) && !range.integer &&
    isWithin(value, range);
  return isLost ? `${written}, which is ${Math.fround(value)} in 32 bits` : written;
}

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
 *   "dpo: beta: expected a number, above 0, got -1",
 * );
 * ```
 *
 * @param name The name of the value in the error.
 * @param value The value.
 * @param range Its range.
 * @throws {RangeError} If the value is no number in the range.
 */
export function checkRange(name: string, value: unknown, range: Range): void {
  if (inRange(value, range)) return;
  throw new RangeError(
    `${name}: expected ${describeRange(range)}, got ${describeOutlier(value, range)}`,
  );
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
