/** The tables on the reasons of a study: tasks, exposure, gradients, times. */
import { assertEquals } from "@std/assert";
import { mechanismTables } from "../../../cli/study/mechanism.ts";
import { measureAt, progressOf } from "../../../cli/study/progress.ts";
import { timeTable } from "../../../cli/study/schedule.ts";
import type { StudyPlan } from "../../../cli/study/plan.ts";
import type { StudyResults } from "../../../cli/study/results.ts";
import { inFolder } from "../command.ts";

const arm = (name: string) => ({ name, about: name, settings: { objective: name } });
const plan: StudyPlan = {
  ...{ seeds: 4, selectionSeeds: 1, rates: [1e-3], isWholeGrid: false, samples: 1 },
  ...{ arms: [arm("sft"), arm("ift")], helpers: [], base: {}, shared: { tokenBudget: 8_000_000 } },
  tasks: ["maze", "word"],
};
const cost = { examples: 1, forwardTokens: 4_000_000, backwardTokens: 2_000_000 };
const result = (arm: string, seed: number, measures: Readonly<Record<string, number>>) => ({
  ...{ arm, seed, measures, cost, weights: "", run: `runs/${arm}/seed-${seed}` },
  point: arm === "base" ? "" : "p",
});
const seeds = [0, 1, 2, 3];
const results: StudyResults = {
  chosen: { sft: "p", ift: "p" },
  results: seeds.flatMap((seed) => [
    result("base", seed, {
      ...{ exact_match: 0.1, token_gap: 0.25, step_gap: seed / 10, "step_cosine/sft": seed / 4 },
      // All rewards of the even seeds were equal.
      "cosine/sft": seed % 2 === 0 ? NaN : 0.5,
    }),
    result("sft", seed, { exact_match: 0.5, step_gap: 0.125 }),
    result("ift", seed, { exact_match: seed % 2 === 0 ? 0.75 : 0.25, "cosine/ift": 0.25 }),
  ]),
};

Deno.test("a study with tasks in turn is told task by task, with the exposure and the gradients", () => {
  const [byTask, exposure, gradients, ...rest] = mechanismTables(plan, results);
  assertEquals(byTask?.cells, [
    ["exact match", "maze", "word"],
    ["base", "0.100 (-0.400)", "0.100 (-0.400)"],
    ["sft", "0.500", "0.500"],
    ["ift", "0.750 (+0.250)", "0.250 (-0.250)"],
  ]);
  const shown = (title: string) => {
    const column = exposure?.cells[0]?.indexOf(title) ?? -1;
    return exposure?.cells.map((row) => row[column]);
  };
  assertEquals(shown("task"), ["task", "maze", "word", "all"]);
  assertEquals(shown("base: token gap"), ["base: token gap", "0.250", "0.250", "0.250"]);
  assertEquals(shown("base: step gap"), ["base: step gap", "0.100", "0.200", "0.150"]);
  assertEquals(shown("sft: step gap"), ["sft: step gap", "0.125", "0.125", "0.125"]);
  assertEquals(shown("sft: token gap"), ["sft: token gap", "", "", ""]);
  assertEquals(gradients?.cells, [
    ["cosine with GRPO", "right answers", "seeds", "right steps", "seeds"],
    // Student's interval of 0, 1/4, 2/4, 3/4: 0.375 +- 3.182 * 0.3227 / 2.
    ["sft", "+0.500 [+0.500, +0.500]", "2", "+0.375 [-0.139, +0.889]", "4"],
    ["ift", "+0.250 [+0.250, +0.250]", "4", "", "0"],
  ]);
  assertEquals(rest, []);
  const { tasks: _, ...untasked } = plan;
  assertEquals(mechanismTables(untasked, results), []);
});

Deno.test("the time of a trial is the mean of all that were timed", () => {
  const trial = (arm: string, seconds: number) => ({
    ...{ ...result(arm, 0, {}), settings: "", commit: "", seconds },
  });
  assertEquals(timeTable(plan, [trial("sft", 10), trial("sft", 20), trial("sft", 0)]).cells, [
    ["", "trials", "seconds", "k fwd", "k bwd"],
    ["sft", "2", "15.0", "4000", "2000"],
  ]);
});

inFolder("an arm's curve is over tokens, on the lines between its validations", async (folder) => {
  const lines = (match: number) => [
    { step: 0, split: "held-out", eval_exact_match: 0 },
    { step: 20, loss: 1, "cost/forward_tokens": 2e6, "cost/backward_tokens": 1e6 },
    { step: 20, split: "held-out", eval_exact_match: match },
    { step: 20, split: "longer", eval_exact_match: 1 },
    { step: 2000, loss: 1, "cost/forward_tokens": 4e6, "cost/backward_tokens": 2e6 },
    { step: 2000, split: "held-out", eval_exact_match: match },
  ];
  for (const seed of seeds) {
    const run = `${folder}/runs/sft/seed-${seed}`;
    await Deno.mkdir(run, { recursive: true });
    const own = lines(seed < 2 ? 0.5 : 1).map((line) => JSON.stringify(line)).join("\n");
    await Deno.writeTextFile(`${run}/metrics.jsonl`, `${own}\n`);
  }
  const { points } = await progressOf(folder, plan, results, "sft");
  // 4 million tokens at step 20, 8 at the end.
  assertEquals(points.map(({ x }) => x), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
  assertEquals(points.map(({ y }) => y), [0, 0.1875, 0.375, 0.5625, ...Array(5).fill(0.75)]);
  assertEquals(measureAt([], 1), NaN);
});
