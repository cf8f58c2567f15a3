/**
 * Addition with its carries written out: `carry 17+25` is answered by `7+5+0=12,1+2+1=4;42`.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";
import { digit, digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** Where an addition stands. Digits are in the order of columns, the units first. */
interface Addition {
  /** The digits of both numbers. */
  readonly columns: readonly (readonly [number, number])[];
  /** The digits that were written of the sum. */
  readonly written: readonly number[];
  /** The carry into the next column. */
  readonly carry: number;
  /** The terms of a column whose sum comes next. */
  readonly terms?: readonly number[];
  /** Whether the sum comes next, as a whole. */
  readonly isLast?: boolean;
  /** The sum that was written. */
  readonly sum?: number;
}

/**
 * The world of additions. A step is the terms of a column, its sum, or the whole sum. The state is
 * what was written: a wrong sum of a column gives its own digit and its own carry. The difficulty
 * is the number of columns. An answer is right if the whole sum is.
 */
export const carry: World = defineWorld<Addition>({
  name: "carry",
  characters: `${digits}+=,;`,
  ends: "=,;",
  format: /^(?:\d\+\d\+\d=\d+[,;])+\d+$/,
  difficulty: { trained: [4, 6], longer: [7, 8] },
  draw: (random, columns) => `${numberOf(random, columns)}+${numberOf(random, columns)}`,
  begin: (prompt) => {
    const [a, b] = readForm([numeral, "+", numeral], prompt) ?? [];
    if (a === undefined || b === undefined || a.length !== b.length) return undefined;
    const columns = [...a].map((top, i) => [Number(top), Number(b.charAt(i))] as const);
    return { columns: columns.reverse(), written: [], carry: 0 };
  },
  step: ({ columns, written, carry, terms, isLast }) => {
    if (isLast === true) return `${sumOf(written, carry)}${END}`;
    if (terms === undefined) {
      const [top = 0, bottom = 0] = columns[written.length] ?? [];
      return `${top}+${bottom}+${carry}=`;
    }
    return `${totalOf(terms)}${written.length + 1 < columns.length ? "," : ";"}`;
  },
  after: (state, step) => {
    const { columns, written, terms, isLast } = state;
    if (isLast === true) {
      const [sum] = readForm([numeral, END], step) ?? [];
      return sum === undefined ? undefined : { ...state, sum: Number(sum) };
    }
    if (terms === undefined) {
      const own = readForm([digit, "+", digit, "+", digit, "="], step);
      return own && { ...state, terms: own.map(Number) };
    }
    const end = step.endsWith(";") ? ";" : ",";
    const [total] = readForm([twoDigits, end], step) ?? [];
    const isBeyond = end === "," && written.length + 1 >= columns.length;
    if (total === undefined || isBeyond) return undefined;
    return {
      columns,
      written: [...written, Number(total) % 10],
      carry: Math.floor(Number(total) / 10),
      isLast: end === ";",
    };
  },
  id: ({ written, carry, terms, isLast }) =>
    `${written.join("")}:${carry}:${terms?.join("+") ?? ""}${isLast === true ? ";" : ""}`,
  isSolved: ({ columns, sum }) => {
    const [top, bottom] = [0, 1].map((i) =>
      columns.reduce((number, column, place) => number + (column[i] ?? 0) * 10 ** place, 0)
    );
    return sum === (top ?? 0) + (bottom ?? 0);
  },
});

/** A place for the sum of a column, whose carry is one digit. */
const twoDigits = { kind: digits, most: 2 };

/** A place for a number of as many columns as the world has, and one more. */
const numeral = { kind: digits, most: 12 };

const totalOf = (terms: readonly number[]): number => terms.reduce((a, b) => a + b, 0);

/** The number whose digits were written, with the last carry before them. */
function sumOf(written: readonly number[], carry: number): number {
  return written.reduceRight((number, own) => 10 * number + own, carry);
}

/** A number of some digits, the first of which is not 0. */
function numberOf(random: Random, columns: number): number {
  return integerFrom(random, 10 ** (columns - 1), 10 ** columns - 1);
}
