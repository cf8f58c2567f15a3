/** A frozen lake as text: the places of the start, the goal, the holes and the ice. */
import { UserError } from "@unitune/training";

/** The kind of a cell: start, frozen, hole or goal. */
export type CellKind = "S" | "F" | "H" | "G";

/** The moves, in Gymnasium's order. */
export const actions = ["left", "down", "right", "up"] as const;

/** The change of row and column by each move. */
const directions: readonly (readonly [row: number, column: number])[] = [
  [0, -1],
  [1, 0],
  [0, 1],
  [-1, 0],
];

/** A lake. Cells are numbered row by row. */
export interface Lake {
  readonly rows: number;
  readonly columns: number;
  readonly cells: readonly CellKind[];
  /** The cell where every game starts. */
  readonly start: number;
}

/** The named maps: the one of arXiv 2405.11870, figure 3, and Gymnasium's. */
export const maps = {
  "paper": `
    SFFFF
    FHHHF
    FHFFF
    FHHFH
    FFFFG`,
  "4x4": `
    SFFF
    FHFH
    FFFH
    HFFG`,
  "8x8": `
    SFFFFFFF
    FFFFFFFF
    FFFHFFFF
    FFFFFHFF
    FFFHFFFF
    FHHFFFHF
    FHFFHFHF
    FFFHFFFG`,
} as const;

/** The name of a map. */
export type MapName = keyof typeof maps;

function isKind(letter: string): letter is CellKind {
  return /^[SFHG]$/.test(letter);
}

/**
 * The lake that a text draws: a line for each row, of the letters S, F, H and G; spaces between
 * them and around lines are ignored.
 *
 * @param text The text.
 * @param source The name of the text in errors.
 * @returns The lake.
 * @throws {UserError} If it draws none.
 */
export function parseLake(text: string, source = "the map"): Lake {
  const lines = text.split("\n").map((line) => line.replace(/\s/g, ""));
  const first = lines.findIndex((line) => line !== "");
  const rows = lines.slice(Math.max(first, 0)).filter((line) => line !== "");
  const [columns = 0] = rows.map((row) => row.length);
  rows.forEach((row, i) => {
    if (row.length !== columns) {
      throw new UserError(
        `${source}: row ${i + 1} has ${row.length} cells, the first has ${columns}; ` +
          `make all rows equally long`,
      );
    }
  });
  const letters = rows.join("").split("");
  const cells = letters.filter(isKind);
  const odd = letters.find((letter) => !isKind(letter));
  if (odd !== undefined) {
    throw new UserError(
      `${source}: ${JSON.stringify(odd)} is no cell; use S (start), F (frozen), H (hole), G (goal)`,
    );
  }
  for (const [kind, name] of [["S", "start"], ["G", "goal"]] as const) {
    const count = cells.filter((cell) => cell === kind).length;
    if (count !== 1) {
      throw new UserError(`${source}: expected one ${name} (${kind}), got ${count}`);
    }
  }
  return { rows: rows.length, columns, cells, start: cells.indexOf("S") };
}

/** Whether the game ends in a cell. */
export function isTerminal({ cells }: Lake, cell: number): boolean {
  return cells[cell] === "H" || cells[cell] === "G";
}

/** The cells in which a move is chosen: start and ice. */
export function decisionCells(lake: Lake): readonly number[] {
  return lake.cells.flatMap((_, cell) => isTerminal(lake, cell) ? [] : [cell]);
}

/** The cell that a move leads to if it does not slip; at the edge it stays. */
export function neighbour({ rows, columns }: Lake, cell: number, action: number): number {
  const [down = 0, right = 0] = directions[action] ?? [];
  const row = Math.floor(cell / columns) + down;
  const column = cell % columns + right;
  const isInside = row >= 0 && row < rows && column >= 0 && column < columns;
  return isInside ? row * columns + column : cell;
}

/** Row and column of a cell, from 1, as they are shown. */
export function placeOf({ columns }: Lake, cell: number): string {
  return `(${Math.floor(cell / columns) + 1}, ${cell % columns + 1})`;
}
