/**
 * Sorting step by step: `order 3142` is answered by `1342 1324 1234`.
 *
 * @module
 */

import { shuffled } from "../random.ts";
import { digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** Where a sorting stands. */
interface Sorting {
  /** The digits as they were written last. */
  readonly list: string;
  /** Whether each step so far has swapped two neighbours. */
  readonly isLegal: boolean;
}

/**
 * The world of sorting. A step is the whole list after two neighbours were swapped: in the right
 * step, the first two that are in the wrong order. The state is the list that was written, even if
 * its digits are not those of the prompt. The difficulty is the number of digits. An answer is right
 * if each step swaps two neighbours and the last list is sorted.
 */
export const order: World = defineWorld<Sorting>({
  name: "order",
  characters: digits,
  ends: " ",
  format: /^\d+(?: \d+)*$/,
  difficulty: { trained: [5, 5], longer: [6, 7] },
  draw: (random, length) => {
    const drawn = shuffled(random, digits).slice(0, length).join("");
    // As many swaps as on average, at least: a list that is nearly sorted asks for nothing.
    return inversions(drawn) * 4 < length * (length - 1) ? [...drawn].reverse().join("") : drawn;
  },
  begin: (prompt) => {
    const [list] = readForm([numbers], prompt) ?? [];
    return list === undefined ? undefined : { list, isLegal: true };
  },
  step: ({ list }) => {
    const next = swapped(list, firstInversion(list));
    return `${next}${firstInversion(next) === undefined ? END : " "}`;
  },
  after: ({ list, isLegal }, step) => {
    const [next] = readForm([numbers, step.endsWith(END) ? END : " "], step) ?? [];
    if (next === undefined) return undefined;
    return {
      list: next,
      isLegal: isLegal && neighbours(list).some((i) => swapped(list, i) === next),
    };
  },
  id: ({ list }) => ranks(list),
  isSolved: ({ list, isLegal }) => isLegal && firstInversion(list) === undefined,
  mistakes: ({ list }) =>
    neighbours(list).map((i) => {
      const next = swapped(list, i);
      return `${next}${firstInversion(next) === undefined ? END : " "}`;
    }),
});

/** A place for a list of digits. */
const numbers = { kind: digits, most: 12 };

/** The places of all digits that another one follows. */
const neighbours = (list: string): readonly number[] => [...list.slice(1)].map((_, i) => i);

/** The first place whose digit is greater than the next one; undefined in a sorted list. */
function firstInversion(list: string): number | undefined {
  return neighbours(list).find((i) => list.charAt(i) > list.charAt(i + 1));
}

/** The pairs of digits that are in the wrong order: as many swaps sort the list. */
function inversions(list: string): number {
  return [...list].reduce(
    (count, own, i) => count + [...list.slice(i + 1)].filter((other) => own > other).length,
    0,
  );
}

/** A list with the digits at a place and the next one swapped; the list itself without a place. */
function swapped(list: string, at: number | undefined): string {
  if (at === undefined) return list;
  return list.slice(0, at) + list.charAt(at + 1) + list.charAt(at) + list.slice(at + 2);
}

/** The ranks of a list's digits: lists that are sorted by the same swaps have the same ranks. */
function ranks(list: string): string {
  const sorted = [...new Set(list)].sort();
  return [...list].map((own) => sorted.indexOf(own)).join("");
}
