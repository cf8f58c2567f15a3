/**
 * Text for the width of a terminal: paragraphs are broken between words, tables between columns.
 *
 * @module
 */

import { longest } from "@unitune/training";

/** The width of printed text in columns: the usual width of a terminal. */
export const WIDTH = 80;

/**
 * Breaks words into lines. A word that is longer than a line stays whole.
 *
 * @param text The words, separated by spaces.
 * @param columns The most characters of a line.
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { wrapWords } from "./layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(wrapWords("one two three", 8), ["one two", "three"]);
 * ```
 */
export function wrapWords(text: string, columns: number = WIDTH): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/**
 * Breaks the paragraphs of a text into lines. Lines that begin with a space, such as commands, stay
 * as they are, so that they can be copied.
 *
 * @param text The text.
 * @param indent The beginning of each line of a paragraph after the first.
 * @param columns The most characters of a line.
 * @returns The text, broken between words.
 *
 * @example
 * ```ts
 * import { wrapText } from "./layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [first, second] = wrapText(`model: ${"layer ".repeat(14)}`.trimEnd(), "  ").split("\n");
 * assertEquals(first?.length, 78);
 * assertEquals(second, "  layer layer");
 * ```
 */
export function wrapText(text: string, indent = "", columns: number = WIDTH): string {
  return text.split("\n").flatMap((line) => {
    if (line.startsWith(" ")) return [line];
    const [first = "", ...rest] = wrapWords(line, columns);
    const later = wrapWords(rest.join(" "), columns - indent.length);
    return rest.length === 0 ? [first] : [first, ...later.map((part) => indent + part)];
  }).join("\n");
}

/** The mark between two texts that stand side by side. */
const BETWEEN = " | ";

/**
 * Puts two texts side by side, each under its heading and broken into lines of half the width.
 *
 * @param left The heading and the text of the left side.
 * @param right Those of the right side.
 * @param columns The most characters of a line.
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { sideBySide } from "./layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sideBySide(["base", "one two"], ["tuned", "three"], 13), [
 *   "base  | tuned",
 *   "----- | -----",
 *   "one   | three",
 *   "two   |",
 * ]);
 * ```
 */
export function sideBySide(
  left: readonly [heading: string, text: string],
  right: readonly [heading: string, text: string],
  columns: number = WIDTH,
): string[] {
  const width = Math.floor((columns - BETWEEN.length) / 2);
  const linesOf = ([heading, text]: typeof left) => [
    heading,
    "-".repeat(width),
    ...text.split("\n").flatMap((line) => wrapWords(line, width)).flatMap((line) =>
      cut(line, width)
    ),
  ];
  const [own, other] = [linesOf(left), linesOf(right)];
  return Array.from(
    { length: Math.max(own.length, other.length) },
    (_, i) => `${(own[i] ?? "").padEnd(width)}${BETWEEN}${other[i] ?? ""}`.trimEnd(),
  );
}

/** A line in pieces of a width. */
function cut(line: string, width: number): string[] {
  const characters = Array.from(line);
  return Array.from(
    { length: Math.max(1, Math.ceil(characters.length / width)) },
    (_, i) => characters.slice(i * width, (i + 1) * width).join(""),
  );
}

/** The width of each column of a table. */
export function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const count = longest(rows, (row) => row.length);
  return Array.from(
    { length: count },
    (_, i) => longest(rows, (row) => row[i]?.length ?? 0),
  );
}

/** Spaces between two columns of a table. */
const GAP = 2;

/**
 * Aligns the columns of a table: the first to the left, the others to the right.
 *
 * @param rows The cells.
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { alignTable } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(alignTable([["", "loss"], ["after", "0.5"]]), ["       loss", "after   0.5"]);
 * ```
 */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = columnWidths(rows);
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
      .join(" ".repeat(GAP)).trimEnd()
  );
}

/**
 * Fits a table into a width. Columns that do not fit follow below, after an empty line, beside a
 * repeated first column.
 *
 * @param rows The cells; the first of each row is its name.
 * @param columns The most characters of a line.
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { fitTable } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const rows = [["", "loss", "gap"], ["sft", "0.50", "0.1"]];
 * assertEquals(fitTable(rows, 12), ["     loss", "sft  0.50", "", "     gap", "sft  0.1"]);
 * ```
 */
export function fitTable(
  rows: readonly (readonly string[])[],
  columns: number = WIDTH,
): string[] {
  const [names = 0, ...widths] = columnWidths(rows);
  const parts: number[][] = [];
  let used = Infinity;
  for (const [i, width] of widths.entries()) {
    if (used + GAP + width > columns) {
      parts.push([]);
      used = names;
    }
    parts.at(-1)?.push(i + 1);
    used += GAP + width;
  }
  if (parts.length === 0) return alignTable(rows);
  return parts.flatMap((part, i) => {
    const lines = alignTable(rows.map((row) => [0, ...part].map((column) => row[column] ?? "")));
    return i === 0 ? lines : ["", ...lines];
  });
}

/**
 * A number of something in the largest power of 1000 that it has one of.
 *
 * @param count The number.
 * @returns The number with three digits, and a word for the power.
 *
 * @example
 * ```ts
 * import { showCount } from "./layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([7, 1234, 45e9].map(showCount), ["7", "1.23 thousand", "45 billion"]);
 * ```
 */
export function showCount(count: number): string {
  const words = ["", " thousand", " million", " billion", " trillion"];
  const power = Math.min(words.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${Number((count / 1000 ** power).toPrecision(3))}${words[power]}`;
}

/**
 * Terms with lines about them: the terms in a column, the lines beside it, broken between words.
 *
 * @param entries The terms and their lines.
 * @param columns The width (default 80).
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { definitionList } from "./layout.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(definitionList([["a", ["one"]], ["bc", ["two", "three four"]]], 12), [
 *   "a   one",
 *   "bc  two",
 *   "    three",
 *   "    four",
 * ]);
 * ```
 */
export function definitionList(
  entries: readonly (readonly [term: string, lines: readonly string[]])[],
  columns: number = WIDTH,
): string[] {
  const width = longest(entries, ([term]) => term.length) + GAP;
  return entries.flatMap(([term, lines]) =>
    lines.flatMap((line) => wrapWords(line, columns - width))
      .map((line, i) => (i === 0 ? term : "").padEnd(width) + line)
  );
}
