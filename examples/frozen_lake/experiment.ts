/** Every method on one game under one setting, over seeds, measured exactly. */
import { meanOf } from "@unitune/cli/statistics";
import type { Game } from "./dynamics.ts";
import { evaluatePolicy, type PolicyMatrix } from "./evaluation.ts";
import { actions, decisionCells, isTerminal, neighbour } from "./lake.ts";
import type { Method } from "./methods.ts";
import { actionValues, greedyPolicy, valueIteration } from "./planning.ts";
import { type Trajectories, trajectoriesOf } from "./search.ts";
import { type Moment, parameterisedOptimum, type Setting, startOf } from "./training.ts";

/** The problem that methods are compared on. */
export interface Problem {
  readonly game: Game;
  readonly trajectories: Trajectories;
  readonly setting: Setting;
  /** The optimal state-action matrix. */
  readonly optimal: PolicyMatrix;
  /** The optimal parameterised policy, to which distances are measured. */
  readonly optimum: PolicyMatrix;
}

/** The number of seeds and steps. */
export interface Budget {
  readonly seeds: readonly number[];
  readonly steps: number;
}

/** The discount, by which a shorter path is better. */
export const DISCOUNT = 0.99;

/**
 * A game with the data for training on it.
 *
 * @param game The game.
 * @param setting Policy and optimizer.
 * @returns The problem.
 */
export async function problemOf(game: Game, setting: Setting): Promise<Problem> {
  const values = valueIteration(game, { gamma: DISCOUNT });
  const optimal = greedyPolicy(actionValues(game, values, DISCOUNT));
  return {
    game,
    setting,
    optimal,
    trajectories: trajectoriesOf(game.lake),
    optimum: await parameterisedOptimum(game, setting, optimal),
  };
}

/**
 * The distance of two policies: the mean square of the difference of their transition matrices, over
 * cells and moves.
 *
 * @param a One.
 * @param b The other.
 * @param cells The cells.
 * @returns The distance; NaN where there are no cells.
 */
export function distance(a: PolicyMatrix, b: PolicyMatrix, cells: readonly number[]): number {
  return meanOf(
    cells.flatMap((cell) =>
      (a[cell] ?? []).map((p, action) => (p - (b[cell]?.[action] ?? NaN)) ** 2)
    ),
  );
}

/** The cells of a problem, grouped by the trajectories that pass them. */
export interface CellGroups {
  /** The cells in which the optimal trajectory moves. */
  readonly optimal: readonly number[];
  /** The cells in which only the sub-optimal one moves. */
  readonly suboptimal: readonly number[];
  /** The other cells. */
  readonly others: readonly number[];
}

/** The cells of a problem in which a move is chosen, grouped by the trajectories that pass them. */
export function cellGroups({ game, trajectories }: Problem): CellGroups {
  const { optimal, suboptimal } = trajectories;
  const cells = decisionCells(game.lake);
  const isOn = (path: readonly number[]) => (cell: number) => path.includes(cell);
  const off = cells.filter((cell) => !isOn(optimal.cells)(cell));
  return {
    optimal: cells.filter(isOn(optimal.cells)),
    suboptimal: off.filter(isOn(suboptimal.cells)),
    others: off.filter((cell) => !isOn(suboptimal.cells)(cell)),
  };
}

/**
 * The cells off the optimal trajectory to which one wrong step from it leads, and where the game is
 * not over.
 */
export function afterWrongStep(
  { lake }: Game,
  { optimal }: Trajectories,
): readonly number[] {
  const next = optimal.actions.flatMap((_, t) =>
    [...actions.keys()].map((move) => neighbour(lake, optimal.cells[t] ?? lake.start, move))
  );
  return [...new Set(next)].filter((cell) =>
    !isTerminal(lake, cell) && !optimal.cells.includes(cell)
  );
}

/** A policy at some step, with its evaluation. */
export interface Snapshot {
  readonly step: number;
  readonly matrix: PolicyMatrix;
  /** The probability of reaching the goal, from the start and from each cell. */
  readonly success: number;
  readonly successFrom: readonly number[];
  /** The probability of ever being in each cell. */
  readonly reach: readonly number[];
  /** The mean probability of reaching the goal after one wrong step. */
  readonly recovery: number;
  /**
   * The success that teacher forcing measures: the mean probability of the optimal trajectory's
   * next move.
   */
  readonly teacherForced: number;
  /** The probability of making all moves of the optimal trajectory. */
  readonly pathProbability: number;
}

/** One training. */
export interface Run {
  readonly seed: number;
  /** The distance before and after each step. */
  readonly distances: readonly number[];
  /** The step of the least distance, and the policy there. */
  readonly best: Snapshot;
  readonly last: Snapshot;
  /** The policy every {@linkcode SNAPSHOT_EVERY} steps, the first and the last included. */
  readonly snapshots: readonly Snapshot[];
  /** The number of distinct cells that were read. */
  readonly explored: number;
  /**
   * The overlap of the cells that are read and the cells that the policy visits, 0 to 1; see
   * {@linkcode closenessOf}.
   */
  readonly closeness: number;
}

/** The runs of one method. */
export interface MethodRuns {
  readonly method: Method;
  readonly runs: readonly Run[];
}

/** The number of steps between two snapshots. */
export const SNAPSHOT_EVERY = 10;

/** A policy with its evaluation. */
export function snapshotOf(
  { game, trajectories }: Problem,
  step: number,
  matrix: PolicyMatrix,
): Snapshot {
  const { success, reach } = evaluatePolicy(game, matrix);
  const { actions, cells } = trajectories.optimal;
  const moves = actions.map((action, t) => matrix[cells[t] ?? -1]?.[action] ?? NaN);
  return {
    step,
    matrix,
    success: success[game.lake.start] ?? NaN,
    successFrom: success,
    reach,
    recovery: meanOf(afterWrongStep(game, trajectories).map((cell) => success[cell] ?? NaN)),
    teacherForced: meanOf(moves),
    pathProbability: moves.reduce((product, p) => product * p, 1),
  };
}

/**
 * The overlap of the states that a method reads and the states that the policy visits: 1 less the
 * total variation distance between the distribution of the cells that are read and the distribution
 * of the cells in games of the policy (the exact expected share of their moves).
 */
function closenessOf({ game }: Problem, { matrix }: Moment, read: Moment["read"]): number {
  const { visits } = evaluatePolicy(game, matrix);
  const total = visits.reduce((sum, x) => sum + x, 0);
  const weight = read.reduce((sum, reading) => sum + reading.weight, 0);
  const asked = visits.map(() => 0);
  for (const reading of read) {
    asked[reading.cell] = (asked[reading.cell] ?? 0) + reading.weight / weight;
  }
  return visits.reduce((sum, x, cell) => sum + Math.min(x / total, asked[cell] ?? 0), 0);
}

/** One training, measured. */
async function runOf(
  problem: Problem,
  moments: AsyncIterable<Moment>,
  seed: number,
  steps: number,
  onStep: () => void,
): Promise<Run> {
  const { game, optimum } = problem;
  const cells = decisionCells(game.lake);
  const distances: number[] = [];
  const snapshots: Snapshot[] = [];
  const explored = new Set<number>();
  const near: number[] = [];
  let best: { readonly step: number; readonly moment: Moment; readonly now: number } | undefined;
  let before: Moment | undefined;
  for await (const moment of moments) {
    const step = distances.length;
    const now = distance(moment.matrix, optimum, cells);
    if (best === undefined || now < best.now) best = { step, moment, now };
    distances.push(now);
    moment.read.forEach(({ cell }) => explored.add(cell));
    if (step % SNAPSHOT_EVERY === 0 || step === steps) {
      snapshots.push(snapshotOf(problem, step, moment.matrix));
    }
    if (before !== undefined && step % SNAPSHOT_EVERY === 1) {
      near.push(closenessOf(problem, before, moment.read));
    }
    before = moment;
    if (step > 0) onStep();
  }
  const last = snapshots.at(-1);
  if (best === undefined || last === undefined) throw new Error("a training without a moment");
  return {
    seed,
    distances,
    best: snapshotOf(problem, best.step, best.moment.matrix),
    last,
    snapshots,
    explored: explored.size,
    closeness: meanOf(near),
  };
}

/**
 * Trains by a method from the start of every seed: all methods have the same starts.
 *
 * @param problem The problem.
 * @param method The method.
 * @param budget Seeds and steps.
 * @param onStep Called after each step.
 * @returns The runs.
 */
export async function runMethod(
  problem: Problem,
  method: Method,
  { seeds, steps }: Budget,
  onStep: () => void = () => {},
): Promise<MethodRuns> {
  const { game, trajectories, setting } = problem;
  using trainer = method.trainer(game, trajectories, setting);
  const runs: Run[] = [];
  for (const seed of seeds) {
    const moments = trainer.train(startOf(game, setting, seed), seed, steps);
    runs.push(await runOf(problem, moments, seed, steps, onStep));
  }
  return { method, runs };
}
