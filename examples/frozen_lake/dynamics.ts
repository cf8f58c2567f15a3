/** The rules of the game as an exact table of transitions. */
import { actions, isTerminal, type Lake, neighbour } from "./lake.ts";

/** A possible outcome of a move. */
export interface Outcome {
  readonly probability: number;
  readonly next: number;
  /** 1 on entering the goal, otherwise 0. */
  readonly reward: number;
  /** Whether the game is over then. */
  readonly done: boolean;
}

/** The possible outcomes of each move in each cell: `transitions[cell][action]`. */
export type Transitions = readonly (readonly (readonly Outcome[])[])[];

/** A lake with its rules. */
export interface Game {
  readonly lake: Lake;
  /** Whether moves slip. */
  readonly slippery: boolean;
  readonly transitions: Transitions;
}

/**
 * A lake with its exact table of transitions, as in Gymnasium's FrozenLake-v1. On a slippery lake a
 * move goes in its own direction or to either side of it, with probability 1/3 each. A game that is
 * over stays where it is.
 *
 * @param lake The lake.
 * @param slippery Whether moves slip.
 * @returns The game.
 */
export function gameOf(lake: Lake, slippery: boolean): Game {
  const count = actions.length;
  const outcomes = (cell: number, action: number): Outcome[] => {
    if (isTerminal(lake, cell)) return [{ probability: 1, next: cell, reward: 0, done: true }];
    const moves = slippery
      ? [(action + count - 1) % count, action, (action + 1) % count]
      : [action];
    return moves.map((move) => {
      const next = neighbour(lake, cell, move);
      return {
        probability: 1 / moves.length,
        next,
        reward: lake.cells[next] === "G" ? 1 : 0,
        done: isTerminal(lake, next),
      };
    });
  };
  const transitions = lake.cells.map((_, cell) =>
    [...actions.keys()].map((action) => outcomes(cell, action))
  );
  return { lake, slippery, transitions };
}
