/** Checks of hyperparameters and shapes, so that a wrong one is an error and never a silent NaN. */
import { ShapeError, showShape, type Tensor } from "@unitune/core";
import { checkMask } from "./host.ts";

/** The numbers that a hyperparameter may be. */
export interface Range {
  /** The range in words, as an error states it after "expected". */
  readonly words: string;
  /** Whether a number lies in it; NaN lies in none. */
  readonly holds: (value: number) => boolean;
}

/** Whether a number is finite in f32, in which is computed. */
const isFinite32 = (value: number): boolean => Number.isFinite(Math.fround(value));

/** Any finite number. */
export const finite: Range = { words: "a finite number of 32 bits", holds: isFinite32 };

/** Above 0 and finite, and so in f32: one that is rounded to 0 is no divisor. */
export const positive: Range = {
  words: "a number above 0 that 32 bits hold",
  holds: (value) => Math.fround(value) > 0 && isFinite32(value),
};

/** At least 0 and finite. */
export const nonNegative: Range = {
  words: "a finite number of 32 bits, from 0",
  holds: (value) => value >= 0 && isFinite32(value),
};

/** At least 0; infinite where something is to have no bound. */
export const upToInfinity: Range = {
  words: "a number from 0 to Infinity",
  holds: (value) => value >= 0,
};

/** A closed interval. */
export function between(low: number, high: number): Range {
  return {
    words: `a number from ${low} to ${high}`,
    holds: (value) => value >= low && value <= high,
  };
}

/** A share, or a probability. */
export const share: Range = between(0, 1);

/** The integers from a lowest one. */
export function integerFrom(low: number): Range {
  return {
    words: `an integer from ${low}`,
    holds: (value) => Number.isSafeInteger(value) && value >= low,
  };
}

/** Throws unless a hyperparameter is a number in its range. */
export function checkRange(name: string, value: unknown, { words, holds }: Range): void {
  if (typeof value !== "number" || !holds(value)) {
    const got = typeof value === "string" ? JSON.stringify(value) : value;
    throw new RangeError(`${name}: expected ${words}, got ${got}`);
  }
}

/**
 * Throws unless every option that a table has a range for is left out or in its range.
 *
 * @param name Whose options these are, for the error.
 * @param ranges The range of each option.
 * @param options The options; those that the table does not name are not looked at.
 * @throws {RangeError} With the option, its range and its value.
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

/** Throws unless a hyperparameter is one of a table's names. */
export function checkName(
  name: string,
  value: string,
  table: Readonly<Record<string, unknown>>,
): void {
  if (!Object.hasOwn(table, value)) {
    throw new RangeError(`${name}: expected one of ${Object.keys(table).join(", ")}, got ${value}`);
  }
}

/** Throws unless log-probs and mask are both `[B, T]`, with at least one row and one token. */
export function checkTokens(name: string, logProbs: Tensor, mask: Tensor): void {
  const [rows = 0, length = 0] = logProbs.shape;
  const fits = logProbs.shape.length === 2 && showShape(logProbs.shape) === showShape(mask.shape);
  if (!fits) {
    throw new ShapeError(
      `${name}: got log-probs ${showShape(logProbs.shape)} and mask ${showShape(mask.shape)}; ` +
        `expected both [B, T]`,
    );
  }
  if (rows === 0 || length === 0) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row of one token`);
  }
  checkMask(name, mask);
}

/** What holds 0 and 1 only, and how an error calls an element of it. */
const flags: Readonly<Record<string, string>> = {
  mask: "the mask",
  counted: "the mask",
  labels: "the label",
};

/** Throws unless tensors, by what they are, all have one shape of the given rank, and elements. */
export function checkShapes(
  name: string,
  expected: string,
  tensors: Readonly<Record<string, Tensor>>,
): void {
  const entries = Object.entries(tensors);
  const [shape = []] = entries.map(([, x]) => x.shape);
  const rank = expected.split(",").length;
  const fits = entries.every(([, x]) => showShape(x.shape) === showShape(shape));
  if (!fits || shape.length !== rank) {
    const got = entries.map(([what, x]) => `${what} ${showShape(x.shape)}`).join(", ");
    throw new ShapeError(`${name}: got ${got}; expected all of them ${expected}`);
  }
  if (shape.includes(0)) {
    throw new ShapeError(`${name}: the batch is empty; expected at least one row`);
  }
  for (const [what, x] of entries) {
    const called = flags[what];
    if (called !== undefined) checkMask(name, x, called);
  }
}

/** Throws unless rows fall into whole groups of at least two. */
export function checkGroups(name: string, rows: number, groupSize: number): void {
  checkRange(`${name}: groupSize`, groupSize, integerFrom(1));
  if (groupSize < 2) {
    throw new RangeError(
      `${name}: groupSize: expected at least 2, got ${groupSize}; ` +
        `a single member has nothing to be compared with`,
    );
  }
  if (rows === 0 || rows % groupSize !== 0) {
    throw new ShapeError(
      `${name}: got ${rows} rows; expected a positive multiple of groupSize ${groupSize}, ` +
        `each group in consecutive rows`,
    );
  }
}
