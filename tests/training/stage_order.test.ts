/** A row of data is a function of the run's seed, the stage and its number. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import {
  copyTree,
  createLearner,
  dataOf,
  type GivenSettings,
  initialModels,
  prepareTasks,
  stageSeed,
  trainSettings,
} from "@unitune/training";
import fc from "fast-check";

const tiny = {
  ...{ layers: 1, heads: 1, width: 8, examples: 40, tasks: "pick+sort" },
  ...{ batchSize: 8, steps: 5, groupSize: 4, warmupSteps: 0 },
} satisfies GivenSettings;

const settingsOf = (objective: string, seed = 0) => {
  const { groupSize, ...others } = tiny;
  return trainSettings({
    objective,
    seed,
    dataSeed: 1,
    ...others,
    ...(objective === "grpo" && { groupSize }),
  });
};

Deno.test("every stage has a seed of its own, and the first has the run's", () => {
  fc.assert(fc.property(fc.nat(), fc.nat(), (seed, other) => {
    assertEquals(stageSeed(seed, 0), seed);
    const seeds = [0, 1, 2, 3].map((stage) => stageSeed(seed, stage));
    assertEquals(new Set(seeds).size, seeds.length);
    if (seed !== other) assertNotEquals(stageSeed(seed, 1), stageSeed(other, 1));
  }));
});

/** The prompts and answers of the first epoch of each stage, as tokens. */
async function ordersOf(seed: number, count: number): Promise<string[][]> {
  const stages = Array.from({ length: count }, () => settingsOf("sft", seed));
  const prepared = await prepareTasks(stages);
  return prepared.stages.map(({ data }) => {
    const { source } = dataOf(data, "demonstrations");
    return Array.from({ length: tiny.examples }, (_, number) => source.row(number).ids.join(" "));
  });
}

Deno.test("stages on the same examples read them in orders of their own", async () => {
  const [first = [], second = [], third = []] = await ordersOf(0, 3);
  for (const other of [second, third]) {
    assertNotEquals(other, first);
    assertEquals(other.toSorted(), first.toSorted());
  }
  assertNotEquals(third, second);
  // A run of one stage is its first stage; the seed counts in every stage.
  const [[alone], [ofSeed, secondOfSeed]] = [await ordersOf(0, 1), await ordersOf(1, 2)];
  assertEquals(alone, first);
  assertNotEquals(ofSeed, first);
  assertNotEquals(secondOfSeed, second);
  assertEquals(secondOfSeed?.toSorted(), first.toSorted());
});

for (const objective of ["sft", "dpo", "reward-model", "kto", "grpo", "ppo"] as const) {
  Deno.test(`${objective}: the first batch of a second stage is not that of the first`, async () => {
    const stages = [settingsOf(objective), settingsOf(objective)];
    const prepared = await prepareTasks(stages);
    using device = wasm();
    const start = await copyTree(initialModels(settingsOf(objective), prepared));
    /** What the first step of a stage measures, and what it has sampled answers to. */
    const firstOf = async (stage: number) => {
      const settings = stages[stage];
      assert(settings !== undefined);
      using learner = await createLearner({ settings, stage, prepared, start, device });
      const { metrics, samples } = await learner.step(learner.init(), 0);
      const measured = Object.entries(metrics).map(async (
        [name, value],
      ) => [name, await value.item()]);
      return {
        measured: await Promise.all(measured),
        prompts: samples.map(({ prompt }) => prompt),
      };
    };
    const [first, again, second] = [await firstOf(0), await firstOf(0), await firstOf(1)];
    assertEquals(again, first);
    // Both stages start from the same weights, so that only their rows tell them apart.
    assertNotEquals(second.measured, first.measured);
    if (first.prompts.length > 0) assertNotEquals(second.prompts, first.prompts);
  });
}
