/** Trajectories to the goal, found by search. */
import { UserError } from "@unitune/training";
import { actions, isTerminal, type Lake, neighbour } from "./lake.ts";

/** A path through the lake. */
export interface Trajectory {
  /** The moves. */
  readonly actions: readonly number[];
  /** The cells, from the start to the goal: one more than the moves. */
  readonly cells: readonly number[];
}

/**
 * The number of moves from each cell to the goal if no move slips; Infinity if there is no path.
 */
export function distancesToGoal(lake: Lake): readonly number[] {
  const distances = lake.cells.map((kind) => kind === "G" ? 0 : Infinity);
  for (let changed = true; changed;) {
    changed = false;
    lake.cells.forEach((_, cell) => {
      if (isTerminal(lake, cell)) return;
      const steps = actions.map((_, action) => 1 + (distances[neighbour(lake, cell, action)] ?? 0));
      // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
      const least = Math.min(...steps);
      if (least < (distances[cell] ?? 0)) {
        distances[cell] = least;
        changed = true;
      }
    });
  }
  return distances;
}

/**
 * The simple paths from start to goal, which visit no cell twice, up to a length. Branches too far
 * from the goal are cut.
 *
 * @param lake The lake.
 * @param longest The most moves.
 */
export function* simplePaths(lake: Lake, longest = Infinity): Generator<Trajectory> {
  const distances = distancesToGoal(lake);
  function* from(path: Trajectory): Generator<Trajectory> {
    const cell = path.cells.at(-1) ?? lake.start;
    if (lake.cells[cell] === "G") return yield path;
    for (const action of actions.keys()) {
      const next = neighbour(lake, cell, action);
      const least = path.actions.length + 1 + (distances[next] ?? Infinity);
      if (least > longest || least === Infinity || path.cells.includes(next)) continue;
      yield* from({ actions: [...path.actions, action], cells: [...path.cells, next] });
    }
  }
  yield* from({ actions: [], cells: [lake.start] });
}

/** The trajectories that demonstrations and pairs are made of. */
export interface Trajectories {
  /** A shortest simple path, the first by the order of moves. */
  readonly optimal: Trajectory;
  /** A shortest one of the longer paths. */
  readonly suboptimal: Trajectory;
}

/**
 * The optimal and the sub-optimal trajectory.
 *
 * @throws {UserError} If the lake has no such pair.
 */
export function trajectoriesOf(lake: Lake): Trajectories {
  const least = distancesToGoal(lake)[lake.start] ?? Infinity;
  if (least === Infinity) throw new UserError("the goal cannot be reached from the start");
  const [optimal] = simplePaths(lake, least);
  for (let longest = least + 1; longest <= lake.cells.length; longest++) {
    for (const path of simplePaths(lake, longest)) {
      if (optimal !== undefined && path.actions.length > least) {
        return { optimal, suboptimal: path };
      }
    }
  }
  throw new UserError(
    "there is no way to the goal that is longer than the shortest and visits no cell twice, " +
      "so there is nothing to reject",
  );
}
