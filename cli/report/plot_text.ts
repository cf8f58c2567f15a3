/**
 * Text in plots: its size, and numbers as it shows them.
 *
 * @module
 */

/** The size of text, in pixels. */
export const FONT_SIZE = 12;

/** The distance of two lines of text, in pixels. */
export const LINE = 16;

/** An upper bound of the mean width of a character in the sans-serif font, in pixels. */
export const CHARACTER = 0.6 * FONT_SIZE;

/**
 * An upper bound of the width of a text.
 *
 * @param text The text.
 * @returns The width in pixels.
 */
export function widthOf(text: string): number {
  return text.length * CHARACTER;
}

/** The range in which a number has no exponent. */
const PLAIN = { from: 1e-3, to: 1e6 } as const;

/** The most significant digits of a tick's label: further digits are rounding errors. */
const DIGITS = 12;

/** The significant digits of a value that is read off a curve. */
const READ_DIGITS = 4;

/**
 * The shortest label of a tick.
 *
 * @param value The value.
 * @returns The label.
 *
 * @example
 * ```ts
 * import { tickLabel } from "./plot_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([1500, 0.25, 2e-6, -1].map(tickLabel), ["1,500", "0.25", "2e−6", "−1"]);
 * ```
 */
export function tickLabel(value: number): string {
  const rounded = Number(value.toPrecision(DIGITS));
  const size = Math.abs(rounded);
  const isPlain = size === 0 || size >= PLAIN.from && size < PLAIN.to;
  const text = isPlain
    ? rounded.toLocaleString("en-US", { maximumFractionDigits: DIGITS })
    : rounded.toExponential().replace("e+", "e");
  return text.replaceAll("-", "\u2212");
}

/**
 * A value as it is read off a curve, with four significant digits.
 *
 * @param value The value.
 * @returns The text.
 *
 * @example
 * ```ts
 * import { readValue } from "./plot_text.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([0.123456, 1234.56].map(readValue), ["0.1235", "1,235"]);
 * ```
 */
export function readValue(value: number): string {
  return tickLabel(Number(value.toPrecision(READ_DIGITS)));
}
