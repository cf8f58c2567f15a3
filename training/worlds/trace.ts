/**
 * Programs traced line by line: `trace 3:+4-9=6` is answered by
 * `3+4:7,7-9:8,8=6:6`.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";
import { digit, digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** A line of a program: what it does to the value, with a number. */
interface Line {
  readonly operator: string;
  readonly number: number;
}

/** Where the run of a program stands. */
interface Run {
  readonly lines: readonly Line[];
  /** The value at the end of a run without mistakes. */
  readonly result: number;
  /** The value, as it was written last. */
  readonly value: number;
  /** The number of lines that were run. */
  readonly done: number;
  /** What was written before the value that comes next: the value before it, and the line. */
  readonly current?: (Line & { readonly before: number }) | undefined;
}

/** The operators, by which a line adds, subtracts or sets; all results are modulo 10. */
const operators: Readonly<Record<string, (value: number, number: number) => number>> = {
  "+": (value, number) => (value + number) % 10,
  "-": (value, number) => (value - number + 10) % 10,
  "=": (_value, number) => number,
};

/**
 * The world of programs. A step is the value with the next line behind it, or the value after that
 * line. The state is what was written: the next line begins with a wrong value, and a line that sets
 * the value makes it good. The difficulty is the number of lines. An answer is right if it has all
 * lines, and the last value is right.
 */
export const trace: World = defineWorld<Run>({
  name: "trace",
  characters: `${digits}+-=,:`,
  ends: ":,",
  format: /^\d[-+=]\d:\d(?:,\d[-+=]\d:\d)*$/,
  difficulty: { trained: [8, 10], longer: [11, 12] },
  draw: (random, count) =>
    `${integerFrom(random, 0, 9)}:${
      Array.from({ length: count }, () => drawLine(random)).join("")
    }`,
  begin: (prompt) => {
    const [start] = readForm([digit, ":"], prompt.slice(0, 2)) ?? [];
    const program = prompt.slice(2);
    const lines = Array.from(
      { length: Math.ceil(program.length / 2) },
      (_, i) => lineOf(program.slice(2 * i, 2 * i + 2)),
    );
    const known = lines.flatMap((line) => line ?? []);
    if (start === undefined || known.length === 0 || known.length < lines.length) return undefined;
    const value = Number(start);
    return { lines: known, result: known.reduce(run, value), value, done: 0 };
  },
  step: ({ lines, value, done, current }) => {
    if (current !== undefined) {
      return `${run(current.before, current)}${done + 1 < lines.length ? "," : END}`;
    }
    const line = lines[done];
    return line === undefined ? END : `${value}${line.operator}${line.number}:`;
  },
  after: (state, step) => {
    if (state.current === undefined) {
      if (step === END) return state;
      const before = Number(step.charAt(0));
      const line = lineOf(step.slice(1, -1));
      const isStep = readForm([digit, operator, digit, ":"], step) !== undefined;
      return isStep && line !== undefined ? { ...state, current: { ...line, before } } : undefined;
    }
    const [value] = readForm([digit, step.endsWith(END) ? END : ","], step) ?? [];
    if (value === undefined) return undefined;
    return { ...state, value: Number(value), done: state.done + 1, current: undefined };
  },
  id: ({ value, done, current }) =>
    current === undefined
      ? `${done}:${value}`
      : `${done}:${current.before}${current.operator}${current.number}`,
  isSolved: ({ lines, value, result, done }) => done === lines.length && value === result,
});

/** A place for an operator. */
const operator = { kind: Object.keys(operators).join(""), most: 1 };

const run = (value: number, { operator, number }: Line): number =>
  operators[operator]?.(value, number) ?? value;

function lineOf(text: string): Line | undefined {
  const [sign, number] = readForm([operator, digit], text) ?? [];
  return sign === undefined ? undefined : { operator: sign, number: Number(number) };
}

/** The greatest number of a drawn line: a small model learns few sums in little time. */
const GREATEST = 4;

/** One line in this many sets the value. */
const SETS = 12;

function drawLine(random: Random): string {
  const isSet = integerFrom(random, 1, SETS) === 1;
  const sign = isSet ? "=" : "+-".charAt(integerFrom(random, 0, 1));
  return sign + integerFrom(random, 1, GREATEST);
}
