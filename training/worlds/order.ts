/**
 * Sorting step by step: `order 3142` is answered by `31 42 32`, the neighbours that change places.
 *
 * @module
 */

import { shuffled } from "../random.ts";
import { digit, digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/**
 * The world of sorting. A step is two digits that change places, where the one stands just before
 * the other; otherwise nothing moves. The state is the list that these moves have made. In the right
 * step, the digits are the first two neighbours in the wrong order. The difficulty is the number of
 * digits, no two of which are equal. An answer is right if it ends where the list is sorted.
 */
export const order: World = defineWorld<string>({
  name: "order",
  characters: digits,
  ends: " ",
  format: /^\d\d(?: \d\d)*$/,
  difficulty: { trained: [7, 7], longer: [8, 9] },
  draw: (random, length) => {
    const drawn = shuffled(random, digits).slice(0, length).join("");
    // As many moves as on average, at least: a list that is nearly sorted asks for little.
    return inversions(drawn) * 4 < length * (length - 1) ? [...drawn].reverse().join("") : drawn;
  },
  begin: (prompt) => {
    const [list] = readForm([numbers], prompt) ?? [];
    return list === undefined || new Set(list).size < list.length ? undefined : list;
  },
  step: (list) => {
    const at = firstInversion(list);
    return at === undefined ? END : swapping(list, at);
  },
  after: (list, step) => {
    if (step === END) return list;
    const [first, second] = readForm([digit, digit, step.endsWith(END) ? END : " "], step) ?? [];
    if (first === undefined || second === undefined) return undefined;
    const at = list.indexOf(first + second);
    return at === -1 ? list : swapped(list, at);
  },
  id: ranks,
  isSolved: (list) => firstInversion(list) === undefined,
  mistakes: (list) => neighbours(list).map((at) => swapping(list, at)),
});

/** A place for a list of digits. */
const numbers = { kind: digits, most: digits.length };

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

/** The step that swaps the digits at a place and the next one, with its end. */
function swapping(list: string, at: number): string {
  const end = firstInversion(swapped(list, at)) === undefined ? END : " ";
  return list.slice(at, at + 2) + end;
}

/** A list with the digits at a place and the next one swapped. */
function swapped(list: string, at: number): string {
  return list.slice(0, at) + list.charAt(at + 1) + list.charAt(at) + list.slice(at + 2);
}

/** The ranks of a list's digits: lists that are sorted by the same moves have the same ranks. */
function ranks(list: string): string {
  const sorted = [...list].sort();
  return [...list].map((own) => sorted.indexOf(own)).join("");
}
