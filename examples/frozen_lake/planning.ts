/** Classical reinforcement learning: optimal policies from the exact rules. */
import type { Game } from "./dynamics.ts";
import { type PolicyMatrix, policyValues } from "./evaluation.ts";
import { actions, isTerminal } from "./lake.ts";

/**
 * The value of each move in each cell: `Q[s][a] = sum_s' p (r + gamma V[s'])`.
 *
 * @param game The game.
 * @param values V, for each cell.
 * @param gamma The discount.
 * @returns Q.
 */
export function actionValues(
  { transitions, lake }: Game,
  values: readonly number[],
  gamma: number,
): number[][] {
  return transitions.map((outcomes, cell) =>
    outcomes.map((ends) =>
      isTerminal(lake, cell) ? 0 : ends.reduce(
        (sum, { probability, next, reward, done }) =>
          sum + probability * (reward + (done ? 0 : gamma * (values[next] ?? 0))),
        0,
      )
    )
  );
}

/** The options of planning. */
export interface PlanningOptions {
  /** The discount. At 1 the value of a cell is the probability of ever reaching the goal. */
  readonly gamma: number;
  /** Sweeps end when no value changes by more (default 1e-12). */
  readonly tolerance?: number;
}

/**
 * The optimal values by value iteration (Bellman, 1957), from 0 up: `V <- max_a Q[s][a]`.
 *
 * @param game The game.
 * @param options Discount and tolerance.
 * @returns V, for each cell.
 */
export function valueIteration(
  game: Game,
  { gamma, tolerance = 1e-12 }: PlanningOptions,
): number[] {
  let values = game.lake.cells.map(() => 0);
  for (let change = Infinity; change > tolerance;) {
    // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
    const next = actionValues(game, values, gamma).map((row) => Math.max(...row));
    // deno-lint-ignore unitune/no-spread-of-data -- the cells of the lake
    change = Math.max(...next.map((value, cell) => Math.abs(value - (values[cell] ?? 0))));
    values = next;
  }
  return values;
}

/**
 * The largest difference between two moves' values that counts as equal, relative to the better.
 */
const TIE = 1e-9;

/**
 * The best moves of each cell, with equal probabilities where several are best, and where the game
 * is over or lost.
 *
 * @param values Q.
 * @returns The policy.
 */
export function greedyPolicy(values: readonly (readonly number[])[]): number[][] {
  return values.map((row) => {
    // deno-lint-ignore unitune/no-spread-of-data -- the actions of the game
    const best = Math.max(...row);
    const isBest = row.map((value) => value >= best - TIE * Math.abs(best) ? 1 : 0);
    const count = isBest.reduce<number>((sum, x) => sum + x, 0);
    return isBest.map((x) => x / count);
  });
}

/**
 * An optimal policy by policy iteration (Howard, 1960): each policy is evaluated exactly, and made
 * greedy, until it no longer changes.
 *
 * @param game The game.
 * @param options The discount, below 1.
 * @returns The policy, with all moves that are equally good.
 */
export function policyIteration(game: Game, { gamma }: PlanningOptions): PolicyMatrix {
  let policy: PolicyMatrix = game.lake.cells.map(() => actions.map(() => 1 / actions.length));
  for (let sweep = 0; sweep < 1000; sweep++) {
    const values = policyValues(game, policy, gamma);
    const next = greedyPolicy(actionValues(game, values, gamma));
    if (String(next) === String(policy)) return policy;
    policy = next;
  }
  throw new Error("policyIteration: no end after 1000 sweeps");
}
