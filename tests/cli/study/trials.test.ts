/** Where the stages of an arm end, and on how many seeds its settings are tried. */
import { assertEquals } from "@std/assert";
import type { Arm } from "../../../cli/study/arms.ts";
import { countsOf, type StudyPlan, triedSeeds } from "../../../cli/study/plan.ts";
import { trialsOf } from "../../../cli/study/trials.ts";

const half = (share: number) => ({ share, settings: { objective: "sft" } });
const arm: Arm = { name: "rl", about: "", settings: { objective: "grpo" } };
const plan: StudyPlan = {
  ...{ seeds: 5, selectionSeeds: 2, rates: [1e-3, 3e-3], isWholeGrid: false, samples: 1 },
  ...{ arms: [arm], helpers: [], base: {}, shared: { tasks: "pick" } },
};
const point = { name: "p", settings: {} };

/** The settings of the stages of an arm that goes on after others. */
function stagesOf(shared: StudyPlan["shared"], ...shares: readonly number[]) {
  const trials = trialsOf({ ...plan, shared: { ...plan.shared, ...shared } }, "f");
  return trials.of({ ...arm, before: shares.map(half) }, point, 0).stages;
}

Deno.test("stages share the steps of an arm by their parts", () => {
  const steps = (given: StudyPlan["shared"], ...shares: readonly number[]) =>
    stagesOf(given, ...shares).map((stage) => stage.steps);
  assertEquals(steps({ steps: 90 }), [90]);
  assertEquals(steps({ steps: 90 }, 0.5), [45, 45]);
  assertEquals(steps({ steps: 90 }, 0.2, 0.3), [18, 27, 45]);
  // Those of a training that is told no number.
  assertEquals(steps({}, 0.25), [375, 1125]);
});

Deno.test("budgets count from the start, and the last stage has the whole", () => {
  const budgets = (...shares: readonly number[]) =>
    stagesOf({ tokenBudget: 1000, steps: 90 }, ...shares)
      .map(({ tokenBudget, steps }) => [tokenBudget, steps]);
  assertEquals(budgets(0.2, 0.3), [[200, 90], [500, 90], [1000, 90]]);
});

Deno.test("points are tried on the seeds that choose, a single one on all seeds of its arm", () => {
  const [one, two] = [[point], [point, { ...point, name: "q" }]];
  const few = { ...arm, seeds: 3 };
  assertEquals(triedSeeds(plan, { arm, grid: one }), 5);
  assertEquals(triedSeeds(plan, { arm: few, grid: one }), 3);
  assertEquals(triedSeeds(plan, { arm: few, grid: two }), 2);
  // Two rates on two seeds, and the better one on three more, or on one.
  assertEquals(Object.fromEntries(countsOf({ ...plan, arms: [arm, { ...few, name: "few" }] })), {
    ...{ base: 5, rl: 7, few: 5 },
  });
});
