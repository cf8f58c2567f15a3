/** Budgets of tokens: what ends a stage, whatever its steps cost, and what its learning rate follows. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { leavesOf, wasm } from "@unitune/core";
import {
  type GivenSettings,
  memoryStore,
  planOf,
  prepareTasks,
  requireBudgets,
  SettingsError,
  tokenCost,
  train,
  trainSettings,
} from "@unitune/training";

const device = wasm();

// The rows of this task are equally long, so that every step of an objective costs the same.
const tiny = { layers: 1, heads: 1, width: 8, tasks: "reverse", examples: 40, batchSize: 4 };
const quiet = { evalSteps: 1000, loggingSteps: 1, evalExamples: 1, evalAnswers: 1 };

/** What a run of the stages costs by step, its learning rates, and its last weights. */
async function trained(stages: readonly GivenSettings[]) {
  const settings = stages.map((own) => trainSettings({ ...tiny, ...quiet, ...own }));
  const prepared = await prepareTasks(settings);
  const store = memoryStore();
  const costs: number[] = [];
  const rates: (number | undefined)[] = [];
  let last = 0;
  for await (const event of train(planOf({ stages: settings, prepared, device, store }))) {
    if (event.kind === "step") [last] = [event.step, costs.push(tokenCost(event.cost))];
    if (event.kind === "metrics") rates.push(event.metrics.learning_rate);
  }
  const leaves = leavesOf((await store.latest()?.models())?.policy);
  return { costs, rates, last, weights: await Promise.all(leaves.map((leaf) => leaf.data())) };
}

Deno.test("a run that spends its budget evenly has the rates and the weights of one by steps", async () => {
  const own = { steps: 5, warmupSteps: 2 };
  const plain = await trained([own]);
  const [step = NaN] = plain.costs;
  const budgeted = await trained([{ ...own, tokenBudget: 5 * step }]);
  assertEquals(budgeted, plain);
  // More steps than the budget holds: there are as many, and the rate falls as far.
  const shorter = await trained([{ steps: 10, warmupSteps: 0, tokenBudget: 5 * step }]);
  assertEquals([shorter.costs, shorter.last], [plain.costs, 10]);
  const everySecond = (await trained([{ steps: 10, warmupSteps: 0 }])).rates
    .filter((_, i) => i % 2 === 0);
  assertEquals(shorter.rates, everySecond);
});

Deno.test("objectives whose steps differ in cost end at one budget, less than a step above it", async () => {
  const budget = 5000;
  const arms: readonly (readonly GivenSettings[])[] = [
    [{ objective: "sft", tokenBudget: budget }],
    [{ objective: "ift", tokenBudget: budget }],
    [{ objective: "dpo", tokenBudget: budget }],
    [{ objective: "grpo", batchSize: 8, tokenBudget: budget }],
    [{ objective: "sft", tokenBudget: 2000 }, { objective: "dpo", tokenBudget: budget }],
  ];
  for (const arm of arms) {
    const { costs } = await trained(arm);
    const [end = NaN, before = NaN] = costs.toReversed();
    assert(before < budget && budget <= end, `${arm.at(-1)?.objective}: ${costs.join(" ")}`);
  }
});

Deno.test("budgets of stages rise, since they count from the start of the run", () => {
  const check = (...budgets: readonly (number | undefined)[]) =>
    requireBudgets(
      budgets.map((tokenBudget) => trainSettings(tokenBudget === undefined ? {} : { tokenBudget })),
    );
  check();
  check(10, 20, undefined);
  assertThrows(() => check(20, 20), SettingsError, "and the stage before, sft, ends at 20 tokens");
  assertThrows(() => check(undefined, 20), SettingsError, "and the stage before, sft, has none");
});
