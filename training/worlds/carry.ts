/**
 * Addition with its carries written out: `carry 47+38+25` is answered by
 * `7+8=15,4+3+1=8;5+5=10,8+2+1=11;110`.
 *
 * @module
 */

import { integerFrom } from "../random.ts";
import { digit, digits, type Form, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** A number as the digit of its units, and all that is before it. */
interface Parts {
  readonly tens: number;
  readonly units: number;
}

/** Where an addition stands. */
interface Addition {
  /** The numbers that have not been added. */
  readonly numbers: readonly Parts[];
  /** The sum of all numbers. */
  readonly result: number;
  /** The sum of the numbers that were added, as it was written. */
  readonly total: Parts;
  /** The units of the next sum and their carry, once they were written. */
  readonly added?: { readonly units: number; readonly carry: number } | undefined;
  /** The terms that were written, whose sum comes next. */
  readonly terms?: readonly number[] | undefined;
}

/**
 * The world of additions, which add one number after the other. A step is the terms of the units,
 * their sum, the terms of the tens and the carry, their sum, or the result. The state is what was
 * written: a wrong sum has its own digit and its own carry, and the next number is added to it. The
 * difficulty is the number of numbers. An answer is right if the result is.
 */
export const carry: World = defineWorld<Addition>({
  name: "carry",
  characters: `${digits}+=,;`,
  ends: "=,;",
  format: /^(?:\d\+\d=\d+,\d+\+\d\+\d=\d+;)+\d+$/,
  difficulty: { trained: [4, 5], longer: [6, 7] },
  draw: (random, count) =>
    Array.from({ length: count }, () => integerFrom(random, 10, 99)).join("+"),
  begin: (prompt) => {
    const read = prompt.split("+").map((number) => readForm([digit, digit], number));
    const known = read.flatMap((parts) => parts === undefined ? [] : [parts.map(Number)]);
    const [total, ...numbers] = known.map(([tens = 0, units = 0]) => ({ tens, units }));
    if (total === undefined || numbers.length === 0 || known.length < read.length) return undefined;
    const result = numbers.reduce((sum, number) => sum + valueOf(number), valueOf(total));
    return { numbers, result, total };
  },
  step: ({ numbers: [next], total, added, terms }) => {
    if (next === undefined) return `${valueOf(total)}${END}`;
    const sum = terms?.reduce((a, b) => a + b, 0);
    if (added === undefined) return sum === undefined ? `${total.units}+${next.units}=` : `${sum},`;
    return sum === undefined ? `${total.tens}+${next.tens}+${added.carry}=` : `${sum};`;
  },
  after: (state, step) => {
    const { numbers, added, terms } = state;
    if (numbers.length === 0) {
      const [sum] = numbersIn([number, END], step) ?? [];
      return sum === undefined
        ? undefined
        : { ...state, total: { tens: Math.floor(sum / 10), units: sum % 10 } };
    }
    if (terms === undefined) {
      const form = added === undefined
        ? [digit, "+", digit, "="]
        : [number, "+", digit, "+", digit, "="];
      const own = numbersIn(form, step);
      return own && { ...state, terms: own };
    }
    const [sum] = numbersIn([number, added === undefined ? "," : ";"], step) ?? [];
    if (sum === undefined) return undefined;
    if (added === undefined) {
      // A carry is one digit.
      const carry = Math.min(9, Math.floor(sum / 10));
      return { ...state, added: { units: sum % 10, carry }, terms: undefined };
    }
    const total = { tens: sum, units: added.units };
    return { ...state, numbers: numbers.slice(1), total, added: undefined, terms: undefined };
  },
  id: ({ numbers, total, added, terms }) =>
    [
      ...[numbers.length, valueOf(total)],
      ...added === undefined ? [] : [added.carry, added.units],
      ...terms === undefined ? [] : [terms.join("+")],
    ].join(":"),
  isSolved: ({ numbers, total, result }) => numbers.length === 0 && valueOf(total) === result,
});

const valueOf = ({ tens, units }: Parts): number => 10 * tens + units;

/** A place for a number that no right answer reaches: sums of what was written have room in it. */
const number = { kind: digits, most: 4 };

function numbersIn(form: Form, text: string): readonly number[] | undefined {
  return readForm(form, text)?.map(Number);
}
