/** Runs on every kind of data over a store in memory, an objective from outside among them. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { leafPaths, wasm } from "@unitune/core";
import {
  againstReference,
  defineObjective,
  estimate,
  gold,
  importanceWeightedNll,
  objective,
  objectiveRegistry,
  weight,
} from "@unitune/objectives";
import {
  checkStages,
  datasetMaterial,
  type GivenSettings,
  memoryStore,
  planOf,
  type PreparedRun,
  prepareRun,
  prepareTasks,
  train,
  type TrainSettings,
  trainSettings,
  UserError,
} from "@unitune/training";

const tiny = {
  ...{ layers: 1, heads: 1, width: 8, tasks: "pick", examples: 24 },
  ...{ batchSize: 4, steps: 2, loggingSteps: 1, evalSteps: 9, saveSteps: 1, warmupSteps: 0 },
};

/** An objective that our registry does not have, which reads a reference and has an option. */
const outside = defineObjective({
  name: "timid-sft",
  data: "demonstrations",
  reference: "log-probs",
  teacher: false,
  values: false,
  trains: "policy",
  options: {
    courage: { kind: "number", above: 0, max: 1, default: 0.5, help: "The weight of the loss." },
  },
  make: ({ courage }) =>
    objective(
      estimate(gold, againstReference("precomputed")),
      weight(courage, importanceWeightedNll()),
    ),
});

const registry = [...objectiveRegistry, outside];

const stage = (given: GivenSettings): TrainSettings =>
  trainSettings({ ...tiny, ...given }, registry);

const device = wasm();

/** The first loss of each stage, and the latest parameters. */
async function trained(stages: readonly TrainSettings[], prepared: PreparedRun, most = Infinity) {
  const store = memoryStore();
  const losses = new Map<number, number>();
  for (let isDone = false; !isDone;) {
    let count = 0;
    isDone = true;
    for await (const event of train(planOf({ stages, prepared, device, store }))) {
      if (event.kind === "metrics" && !losses.has(event.stage)) {
        losses.set(event.stage, event.metrics.loss ?? NaN);
      }
      if (++count < most) continue;
      isDone = false;
      break;
    }
  }
  const { policy } = await store.latest()?.models() ?? {};
  const numbers = new Map<string, ArrayLike<number>>();
  for (const [path, leaf] of leafPaths(policy)) numbers.set(path, await leaf.data());
  return { losses, numbers };
}

Deno.test("stages on every kind of data train, and go on from memory to the same bits", async () => {
  const stages = [
    stage({ objective: "sft", average: "bema" }),
    stage({ objective: "iw-sft" }),
    stage({ objective: "dpo", rejected: "model", average: "ema", averageUse: "reference" }),
    stage({ objective: "orpo" }),
    stage({ objective: "reward-model" }),
    stage({ objective: "kto" }),
    stage({ objective: "grpo-kl", groupSize: 2, rewards: "verifier+0.1*reward-model" }),
    stage({ objective: "ppo", rolloutEpochs: 2 }),
    stage({ objective: "timid-sft", courage: 0.25 }),
    stage({ objective: "tpo", goldWeight: 0.5 }),
    stage({ objective: "rejection-sampling", groupSize: 2, passingReward: 0 }),
  ];
  const prepared = await prepareTasks(stages);
  assertEquals(
    prepared.stages.map(({ data }) => data.kind),
    [
      ...["demonstrations", "demonstrations", "pairs", "pairs", "pairs", "labels"],
      ...["rollouts", "rollouts", "demonstrations", "triples", "rollouts"],
    ],
  );
  await checkStages({ stages, prepared });
  const { losses, numbers } = await trained(stages, prepared);
  assertEquals([...losses.keys()], stages.map((_, i) => i));
  // Preferences tie before the first step.
  for (const i of [2, 4]) assertAlmostEquals(losses.get(i) ?? NaN, Math.LN2, 1e-4);
  assert([...losses.values()].every(Number.isFinite));

  const cut = await trained(stages, prepared, 17);
  assertEquals(cut.numbers, numbers);
});

Deno.test("what a stage cannot have is refused before anything is trained", async () => {
  const refuse = async (given: GivenSettings, message: string) => {
    const stages = [stage(given)];
    const prepared = await prepareTasks(stages);
    await assertRejects(() => checkStages({ stages, prepared }), UserError, message);
  };
  await refuse(
    { objective: "grpo", groupSize: 2, rewards: "reward-model" },
    "rewards names reward-model, and there is none: train one in a stage before grpo",
  );
  const trained = [
    stage({ objective: "reward-model" }),
    stage({ objective: "grpo", groupSize: 2, rewards: "reward-model" }),
  ];
  await checkStages({ stages: trained, prepared: await prepareTasks(trained) });
  const liked = [true, false].map((label) => ({
    prompt: [{ role: "user", content: "a" }] as const,
    completion: [{ role: "assistant", content: `${label}` }] as const,
    label,
  }));
  const alike = [stage({ objective: "kto" })];
  const dataset = { kind: "labels", train: liked, validation: [] } as const;
  const material = datasetMaterial("labels", dataset);
  const labelled = await prepareRun(
    alike.map((settings) => ({ settings, material, source: "labels" })),
  );
  await assertRejects(
    () => checkStages({ stages: alike, prepared: labelled }),
    UserError,
    "kto compares answers with answers to other prompts, and all 2 answers are to one prompt",
  );
  const strange = stage({ objective: "grpo", groupSize: 2, rewards: "nonsense" });
  await assertRejects(() => prepareTasks([strange]), UserError, "unknown reward");
});

Deno.test("stages that differ in what all stages share make no run", async () => {
  const first = stage({ objective: "sft" });
  const prepared = await prepareTasks([first]);
  const refuse = (stages: readonly TrainSettings[], message: string) =>
    assertThrows(
      () => planOf({ stages, prepared, device: wasm(), store: memoryStore() }),
      UserError,
      `all stages of a run share ${message}`,
    );
  const reseeded = stage({ objective: "sft", seed: 5, steps: 9 });
  refuse([first, reseeded], "seed: it is 0 in one and 5 in another");
  const pretrained = { ...first, model: "m" };
  refuse([pretrained, first], "model: it is m in one and left out in another");
});
