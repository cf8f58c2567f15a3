/**
 * Histograms for a terminal.
 *
 * @module
 */

/** The widths of bars: 1, 2 or 5 times a power of ten. */
function niceWidth(range: number, most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, range / most)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((width) => width * most >= range) ??
    10 * power;
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
  const largest = numbers.reduce((most, number) => Math.max(most, number), 0);
  const width = niceWidth(largest + 1, MOST_BARS);
  const counts = new Map<number, number>();
  for (const number of numbers) {
    const bar = Math.floor(number / width);
    counts.set(bar, (counts.get(bar) ?? 0) + 1);
  }
  const most = counts.values().reduce((most, count) => Math.max(most, count), 0);
  const bars = [...counts].toSorted(([a], [b]) => a - b).map(([bar, count]) => ({
    range: width === 1 ? `${bar}` : `${bar * width}-${(bar + 1) * width - 1}`,
    count: count.toLocaleString("en-US"),
    bar: "█".repeat(Math.max(1, Math.round(LONGEST * count / most))),
  }));
  const longest = (texts: readonly string[]) =>
    texts.reduce((length, text) => Math.max(length, text.length), 0);
  const start = longest(bars.map(({ range }) => range.split("-", 1).join("")));
  const lines = bars.map(({ range, ...own }) => {
    const [from = ""] = range.split("-", 1);
    return { ...own, range: " ".repeat(start - from.length) + range };
  });
  const widest = longest(lines.map(({ range }) => range));
  const digits = longest(lines.map(({ count }) => count));
  return lines.map(({ range, count, bar }) =>
    `${range.padEnd(widest)}  ${count.padStart(digits)}  ${bar}`
  );
}
