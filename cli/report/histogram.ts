/**
 * Histograms for a terminal.
 *
 * @module
 */

import { longest } from "@unitune/training";

/** The widths of bars: 1, 2 or 5 times a power of ten. */
function niceWidth(range: number, most: number): number {
  for (let power = 1;; power *= 10) {
    const width = [1, 2, 5].map((factor) => factor * power).find((width) => width * most >= range);
    if (width !== undefined) return width;
  }
}

/** The most bars, and the characters of the longest. */
const [MOST_BARS, LONGEST] = [12, 40];

/**
 * The lines of a histogram of whole numbers: a range, how many numbers are in it, and a bar.
 *
 * @param numbers The numbers, each at least 0.
 * @returns The lines; none without numbers.
 *
 * @example
 * ```ts
 * import { histogramLines } from "./histogram.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(histogramLines([1, 5, 5, 23]), [
 *   " 0-1   1  " + "█".repeat(20),
 *   " 4-5   2  " + "█".repeat(40),
 *   "22-23  1  " + "█".repeat(20),
 * ]);
 * ```
 */
export function histogramLines(numbers: readonly number[]): readonly string[] {
  const largest = longest(numbers, (number) => number);
  const width = niceWidth(largest + 1, MOST_BARS);
  const counts = new Map<number, number>();
  for (const number of numbers) {
    const bar = Math.floor(number / width);
    counts.set(bar, (counts.get(bar) ?? 0) + 1);
  }
  const most = longest(counts.values(), (count) => count);
  const bars = [...counts].toSorted(([a], [b]) => a - b).map(([bar, count]) => ({
    range: width === 1
      ? [`${bar}`] as const
      : [`${bar * width}`, `${(bar + 1) * width - 1}`] as const,
    count: count.toLocaleString("en-US"),
    bar: "█".repeat(Math.max(1, Math.round(LONGEST * count / most))),
  }));
  const start = longest(bars, ({ range: [from] }) => from.length);
  const lines = bars.map(({ range: [from, ...to], ...own }) => ({
    ...own,
    range: [from.padStart(start), ...to].join("-"),
  }));
  const widest = longest(lines, ({ range }) => range.length);
  const digits = longest(lines, ({ count }) => count.length);
  return lines.map(({ range, count, bar }) =>
    `${range.padEnd(widest)}  ${count.padStart(digits)}  ${bar}`
  );
}
