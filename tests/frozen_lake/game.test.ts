/** Maps, rules, planning, exact evaluation and search. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { randomStream, UserError } from "@unitune/training";
import fc from "fast-check";
import { gameOf } from "../../examples/frozen_lake/dynamics.ts";
import { evaluatePolicy, play, policyValues } from "../../examples/frozen_lake/evaluation.ts";
import {
  actions,
  decisionCells,
  isTerminal,
  maps,
  parseLake,
} from "../../examples/frozen_lake/lake.ts";
import {
  actionValues,
  greedyPolicy,
  policyIteration,
  valueIteration,
} from "../../examples/frozen_lake/planning.ts";
import { distancesToGoal, simplePaths, trajectoriesOf } from "../../examples/frozen_lake/search.ts";

const lakes = Object.entries(maps).map(([name, text]) => ({ name, lake: parseLake(text) }));
const games = lakes.flatMap(({ name, lake }) =>
  [false, true].map((slippery) => ({ name, game: gameOf(lake, slippery) }))
);
const letters = (moves: readonly number[]) => moves.map((move) => "LDRU"[move]).join("");

Deno.test("a map is read from text, and what is wrong with one is said", () => {
  const lake = parseLake("S F\nH G");
  assertEquals([lake.rows, lake.columns, lake.cells.join(""), lake.start], [2, 2, "SFHG", 0]);
  for (
    const [text, message] of [
      ["", "expected one start (S), got 0"],
      ["SF\nG", "row 2 has 1 cells, the first has 2"],
      ["SX\nFG", `"X" is no cell`],
      ["SS\nFG", "expected one start (S), got 2"],
      ["SF\nFF", "expected one goal (G), got 0"],
    ] as const
  ) assertThrows(() => parseLake(text), UserError, message);
});

Deno.test("the paper's map has 17 cells in which there is something to decide, and 7 holes", () => {
  const lake = parseLake(maps.paper);
  assertEquals(decisionCells(lake).length, 17);
  assertEquals(lake.cells.filter((kind) => kind === "H").length, 7);
});

Deno.test("it has exactly two simple paths to the goal, of 8 and 10 moves", () => {
  const lake = parseLake(maps.paper);
  const paths = [...simplePaths(lake)].map((path) => letters(path.actions));
  assertEquals(paths, ["DDDDRRRR", "RRRRDDLDDR"]);
  const { optimal, suboptimal } = trajectoriesOf(lake);
  assertEquals([letters(optimal.actions), letters(suboptimal.actions)], paths);
});

Deno.test("the trajectories of every map are games that reach the goal, the optimal one the shortest", () => {
  for (const { lake } of lakes) {
    const { optimal, suboptimal } = trajectoriesOf(lake);
    assertEquals(optimal.actions.length, distancesToGoal(lake)[lake.start]);
    assert(suboptimal.actions.length > optimal.actions.length);
    const { transitions } = gameOf(lake, false);
    for (const { actions, cells } of [optimal, suboptimal]) {
      assertEquals(new Set(cells).size, actions.length + 1);
      actions.forEach((action, t) =>
        assertEquals(transitions[cells[t] ?? -1]?.[action]?.[0]?.next, cells[t + 1])
      );
      assertEquals(lake.cells[cells.at(-1) ?? -1], "G");
    }
  }
});

Deno.test("a lake without a detour has nothing to reject", () => {
  assertThrows(() => trajectoriesOf(parseLake("SFG")), UserError, "nothing to reject");
  assertThrows(() => trajectoriesOf(parseLake("SHG")), UserError, "cannot be reached");
});

Deno.test("outcomes are distributions; who is over stays; a slip never goes back", () => {
  for (const { game: { lake, transitions, slippery } } of games) {
    transitions.forEach((row, cell) =>
      row.forEach((outcomes, action) => {
        assertAlmostEquals(outcomes.reduce((sum, { probability }) => sum + probability, 0), 1);
        if (isTerminal(lake, cell)) {
          assertEquals(outcomes, [{ probability: 1, next: cell, reward: 0, done: true }]);
        } else {
          assertEquals(outcomes.length, slippery ? 3 : 1);
          const opposite = transitions[cell]?.[(action + 2) % 4] ?? [];
          const middle = Math.floor(opposite.length / 2);
          const ahead = outcomes.map(({ next }) => next);
          const back = opposite[middle]?.next;
          // At an edge the way back may be no way at all, and end where a slip does.
          if (back !== cell) assert(!ahead.includes(back ?? -1));
        }
        for (const { next, reward, done } of outcomes) {
          assertEquals(done, isTerminal(lake, next));
          assertEquals(reward, !isTerminal(lake, cell) && lake.cells[next] === "G" ? 1 : 0);
        }
      })
    );
  }
});

// The rules are those of Gymnasium's FrozenLake-v1. On its slippery 4x4 map the best success is
// 14/17 = .8235; the value of the start at a discount of .99 is .5420 there and .4146 on the 8x8.
Deno.test("the optimal values are those known of Gymnasium's maps", () => {
  const start = (map: keyof typeof maps, gamma: number) => {
    const game = gameOf(parseLake(maps[map]), true);
    return valueIteration(game, { gamma })[game.lake.start] ?? NaN;
  };
  assertAlmostEquals(start("4x4", 1), 14 / 17, 1e-9);
  assertAlmostEquals(start("4x4", 0.99), 0.542, 5e-5);
  assertAlmostEquals(start("8x8", 0.99), 0.4146, 5e-5);
});

Deno.test("value iteration and policy iteration agree, and with the exact evaluation", () => {
  for (const { game } of games) {
    for (const gamma of [0.9, 0.99]) {
      const values = valueIteration(game, { gamma });
      const policy = policyIteration(game, { gamma });
      assertEquals(policy, greedyPolicy(actionValues(game, values, gamma)));
      const exact = policyValues(game, policy, gamma);
      // Value iteration stops 1e-12 short a sweep, at most 1e-12 / (1 - gamma) in all.
      exact.forEach((value, cell) => assertAlmostEquals(value, values[cell] ?? NaN, 1e-9));
    }
  }
});

Deno.test("without slipping the optimal value is the discount to the power of the moves left", () => {
  for (const { lake } of lakes) {
    const values = valueIteration(gameOf(lake, false), { gamma: 0.9 });
    const distances = distancesToGoal(lake);
    for (const cell of decisionCells(lake)) {
      assertAlmostEquals(values[cell] ?? NaN, 0.9 ** ((distances[cell] ?? NaN) - 1), 1e-9);
    }
  }
});

/** A policy of weights from 0.05 to 1. */
const policies = (cells: number) =>
  fc.array(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 4, maxLength: 4 }), {
    minLength: cells,
    maxLength: cells,
  }).map((rows) =>
    rows.map((row) => row.map((weight) => weight / row.reduce((sum, x) => sum + x, 0)))
  );

Deno.test("success, visits and reach satisfy the equations that define them", () => {
  const game = gameOf(parseLake(maps.paper), true);
  const { lake, transitions } = game;
  fc.assert(
    fc.property(policies(lake.cells.length), (policy) => {
      const { success, visits, reach } = evaluatePolicy(game, policy);
      const into = (cell: number) =>
        decisionCells(lake).reduce(
          (sum, from) =>
            sum + (visits[from] ?? 0) * actions.reduce((total, _, action) =>
                total + (policy[from]?.[action] ?? 0) *
                  (transitions[from]?.[action] ?? []).reduce((p, { next, probability }) =>
                    p + (next === cell ? probability : 0), 0), 0),
          0,
        );
      for (const cell of decisionCells(lake)) {
        assertAlmostEquals(visits[cell] ?? NaN, into(cell) + (cell === lake.start ? 1 : 0), 1e-9);
        assert((reach[cell] ?? NaN) <= Math.min(1, visits[cell] ?? 0) + 1e-9);
      }
      assertAlmostEquals(reach[lake.start] ?? NaN, 1, 1e-9);
      const ends = lake.cells.map((_, cell) => isTerminal(lake, cell) ? reach[cell] ?? 0 : 0);
      // A policy that may do anything comes to an end.
      assertAlmostEquals(ends.reduce((sum, p) => sum + p, 0), 1, 1e-9);
      assertAlmostEquals(reach[lake.cells.indexOf("G")] ?? NaN, success[lake.start] ?? NaN, 1e-9);
    }),
    { numRuns: 20 },
  );
});

Deno.test("games that are played come out as the exact evaluation says", () => {
  const game = gameOf(parseLake(maps["4x4"]), true);
  const policy = policyIteration(game, { gamma: 0.99 });
  const random = randomStream(1);
  const count = 2000;
  const games = Array.from({ length: count }, () => play(game, policy, random, 10_000));
  const won = games.reduce((sum, { reward }) => sum + reward, 0) / count;
  // Five deviations of a mean of 2000 games won with 14/17.
  assertAlmostEquals(won, evaluatePolicy(game, policy).success[0] ?? NaN, 5 * 0.0086);
  assertEquals(
    play(game, policy, randomStream(7), 100),
    play(game, policy, randomStream(7), 100),
  );
});

Deno.test("a policy that runs against a wall forever reaches nothing", () => {
  const game = gameOf(parseLake("SFG\nFFF"), false);
  const left = game.lake.cells.map(() => [1, 0, 0, 0]);
  const { success, reach } = evaluatePolicy(game, left);
  assertEquals(success, [0, 0, 1, 0, 0, 0]);
  assertEquals(reach, [1, 0, 0, 0, 0, 0]);
  // From the first cell down, and left at the wall.
  const lost = game.lake.cells.map((_, cell) => cell === 0 ? [0, 0.5, 0.5, 0] : [1, 0, 0, 0]);
  assertEquals(evaluatePolicy(game, lost).success[0], 0);
});
