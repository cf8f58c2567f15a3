/** What a policy is worth: exactly, by linear systems over the cells, and by playing. */
import type { Random } from "@unitune/training";
import type { Game, Outcome } from "./dynamics.ts";
import { decisionCells, isTerminal } from "./lake.ts";
import { dot, inverse } from "./linear.ts";

/** A policy as its transition matrix: `policy[cell][action]`, the probability of the move there. */
export type PolicyMatrix = readonly (readonly number[])[];

/** What a policy is worth from the start. */
export interface PolicyEvaluation {
  /** The probability to reach the goal from each cell, ever; 1 in the goal itself. */
  readonly success: readonly number[];
  /** How often a game from the start is in each cell that it can leave for its end, expected. */
  readonly visits: readonly number[];
  /** The probability to ever be in each cell, from the start. */
  readonly reach: readonly number[];
}

/** The mean of something of what comes of a policy's move in a cell. */
export function expected(
  { transitions }: Game,
  policy: PolicyMatrix,
  cell: number,
  of: (outcome: Outcome) => number,
): number {
  const ofMove = (outcomes: readonly Outcome[]) =>
    outcomes.reduce((sum, outcome) => sum + outcome.probability * of(outcome), 0);
  return dot(policy[cell] ?? [], (transitions[cell] ?? []).map(ofMove));
}

/** The probability of each cell to be next, from one cell. */
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

/** A vector over some cells as one over all, with 0 elsewhere. */
function spread(game: Game, cells: readonly number[], values: readonly number[]): number[] {
  const all = game.lake.cells.map(() => 0);
  cells.forEach((cell, i) => all[cell] = values[i] ?? 0);
  return all;
}

/** Visits of the cells in which the game goes on and may end, `(I - gamma P)^-1`. */
function countVisits(game: Game, policy: PolicyMatrix, gamma: number) {
  const ending = endingCells(game, policy);
  const cells = decisionCells(game.lake).filter((cell) => ending.has(cell));
  const leads = game.lake.cells.map((_, cell) => leadsTo(game, policy, cell));
  const left = cells.map((cell, i) =>
    cells.map((to, j) => (i === j ? 1 : 0) - gamma * (leads[cell]?.[to] ?? 0))
  );
  return { cells, leads, visits: inverse(left) };
}

/** What is won from each cell. */
function returnsOf(
  game: Game,
  policy: PolicyMatrix,
  cells: readonly number[],
  visits: readonly (readonly number[])[],
): number[] {
  const rewards = cells.map((cell) => expected(game, policy, cell, ({ reward }) => reward));
  return spread(game, cells, visits.map((row) => dot(row, rewards)));
}

/**
 * Evaluates a policy exactly. With P the probabilities to go from one cell in which the game goes
 * on to another, `F = (I - P)^-1` counts visits: `F[i][j]` is the expected number of times in j from
 * i (Kemeny and Snell, "Finite Markov Chains", 1960). Success is F times the probability to enter
 * the goal; the probability to ever be in j is `F[i][j] / F[j][j]`. Cells from which a game cannot end
 * are no part of P: nothing is won there.
 *
 * @param game The game.
 * @param policy The policy.
 * @returns What it is worth.
 */
export function evaluatePolicy(game: Game, policy: PolicyMatrix): PolicyEvaluation {
  const { lake } = game;
  const { cells, leads, visits: total } = countVisits(game, policy, 1);
  const success = returnsOf(game, policy, cells, total);
  lake.cells.forEach((kind, cell) => {
    if (kind === "G") success[cell] = 1;
  });
  const from = cells.indexOf(lake.start);
  const visits = spread(game, cells, total[from] ?? []);
  const reach = spread(
    game,
    cells,
    cells.map((_, j) => (total[from]?.[j] ?? 0) / (total[j]?.[j] ?? 1)),
  );
  if (from < 0) reach[lake.start] = 1;
  // What is entered from the cells where games go on: a terminal cell, or one of no return.
  lake.cells.forEach((_, cell) => {
    if (cells.includes(cell)) return;
    const entered = cells.map((other) => (visits[other] ?? 0) * (leads[other]?.[cell] ?? 0));
    reach[cell] = Math.max(reach[cell] ?? 0, entered.reduce((sum, p) => sum + p, 0));
  });
  return { success, visits, reach };
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
  const { cells, visits } = countVisits(game, policy, gamma);
  return returnsOf(game, policy, cells, visits);
}

/** A game that was played. */
export interface Playout {
  /** The moves that were made. */
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
 * @returns What happened.
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
