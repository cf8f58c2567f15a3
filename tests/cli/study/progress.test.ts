/** The curves of a study's arms, over steps or tokens, from the lines of their runs. */
import { assertEquals } from "@std/assert";
import { runPaths } from "../../../cli/run/run_paths.ts";
import type { StudyPlan } from "../../../cli/study/plan.ts";
import { measureAt, progressOf } from "../../../cli/study/progress.ts";
import type { StudyResults } from "../../../cli/study/results.ts";
import { inFolder, writeRows } from "../command.ts";

Deno.test("between two validations a measure is on the line through them", () => {
  const validations = [{ x: 2, y: 1 }, { x: 4, y: 3 }, { x: 8, y: 1 }];
  const at = (x: number) => measureAt(validations, x);
  assertEquals([1, 2, 3, 4, 5, 6, 8, 9, 100].map(at), [1, 1, 2, 3, 2.5, 2, 1, 1, 1]);
  // At a validation that was made twice, the first counts.
  assertEquals(measureAt([{ x: 0, y: 0 }, { x: 4, y: 1 }, { x: 4, y: 2 }], 4), 1);
  assertEquals(measureAt([], 1), NaN);
});

const plan: StudyPlan = {
  ...{ seeds: 2, selectionSeeds: 1, rates: [1e-3], isWholeGrid: false, samples: 1 },
  ...{ arms: [], helpers: [], base: {}, shared: {} },
};

/** The results of an arm with a run for each seed, which has some lines. */
async function resultsOf(
  folder: string,
  runs: readonly (readonly Readonly<Record<string, unknown>>[])[],
): Promise<StudyResults> {
  const cost = { examples: 0, forwardTokens: 0, backwardTokens: 0 };
  const results = runs.map((_, seed) => ({
    ...{ arm: "sft", point: "p", seed, run: `run-${seed}`, measures: {}, cost, weights: "" },
  }));
  for (const [seed, lines] of runs.entries()) {
    await Deno.mkdir(`${folder}/run-${seed}`);
    await writeRows(runPaths(`${folder}/run-${seed}`).metrics, lines);
  }
  return { chosen: { sft: "p" }, results };
}

const validation = (step: number, eval_exact_match: number, split = "held-out") => ({
  ...{ step, split, eval_exact_match },
});
const cost = (step: number, forward: number, backward: number) => ({
  ...{ step, "cost/forward_tokens": forward, "cost/backward_tokens": backward },
});

inFolder(
  "over steps, a point is the mean of the runs that were validated there",
  async (folder) => {
    const results = await resultsOf(folder, [
      [validation(0, 0), validation(0, 1, "test"), validation(5, 0.5), {
        step: 5,
        split: "held-out",
      }],
      [validation(0, 0.5)],
    ]);
    const { name, points } = await progressOf(folder, plan, results, "sft");
    assertEquals(name, "sft");
    // Student's interval of two values: 0.25 +- 12.706 * 0.25.
    assertEquals(points.map(({ x, y, low, high }) => [x, y, low?.toFixed(3), high?.toFixed(3)]), [
      [0, 0.25, "-2.927", "3.427"],
      [5, 0.5, undefined, undefined],
    ]);
  },
);

inFolder("over tokens, each run is taken where it cost as much", async (folder) => {
  const shared = { tokenBudget: 8e6 };
  const results = await resultsOf(folder, [
    // Nothing has been paid before the first step; step 3 was not logged.
    [validation(0, 0), cost(2, 4e6, 0), validation(2, 0.5), validation(3, 1)],
    // A run without validations has no part in the mean.
    [cost(2, 4e6, 0)],
  ]);
  const { points } = await progressOf(folder, { ...plan, shared }, results, "sft");
  assertEquals(points, [
    ...[0, 1, 2, 3, 4].map((x) => ({ x, y: x / 8 })),
    ...[5, 6, 7, 8].map((x) => ({ x, y: 0.5 })),
  ]);
  assertEquals(await progressOf(folder, { ...plan, shared }, results, "ift"), {
    ...{ name: "ift", points: [] },
  });
});
