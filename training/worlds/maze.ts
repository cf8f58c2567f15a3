/**
 * Path finding by moves in a maze that all prompts share: `maze a1 c1 c3` is answered by `RRDD`.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";
import { digits, readForm } from "./forms.ts";
import { defineWorld, END, type World } from "./world.ts";

/** The maze: the rows from 1 downward, the columns from a to the right; # is a wall. */
const map = [
  ".......",
  ".#.#.#.",
  ".......",
  ".#.#.#.",
  ".......",
  ".#.#.#.",
  ".......",
] as const;

/** A cell, as its column and its row. */
type Cell = readonly [number, number];

/** The moves, in the order in which the right one is looked for. */
const moves = { R: [1, 0], L: [-1, 0], D: [0, 1], U: [0, -1] } as const;
type Move = keyof typeof moves;
const letters: readonly Move[] = ["R", "L", "D", "U"];
const isMove = (text: string): text is Move => letters.some((letter) => letter === text);

/** Where a walk stands. */
interface Walk {
  readonly at: Cell;
  /** The goals that were not reached yet, in their order. */
  readonly goals: readonly Cell[];
}

/**
 * The world of walks through a maze. A step is one move; a move against a wall or an edge leaves
 * everything as it was. The state is the cell and the goals ahead, the next of which is ticked off
 * where the walk reaches it. The right move is the first of right, left, down and up that leads
 * nearer. The difficulty is the number of goals. An answer is right if it ends where all goals have
 * been reached, whatever the way.
 */
export const maze: World = defineWorld<Walk>({
  name: "maze",
  characters: `abcdefg${digits}RLDU`,
  ends: "RLDU",
  format: /^[RLDU]+$/,
  difficulty: { trained: [5, 6], longer: [7, 8] },
  draw: (random, goals) => {
    const walk: Cell[] = [drawCell(random)];
    while (walk.length <= goals) {
      const next = drawCell(random);
      if (nameOf(next) !== nameOf(walk.at(-1) ?? next)) walk.push(next);
    }
    return walk.map(nameOf).join(" ");
  },
  begin: (prompt) => {
    const [at, ...goals] = prompt.split(" ").map(cellNamed);
    const known = goals.flatMap((goal) => goal === undefined ? [] : [goal]);
    return at === undefined || known.length < goals.length ? undefined : arrived(at, known);
  },
  step: ({ at, goals: [goal] }) => {
    if (goal === undefined) return END;
    const here = distance(at, goal);
    return letters.find((letter) => distance(moved(at, letter), goal) < here) ?? END;
  },
  after: ({ at, goals }, step) => {
    if (step === END) return { at, goals };
    return isMove(step) ? arrived(moved(at, step), goals) : undefined;
  },
  id: ({ at, goals: [goal] }) => `${nameOf(at)}${goal === undefined ? "" : nameOf(goal)}`,
  isSolved: ({ goals }) => goals.length === 0,
  mistakes: () => letters,
});

/** A walk at a cell, without the goals that it has reached there. */
function arrived(at: Cell, goals: readonly Cell[]): Walk {
  const [goal, ...others] = goals;
  return goal !== undefined && nameOf(goal) === nameOf(at) ? arrived(at, others) : { at, goals };
}

function isOpen([column, row]: Cell): boolean {
  return map[row]?.charAt(column) === ".";
}

function moved(at: Cell, move: Move): Cell {
  const [right, down] = moves[move];
  const next = [at[0] + right, at[1] + down] as const;
  return isOpen(next) ? next : at;
}

const columns = "abcdefg";

function nameOf([column, row]: Cell): string {
  return `${columns.charAt(column)}${row + 1}`;
}

function cellNamed(name: string): Cell | undefined {
  const [column, row] = readForm([{ kind: columns, most: 1 }, { kind: digits, most: 1 }], name) ??
    [];
  if (column === undefined || row === undefined) return undefined;
  const cell = [columns.indexOf(column), Number(row) - 1] as const;
  return isOpen(cell) ? cell : undefined;
}

const cells: readonly Cell[] = map.flatMap((line, row) =>
  [...line].flatMap((_, column): Cell[] => isOpen([column, row]) ? [[column, row]] : [])
);

function drawCell(random: Random): Cell {
  return cells[integerFrom(random, 0, cells.length - 1)] ?? [0, 0];
}

/** The moves from every cell to every goal. */
const distances: ReadonlyMap<string, number> = new Map(cells.flatMap(distancesTo));

/** Breadth-first search from a goal outward; moves lead both ways. */
function distancesTo(goal: Cell): [string, number][] {
  const found = new Map([[nameOf(goal), 0]]);
  let edge: readonly Cell[] = [goal];
  for (let far = 1; edge.length > 0; far++) {
    const next: Cell[] = [];
    for (const cell of edge) {
      for (const beyond of letters.map((letter) => moved(cell, letter))) {
        if (found.has(nameOf(beyond))) continue;
        found.set(nameOf(beyond), far);
        next.push(beyond);
      }
    }
    edge = next;
  }
  return [...found].map(([name, far]) => [`${name}${nameOf(goal)}`, far]);
}

function distance(from: Cell, to: Cell): number {
  return distances.get(`${nameOf(from)}${nameOf(to)}`) ?? Infinity;
}
