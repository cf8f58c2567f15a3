/**
 * Word problems whose answers calculate between marks, as those of GSM8K do (arXiv 2110.14168):
 * `word Ann has 3 bags of 4 nuts. Ann finds 5. How many?` is answered by
 * `<<3*4=12>>12 <<12+5=17>>17 #### 17`.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";
import { digit, digits, type Form, readForm, type Slot, whole } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

type Operator = "*" | "+" | "-";

/** An operation on what there is so far. */
interface Operation {
  readonly operator: Operator;
  readonly number: number;
}

/** A sum between the marks, before its result. */
interface Sum extends Operation {
  readonly left: number;
}

/** Where the solution of a problem stands. */
interface Solution {
  readonly operations: readonly Operation[];
  /** The result of a solution without mistakes. */
  readonly result: number;
  /** What there is so far, as it was written last. */
  readonly total: number;
  /** The number of operations that were calculated. */
  readonly done: number;
  /** The sum that was written, whose result comes next. */
  readonly sum?: Sum | undefined;
  /** Whether the result of all comes next. */
  readonly isLast?: boolean;
}

/** How an operation of a sentence is told and calculated, and the numbers that are drawn for it. */
interface Kind {
  readonly told: string;
  readonly least: number;
  readonly greatest: number;
  readonly of: (total: number, number: number) => number;
}

const kinds: Readonly<Record<Operator, Kind>> = {
  "*": { told: "has it times", least: 2, greatest: 3, of: (total, number) => total * number },
  "+": { told: "finds", least: 2, greatest: 9, of: (total, number) => total + number },
  "-": { told: "loses", least: 2, greatest: 9, of: (total, number) => total - number },
};

/** The greatest number there is: results stay from 0 to it, so that every state has a step. */
const MOST = 999_999;

const operators: readonly Operator[] = ["*", "+", "-"];
const isOperator = (text: string): text is Operator => operators.some((own) => own === text);

/** The greatest number that a drawn problem leads to. */
const GREATEST = 99;

const people = ["Ann", "Bo", "Cy", "Dee"];
const things = ["nuts", "figs", "pens", "cups"];
const letters: Slot = { kind: "abcdefghijklmnopqrstuvwxyzABCD", most: 5 };

/** The sentences of a problem: its beginning, an operation on all things, and the question. */
const opening: Form = [letters, " has ", digit, " bags of ", digit, " ", letters];
const QUESTION = "How many?";

/**
 * The world of word problems. A step is a sum, its result in the marks and behind them, or the
 * result of all. The state is what was written: with a wrong result, the next sum begins with it.
 * The difficulty is the number of sums. An answer is right if its last number is.
 */
export const word: World = defineWorld<Solution>({
  name: "word",
  characters: [
    ...[people, things, operators.map((operator) => kinds[operator].told)].flat(),
    `${digits} has bags of. <<>>=#### ${QUESTION}${operators.join("")}`,
  ].join(""),
  ends: "= ",
  format: /^(?:<<\d+[*+-]\d=\d+>>\d+ )+#### \d+$/,
  difficulty: { trained: [3, 4], longer: [5, 6] },
  draw: (random, sums) => {
    const [first, second] = [integerFrom(random, 2, 6), integerFrom(random, 2, 6)];
    const person = pick(random, people);
    const sentences = [`${person} has ${first} bags of ${second} ${pick(random, things)}`];
    for (let total = first * second; sentences.length < sums;) {
      const { operator, number } = drawOperation(random, total);
      total = calculated(total, { operator, number });
      sentences.push(`${person} ${kinds[operator].told} ${number}`);
    }
    return `${sentences.join(". ")}. ${QUESTION}`;
  },
  begin: (prompt) => {
    const [start = "", ...told] = prompt.split(". ");
    const [person, first, second] = readForm(opening, start) ?? [];
    if (person === undefined || told.pop() !== QUESTION) return undefined;
    const known = told.flatMap((sentence) => operationOf(sentence, person) ?? []);
    if (known.length < told.length) return undefined;
    const operations = [{ operator: "*" as const, number: Number(second) }, ...known];
    const total = Number(first);
    return { operations, result: operations.reduce(calculated, total), total, done: 0 };
  },
  step: ({ operations, total, done, sum, isLast }) => {
    if (isLast === true) return `${total}${END}`;
    if (sum !== undefined) {
      const result = calculated(sum.left, sum);
      return `${result}>>${result} `;
    }
    const next = operations[done];
    return next === undefined ? "#### " : `<<${total}${next.operator}${next.number}=`;
  },
  after: (state, step) => {
    if (state.isLast === true) {
      const [total] = readForm([whole, END], step) ?? [];
      return total === undefined ? undefined : { ...state, total: Number(total) };
    }
    if (state.sum !== undefined) {
      const [, total] = readForm([whole, ">>", whole, " "], step) ?? [];
      if (total === undefined) return undefined;
      return { ...state, total: Number(total), done: state.done + 1, sum: undefined };
    }
    if (step === "#### ") return { ...state, isLast: true };
    const sum = sumOf(step);
    return sum && { ...state, sum };
  },
  id: ({ total, done, sum, isLast }) =>
    `${done}:${isLast === true ? "#" : ""}${
      sum ? `${sum.left}${sum.operator}${sum.number}` : total
    }`,
  isSolved: ({ total, result }) => total === result,
  // Results that are off by one or by ten; a sum of another number or with another sign.
  mistakes: ({ operations, total, done, sum }) => {
    const next = operations[done];
    if (sum === undefined) {
      return next === undefined
        ? []
        : operators.flatMap((operator) =>
          [-1, 0, 1].map((off) => `<<${total}${operator}${next.number + off}=`)
        );
    }
    const right = calculated(sum.left, sum);
    return [-10, -1, 1, 10].map((off) => `${right + off}>>${right + off} `);
  },
});

const calculated = (total: number, { operator, number }: Operation): number =>
  Math.min(MOST, Math.max(0, kinds[operator].of(total, number)));

const pick = (random: Random, texts: readonly string[]): string =>
  texts[integerFrom(random, 0, texts.length - 1)] ?? "";

/** An operation that leaves some things, and not too many. */
function drawOperation(random: Random, total: number): Operation {
  const fitting = operators.filter((operator) => {
    const { greatest, of } = kinds[operator];
    return of(total, greatest) > 0 && of(total, greatest) <= GREATEST;
  });
  const operator = fitting[integerFrom(random, 0, fitting.length - 1)] ?? "-";
  const { least, greatest } = kinds[operator];
  return { operator, number: integerFrom(random, least, greatest) };
}

/** The operation that a sentence about a person tells. */
function operationOf(sentence: string, person: string): Operation | undefined {
  for (const operator of operators) {
    const [number] = readForm([`${person} ${kinds[operator].told} `, digit], sentence) ?? [];
    if (number !== undefined) return { operator, number: Number(number) };
  }
  return undefined;
}

/** The sum that a step begins. */
function sumOf(step: string): Sum | undefined {
  const sign: Slot = { kind: operators.join(""), most: 1 };
  const [left, operator = "", number] = readForm(["<<", whole, sign, digit, "="], step) ?? [];
  if (left === undefined || !isOperator(operator)) return undefined;
  return { left: Number(left), operator, number: Number(number) };
}
