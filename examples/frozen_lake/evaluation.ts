/** The evaluation of a policy: exactly, by linear systems over the cells, and by playing. */
import type { Random } from "@unitune/training";
import { inverse, Matrix } from "npm:ml-matrix@6";
import type { Game, Outcome } from "./dynamics.ts";
import { decisionCells, isTerminal } from "./lake.ts";

/** A policy as its transition matrix: `policy[cell][action]`, the probability of the move there. */
export type PolicyMatrix = readonly (readonly number[])[];

/** The exact evaluation of a policy. */
export interface PolicyEvaluation {
  /** The probability of ever reaching the goal from each cell; 1 in the goal itself. */
  readonly success: readonly number[];
  /**
   * The expected number of times that a game from the start is in each cell from which it can still
   * end.
   */
  readonly visits: readonly number[];
  /** The probability of ever being in each cell, from the start. */
  readonly reach: readonly number[];
}

/** The mean of a function of the outcomes of a policy's move in a cell. */
export function expected(
  { transitions }: Game,
  policy: PolicyMatrix,
  cell: number,
  of: (outcome: Outcome) => number,
): number {
  const ofMove = (outcomes: readonly Outcome[]) =>
    outcomes.reduce((sum, outcome) => sum + outcome.probability * of(outcome), 0);
  return (transitions[cell] ?? []).reduce(
    (sum, outcomes, action) => sum + (policy[cell]?.[action] ?? 0) * ofMove(outcomes),
    0,
  );
}

/** The probability of each cell to be the next one after a cell. */
function leadsTo({ lake, transitions }: Game, policy: PolicyMatrix, cell: number): number[] {
  const next = lake.cells.map(() => 0);
  transitions[cell]?.forEach((outcomes, action) => {
    const p = policy[cell]?.[action] ?? 0;
    for (const outcome of outcomes) {
      next[outcome.next] = (next[outcome.next] ?? 0) + p * outcome.probability;
    }
  });
  return next;
}

/** The cells from which a game may end under a policy; from the others it goes on forever. */
function endingCells(game: Game, policy: PolicyMatrix): ReadonlySet<number> {
  const ending = new Set(game.lake.cells.keys().filter((cell) => isTerminal(game.lake, cell)));
  for (let before = 0; before < ending.size;) {
    before = ending.size;
    for (const cell of game.lake.cells.keys()) {
      if (expected(game, policy, cell, ({ next }) => ending.has(next) ? 1 : 0) > 0) {
        ending.add(cell);
      }
    }
  }
  return ending;
}

/** The cells in which a game goes on and may end, under a policy. */
function passingCells(game: Game, policy: PolicyMatrix): readonly number[] {
  const ending = endingCells(game, policy);
  return decisionCells(game.lake).filter((cell) => ending.has(cell));
}

/**
 * The expected number of times that a game is in each cell, from each cell: `F = (I - gamma P)^-1`,
 * where P has the probabilities of moving from one cell to another (Kemeny and Snell, "Finite
 * Markov Chains", 1960). A cell in which the game is over, or from which it cannot end, is entered
 * and not left: its row of P is 0, so that I - P has an inverse.
 */
function countTimes(game: Game, policy: PolicyMatrix, gamma: number): Matrix {
  const system = Matrix.eye(game.lake.cells.length);
  for (const cell of passingCells(game, policy)) {
    leadsTo(game, policy, cell).forEach((probability, to) =>
      system.set(cell, to, system.get(cell, to) - gamma * probability)
    );
  }
  return inverse(system);
}

/** The expected reward of the next move from each cell. */
function returnsOf(game: Game, policy: PolicyMatrix, times: Matrix): number[] {
  const rewards = game.lake.cells.map((_, cell) =>
    expected(game, policy, cell, ({ reward }) => reward)
  );
  return times.mmul(Matrix.columnVector(rewards)).to1DArray();
}

/**
 * Evaluates a policy exactly. With `F[i][j]` the expected number of times in j from i, success is F
 * times the probability to enter the goal at the next move, and the probability to ever be in j is
 * `F[i][j] / F[j][j]`.
 *
 * @param game The game.
 * @param policy The policy.
 * @returns The policy's success, visits and reach.
 */
export function evaluatePolicy(game: Game, policy: PolicyMatrix): PolicyEvaluation {
  const { lake: { cells, start } } = game;
  const times = countTimes(game, policy, 1);
  const passing = new Set(passingCells(game, policy));
  return {
    success: returnsOf(game, policy, times).map((won, cell) => cells[cell] === "G" ? 1 : won),
    visits: cells.map((_, cell) => passing.has(cell) ? times.get(start, cell) : 0),
    reach: cells.map((_, cell) => times.get(start, cell) / times.get(cell, cell)),
  };
}

/**
 * The expected discounted return of a policy from each cell, exactly: `(I - gamma P)^-1 r`.
 *
 * @param game The game.
 * @param policy The policy.
 * @param gamma The discount.
 * @returns The values.
 */
export function policyValues(game: Game, policy: PolicyMatrix, gamma: number): number[] {
  return returnsOf(game, policy, countTimes(game, policy, gamma));
}

/** A game that was played. */
export interface Playout {
  /** The moves made. */
  readonly actions: readonly number[];
  /** The cells, the start first: one more than there are moves. */
  readonly cells: readonly number[];
  /** 1 if it ended in the goal. */
  readonly reward: number;
}

/** A draw from probabilities. */
function draw(random: Random, probabilities: readonly number[]): number {
  let left = random() * probabilities.reduce((sum, p) => sum + p, 0);
  const drawn = probabilities.findIndex((p) => (left -= p) < 0);
  return drawn < 0 ? probabilities.findLastIndex((p) => p > 0) : drawn;
}

/**
 * Plays a game by a policy.
 *
 * @param game The game.
 * @param policy The policy.
 * @param random The dice.
 * @param longest The most moves.
 * @returns The game.
 */
export function play(game: Game, policy: PolicyMatrix, random: Random, longest: number): Playout {
  const [moves, cells]: [number[], number[]] = [[], [game.lake.start]];
  for (let cell = game.lake.start; moves.length < longest;) {
    const move = draw(random, policy[cell] ?? []);
    const outcomes = game.transitions[cell]?.[move] ?? [];
    const outcome = outcomes[draw(random, outcomes.map(({ probability }) => probability))];
    if (outcome === undefined) break;
    moves.push(move);
    cells.push(outcome.next);
    if (outcome.done) return { actions: moves, cells, reward: outcome.reward };
    cell = outcome.next;
  }
  return { actions: moves, cells, reward: 0 };
}
