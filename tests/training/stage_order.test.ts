/** A row of data is a function of the run's seed, the stage and its number. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { foldKey, key, leafPaths, splitKey, wasm } from "@unitune/core";
import {
  copyTree,
  createLearner,
  dataOf,
  type GivenSettings,
  initialModels,
  inRandomOrder,
  packedRows,
  prepareTasks,
  stageSeed,
  trainSettings,
  windowRows,
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

Deno.test("rows of a seed come in the same order in every version", () => {
  const letters = [..."abcdefghijklmnop"];
  const firsts = ({ place }: { readonly place: (number: number) => number }) =>
    Array.from({ length: 20 }, (_, number) => place(number)).join(" ");
  assertEquals(
    firsts(inRandomOrder(letters, 5, 64)),
    "9 3 2 1 11 7 6 4 14 15 0 12 8 13 10 5 14 11 2 10",
  );
  const lengthOf = (row: string) => row.charCodeAt(0) % 2 === 0 ? 3 : 70;
  assertEquals(
    firsts(inRandomOrder(letters, 5, 72, { batchSize: 2, lengthOf })),
    "1 11 8 10 4 14 7 15 2 6 13 5 0 12 9 3 12 0 10 6",
  );
  assertEquals(
    firsts(windowRows(Array.from({ length: 60 }, (_, i) => i), 5, 4)),
    "39 15 11 7 47 31 27 19 3 51 35 43 23 49 13 45 17 29 53 5",
  );
  const rows = letters.map((_, i) => {
    const ids = Array<number>(2 + i % 3).fill(i);
    return { ids, mask: ids.map(() => true) };
  });
  const { row } = packedRows(rows, 5, 8);
  assertEquals(
    [0, 1, 2, 3, 4, 5, 6, 7].map((number) => [...new Set(row(number).ids)].join("+")).join(" "),
    "10+3+6+15 7+4+13 2+11 14+8 0+12 5+1+9 2+5 1+6+12+0",
  );
  assertEquals([0, 1, 2].map((stage) => stageSeed(5, stage)), [5, 3_389_370_020, 396_381_173]);
});

Deno.test("the key of dropout is the second half of the seed's, and that of a later stage folds it", async () => {
  const settings = settingsOf("sft", 3);
  const stages = [settings, settings, settings];
  const prepared = await prepareTasks(stages);
  using device = wasm();
  const start = await copyTree(initialModels(settings, prepared));
  const [, own = key(0)] = splitKey(key(3));
  for (const [stage, expected] of [own, foldKey(own, 1), foldKey(own, 2)].entries()) {
    using learner = await createLearner({ settings, stage, prepared, start, device });
    const found = leafPaths(learner.init()).get("training.key");
    assertEquals(await found?.data(), await expected.data());
  }
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
