/**
 * Programs traced line by line: `trace 35:a+b,b-a` is answered by `a+b=85,b-a=87`.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";
import { digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** The variables. */
const names = "abc";

/** A line: it sets the left variable to the result, modulo 10. */
interface Line {
  readonly left: number;
  readonly operator: string;
  readonly right: number;
}

/** Where the run of a program stands. */
interface Run {
  readonly lines: readonly Line[];
  /** The values of the variables, as they were written last. */
  readonly values: readonly number[];
  /** The values at the end of a run without mistakes. */
  readonly result: string;
  /** The number of lines that were run. */
  readonly done: number;
  /** The line that was written, whose effect comes next. */
  readonly current?: Line | undefined;
}

const operators: Readonly<Record<string, (left: number, right: number) => number>> = {
  "+": (left, right) => (left + right) % 10,
  "-": (left, right) => (left - right + 10) % 10,
};

/**
 * The world of programs. A step is a copy of the next line, or the values of all variables after it.
 * The state is what was written: a line that was copied wrong has the effect of the copy, and a
 * wrong value is the value from then on. The difficulty is the number of lines. An answer is right
 * if the last values are.
 */
export const trace: World = defineWorld<Run>({
  name: "trace",
  characters: `${names}${digits}+-=,:`,
  ends: "=,",
  format: /^(?:[abc][+-][abc]=\d{3},?)+$/,
  difficulty: { trained: [4, 6], longer: [7, 9] },
  draw: (random, count) => {
    const values = Array.from(names, () => integerFrom(random, 0, 9));
    return `${values.join("")}:${Array.from({ length: count }, () => draw(random)).join(",")}`;
  },
  begin: (prompt) => {
    const [opening = "", program = ""] = prompt.split(":");
    const [values] = readForm([memory], opening) ?? [];
    const lines = program.split(",").map((line) => lineOf(line, ""));
    const known = lines.flatMap((line) => line ?? []);
    if (values?.length !== names.length || known.length < lines.length) return undefined;
    const start = [...values].map(Number);
    return { lines: known, values: start, result: known.reduce(run, start).join(""), done: 0 };
  },
  step: ({ lines, values, done, current }) => {
    if (current !== undefined) {
      return `${run(values, current).join("")}${done + 1 < lines.length ? "," : END}`;
    }
    const line = lines[done];
    return line === undefined ? END : `${textOf(line)}=`;
  },
  after: (state, step) => {
    const { done, current } = state;
    if (current === undefined) {
      if (step === END) return state;
      const line = lineOf(step, "=");
      return line && { ...state, current: line };
    }
    const [written] = readForm([memory, step.endsWith(END) ? END : ","], step) ?? [];
    if (written?.length !== names.length) return undefined;
    return { ...state, values: [...written].map(Number), done: done + 1, current: undefined };
  },
  id: ({ values, done, current }) =>
    `${done}:${values.join("")}${current === undefined ? "" : textOf(current)}`,
  isSolved: ({ lines, values, result, done }) =>
    done === lines.length && values.join("") === result,
});

/** A place for the values of all variables. */
const memory = { kind: digits, most: names.length };

/** The values after a line. */
function run(values: readonly number[], { left, operator, right }: Line): readonly number[] {
  const result = operators[operator]?.(values[left] ?? 0, values[right] ?? 0) ?? 0;
  return values.with(left, result);
}

const textOf = ({ left, operator, right }: Line): string =>
  names.charAt(left) + operator + names.charAt(right);

/** The line that a text says, with what ends it. */
function lineOf(text: string, end: string): Line | undefined {
  const name = { kind: names, most: 1 };
  const [left, operator, right] = readForm([name, { kind: "+-", most: 1 }, name, end], text) ?? [];
  if (left === undefined || operator === undefined || right === undefined) return undefined;
  return { left: names.indexOf(left), operator, right: names.indexOf(right) };
}

/** A line of two different variables. */
function draw(random: Random): string {
  const left = integerFrom(random, 0, names.length - 1);
  const right = (left + integerFrom(random, 1, names.length - 1)) % names.length;
  return textOf({ left, operator: "+-".charAt(integerFrom(random, 0, 1)), right });
}
