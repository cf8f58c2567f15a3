/** Policies in the game: what they are, how they are trained, and what is measured of them. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { key, tensor } from "@unitune/core";
import {
  cellGroups,
  distance,
  type MethodRuns,
  problemOf,
  runMethod,
  snapshotOf,
} from "../../examples/frozen_lake/experiment.ts";
import { gameOf } from "../../examples/frozen_lake/dynamics.ts";
import { bestDistance, claims, findingsOf, verdictOf } from "../../examples/frozen_lake/claims.ts";
import { decisionCells, maps, neighbour, parseLake } from "../../examples/frozen_lake/lake.ts";
import { demonstrationsOf, methods } from "../../examples/frozen_lake/methods.ts";
import { environmentOf, matrixOf } from "../../examples/frozen_lake/policy.ts";
import { gridLines } from "../../examples/frozen_lake/view.ts";

const lake = parseLake(maps.paper);
const setting = {
  width: 32,
  activation: "relu",
  input: "cell",
  optimizer: "adam",
  learningRate: 0.01,
} as const;
const problem = await problemOf(gameOf(lake, false), setting);

function methodNamed(name: string) {
  const method = methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(name);
  return method;
}

/** One run of a method. */
async function run(name: string, steps: number) {
  const { runs } = await runMethod(problem, methodNamed(name), { seeds: [3], steps });
  const [only] = runs;
  if (only === undefined) throw new Error(name);
  return only;
}

Deno.test("the optimal parameterised policy holds the optimal matrix", () => {
  // 400 steps leave less than a hundredth of a probability.
  assert(distance(problem.optimum, problem.optimal, decisionCells(lake)) < 1e-4);
});

Deno.test("the environment answers as the table of transitions does", async () => {
  const cells = decisionCells(lake);
  const observed = tensor(cells.flatMap((cell) => [cell, cell, cell, cell]), { dtype: "i32" });
  const moves = tensor(cells.flatMap(() => [0, 1, 2, 3]), { dtype: "i32" });
  const expected = cells.flatMap((cell) => [0, 1, 2, 3].map((move) => neighbour(lake, cell, move)));
  for (const slippery of [false, true]) {
    const game = gameOf(lake, slippery);
    const next = await environmentOf(game)(observed, moves, {}).data();
    assertEquals([...next], expected);
    const drawn = await environmentOf(game)(observed, moves, { key: key(5) }).data();
    const slips = [...drawn].filter((cell, i) => cell !== expected[i]).length;
    assertEquals(slips > 0, slippery);
    drawn.forEach((cell, i) => {
      const from = cells[Math.floor(i / 4)] ?? -1;
      assert(game.transitions[from]?.[i % 4]?.some((outcome) => outcome.next === cell));
    });
  }
});

Deno.test("a trajectory is read in its cells, and its moves are learned", async () => {
  const { ids, mask, observations } = demonstrationsOf([problem.trajectories.optimal]);
  assertEquals([...await ids.data()], [0, 1, 1, 1, 1, 2, 2, 2, 2]);
  assertEquals([...await mask.data()], [0, 1, 1, 1, 1, 1, 1, 1, 1]);
  assertEquals([...await observations?.data() ?? []], [0, 5, 10, 15, 20, 21, 22, 23, 24]);
});

Deno.test("a matrix of logits has rows that sum to 1, however large they are", () => {
  const [row = []] = matrixOf([1000, 0, -1000, 1000]);
  assertEquals(row, [0.5, 0, 0, 0.5]);
});

Deno.test("gamma 0 is no propagation, lambda 0 reads no own states, and both parts matter", async () => {
  const [supervised, without] = [await run("SFT", 30), await run("IFT l=0", 30)];
  const none = await run("IFT none", 30);
  const off = await run("IFT g=0", 30);
  assertEquals(off.distances, none.distances);
  // Propagation alone, and the mix alone, are something else.
  assert(Math.abs((without.distances[30] ?? 0) - (supervised.distances[30] ?? 0)) > 1e-4);
  assert(Math.abs((none.distances[30] ?? 0) - (supervised.distances[30] ?? 0)) > 1e-5);
  assertEquals([supervised.explored, without.explored], [8, 8]);
  assert(none.explored > 8);
});

Deno.test("all methods have the same starts, and games after SFT go on from it", async () => {
  const [supervised, games, later] = [
    await run("SFT", 44),
    await run("GRPO", 1),
    await run("SFT+GRPO", 44),
  ];
  assertEquals(games.distances[0], supervised.distances[0]);
  assertEquals(later.distances.slice(0, 41), supervised.distances.slice(0, 41));
  assertEquals(later.distances.length, 45);
  assert(later.distances[44] !== supervised.distances[44]);
});

Deno.test("what is rejected goes away, where it was right, too", async () => {
  const { suboptimal } = cellGroups(problem);
  const change = async (name: string) => {
    const { snapshots: [first], last } = await run(name, 60);
    assert(first !== undefined);
    return distance(last.matrix, problem.optimum, suboptimal) -
      distance(first.matrix, problem.optimum, suboptimal);
  };
  assert(await change("DPO") > 0.1);
  assert(await change("SFT") < 0.05);
});

Deno.test("teacher forcing sees at least what following the demonstration is worth", async () => {
  const { snapshots } = await run("SFT", 40);
  for (const { teacherForced, pathProbability, success } of snapshots) {
    // A mean is at least the product; who follows the demonstration reaches the goal.
    assert(teacherForced >= pathProbability && success >= pathProbability - 1e-12);
  }
});

Deno.test("a claim holds, does not, or is undecided, by its interval", async () => {
  assertEquals(verdictOf({ low: 0.5, high: 1.5 }), "holds");
  assertEquals(verdictOf({ low: -1.5, high: -0.5 }), "does not hold");
  assertEquals(verdictOf({ low: -1, high: 1 }), "undecided");
  const budget = { seeds: [0, 1], steps: 12 };
  const results: MethodRuns[] = [];
  for (const { group, ...method } of methods) {
    if (group === "paper") results.push(await runMethod(problem, { group, ...method }, budget));
  }
  const findings = findingsOf(results);
  assertEquals(findings.length, claims.length);
  const [dpoFirst] = findings;
  const best = (name: string) =>
    results.find(({ method }) => method.name === name)?.runs.map(bestDistance) ?? [];
  const [a = NaN, b = NaN] = best("IFT").map((x, i) => x - (best("DPO")[i] ?? NaN));
  assertAlmostEquals(dpoFirst?.difference.mean ?? NaN, (a + b) / 2, 1e-12);
  assert(findings.every(({ difference }) => Number.isFinite(difference.mean)));
});

Deno.test("the text view has an arrow for each cell, in brackets where it is wrong", () => {
  const right = gridLines(problem, snapshotOf(problem, 0, problem.optimal));
  assertEquals(right, [
    " ↓   ←   →   →   ↓",
    " ↓   H   H   H   ↓",
    " ↓   H   →   ↓   ←",
    " ↓   H   H   ↓   H",
    " →   →   →   →   G",
  ]);
  const up = lake.cells.map(() => [0, 0, 0, 1]);
  assertEquals(gridLines(problem, snapshotOf(problem, 0, up))[4], "[↑] [↑] [↑] [↑]  G");
});
