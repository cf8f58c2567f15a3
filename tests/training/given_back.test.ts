/** What a stage compiles is given back with its learner, and what a run compiles with its end. */
import { assertEquals } from "@std/assert";
import { type Device, type Program, reference } from "@unitune/core";
import {
  collectivesInMemory,
  copyTree,
  createLearner,
  type GivenSettings,
  initialModels,
  memoryStore,
  planOf,
  prepareTasks,
  sharedStore,
  train,
  trainSettings,
} from "@unitune/training";

const tiny = {
  ...{ layers: 1, heads: 1, width: 4, tasks: "pick", examples: 8, evalExamples: 2, evalAnswers: 1 },
  ...{ batchSize: 2, steps: 1, evalBatchSize: 2, maxNewTokens: 2 },
} as const;

/** A device, and how many of its programs have not been given back. */
function counting(): { readonly device: Device; readonly programs: () => number } {
  const own = reference();
  const open = new Set<Program>();
  return {
    device: {
      ...own,
      compile(graph, options) {
        const made = own.compile(graph, options);
        const program = {
          ...made,
          dispose() {
            open.delete(program);
            made.dispose();
          },
        };
        open.add(program);
        return program;
      },
    },
    programs: () => open.size,
  };
}

/** Stages that compile programs of their own: of steps, of scores, of answers. */
const stages: Readonly<Record<string, GivenSettings>> = {
  "a step": { objective: "sft" },
  "sums": { objective: "sft", gradientAccumulation: 2 },
  "scores of a reference": { objective: "dpo" },
  "scores of a policy that is followed": {
    ...{ objective: "dpo", average: "ema", averageUse: "reference" },
  },
  "scores of a reference that is renewed": { objective: "psft" },
  "answers of the model's own": { objective: "dpo", rejected: "model" },
  "rollouts": { objective: "grpo-kl", groupSize: 2 },
  "rollouts of a mixture": { objective: "nash-md" },
};

/** How many programs are left over by something, when it is done the first time, and once more. */
async function leftOver(work: (device: Device) => Promise<void>): Promise<readonly number[]> {
  const { device, programs } = counting();
  const counts: number[] = [];
  for (let round = 0; round < 2; round++) {
    await work(device);
    counts.push(programs());
  }
  return counts;
}

for (const [name, given] of Object.entries(stages)) {
  Deno.test(`a learner gives its programs back: ${name}`, async () => {
    const settings = trainSettings({ ...tiny, ...given });
    const prepared = await prepareTasks([settings]);
    const start = await copyTree(initialModels(settings, prepared));
    const [first, second] = await leftOver(async (device) => {
      using learner = await createLearner({ settings, stage: 0, prepared, start, device });
      const { state } = await learner.step(learner.init(), 0);
      await learner.validate(state);
    });
    // Programs of expressions are kept for another time.
    assertEquals(second, first);
  });
}

for (const size of [1, 2]) {
  Deno.test(`a run gives its programs back, in each of ${size}`, async () => {
    const settings = trainSettings({ ...tiny, objective: "sft" });
    const prepared = await prepareTasks([settings]);
    const { policy } = await copyTree(initialModels(settings, prepared));
    const [first, second] = await leftOver(async (device) => {
      const store = memoryStore();
      await Promise.all(
        collectivesInMemory(size).map(async (collective) => {
          const start = { policy: await copyTree(policy) };
          const own = sharedStore(collective, store);
          const run = { stages: [settings], prepared, start, device, collective, store: own };
          await Array.fromAsync(train(planOf(run)));
        }),
      );
    });
    assertEquals(second, first);
  });
}
