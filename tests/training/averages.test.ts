/** Averages of the policy's weights: as the result of a stage, and as a reference that follows. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { wasm } from "@unitune/core";
import {
  type GivenSettings,
  initialModels,
  memoryStore,
  planOf,
  type PreparedRun,
  prepareTasks,
  train,
  type TrainSettings,
  trainSettings,
} from "@unitune/training";
import { paramsOf } from "./shared_runs.ts";

/** Small, at a rate that stays the same however many steps there are. */
const tiny = {
  ...{
    layers: 1,
    heads: 1,
    width: 8,
    tasks: "pick",
    examples: 24,
    evalExamples: 2,
    evalAnswers: 1,
  },
  ...{ batchSize: 2, steps: 4, loggingSteps: 1, evalSteps: 9, saveSteps: 9, warmupSteps: 0 },
  ...{ learningRate: 0.02, minLearningRate: 0.02 },
} as const;

const stage = (given: GivenSettings): TrainSettings => trainSettings({ ...tiny, ...given });

/** The numbers of a tree by their paths. */
type Numbers = ReadonlyMap<string, ArrayLike<number>>;

/** The metrics of steps and evaluations, and the models at the end. */
interface Run {
  readonly lines: readonly Readonly<Record<string, number>>[];
  readonly evaluations: readonly Readonly<Record<string, number>>[];
  readonly policy: Numbers;
}

async function runOf(settings: TrainSettings, prepared: PreparedRun): Promise<Run> {
  const [device, store] = [wasm({ threads: 1 }), memoryStore()];
  const lines: Readonly<Record<string, number>>[] = [];
  const evaluations: Readonly<Record<string, number>>[] = [];
  for await (const event of train(planOf({ stages: [settings], prepared, device, store }))) {
    if (event.kind === "metrics") lines.push({ ...event.metrics, ...event.cost });
    if (event.kind === "evaluation") evaluations.push(event.report.metrics);
  }
  const { policy } = await store.latest()?.models() ?? {};
  return { lines, evaluations, policy: await paramsOf(policy) };
}

/** The data of a stage, which is evaluated on one split, without free answers. */
async function preparedFor(settings: TrainSettings): Promise<PreparedRun> {
  const prepared = await prepareTasks([settings]);
  const splits = prepared.splits.slice(0, 1).map((split) => ({ ...split, questions: [] }));
  return { ...prepared, splits };
}

/** A run of its own data. */
async function trained(given: GivenSettings): Promise<Run> {
  const settings = stage(given);
  return await runOf(settings, await preparedFor(settings));
}

const valuesOf = (run: Run, name: string) => run.lines.map(({ [name]: value = NaN }) => value);

/** Follows the policy in every step, so that it is the policy as it is. */
const close = { average: "ema", averageUse: "reference", averageRate: 1 } as const;

Deno.test("DPO: a reference that is the policy of each step leaves the loss at ln 2", async () => {
  const followed = await trained({ objective: "dpo", ...close });
  for (const loss of valuesOf(followed, "loss")) assertAlmostEquals(loss, Math.LN2, 1e-5);
  // Validation pairs are scored by the reference as it is then.
  const margins = (run: Run) =>
    run.evaluations.map(({ "eval_rewards/margins": value = NaN }) => value);
  assertEquals(margins(followed).length, 2);
  for (const margin of margins(followed)) assertAlmostEquals(margin, 0, 1e-5);
  // Each step has two passes over its rows, and no row is scored beforehand.
  const { forwardTokens = NaN, backwardTokens = NaN } = followed.lines.at(-1) ?? {};
  assertEquals(forwardTokens, 2 * backwardTokens);

  const fixed = await trained({ objective: "dpo" });
  const [, second = NaN] = valuesOf(fixed, "loss");
  assert(second < Math.LN2 - 1e-3, `${second}`);
  assert(Math.abs(margins(fixed)[1] ?? NaN) > 1e-3);

  const seldom = await trained({ objective: "dpo", ...close, averageSteps: 2 });
  const isStart = valuesOf(seldom, "loss").map((loss) => Math.abs(loss - Math.LN2) < 1e-5);
  assertEquals(isStart, [true, false, true, false]);
});

Deno.test("GRPO: a reference that is the policy of each step leaves the KL at 0", async () => {
  const grpo = { objective: "grpo-kl", groupSize: 2, rewards: "edit-similarity", steps: 2 };
  const followed = await trained({ ...grpo, ...close });
  for (const kl of valuesOf(followed, "kl")) assertAlmostEquals(kl, 0, 1e-6);
  const fixed = await trained(grpo);
  assert((valuesOf(fixed, "kl")[1] ?? NaN) > 1e-5);
});

Deno.test("SDFT: an averaged self of rate 1 is the live one, and of a smaller rate another", async () => {
  const sdft = { objective: "sdft", steps: 3, context: 40 };
  const [live, followed, slow] = [
    await trained({ ...sdft, self: "live" }),
    await trained({ ...sdft, ...close }),
    await trained({ ...sdft, ...close, averageRate: 0.5 }),
  ];
  const losses = (run: Run) => valuesOf(run, "loss").map((loss) => loss.toPrecision(5));
  assertEquals(losses(followed), losses(live));
  assertEquals(losses(slow)[0], losses(live)[0]);
  assert(losses(slow)[2] !== losses(live)[2]);
});

Deno.test("the average is what a stage evaluates and saves, where it is the result", async () => {
  const prepared = await preparedFor(stage({}));
  const [last, mean] = [
    await Promise.all([1, 2].map((steps) => runOf(stage({ steps }), prepared))),
    await runOf(stage({ steps: 2, average: "ema", averageRate: 0.5 }), prepared),
  ];
  const [first, second] = last;
  const start = await paramsOf(initialModels(stage({}), prepared).policy);
  assertEquals(valuesOf(mean, "loss"), second?.lines.map(({ loss }) => loss));
  for (const [path, values] of mean.policy) {
    Array.from(values).forEach((value, i) => {
      const at = (numbers: Numbers | undefined) => numbers?.get(path)?.[i] ?? NaN;
      const expected = 0.25 * at(start) + 0.25 * at(first?.policy) + 0.5 * at(second?.policy);
      // Rounding of f32 in sums of a few terms of order 1.
      assertAlmostEquals(value, expected, 1e-6, `${path} ${i}`);
    });
  }
  const losses = (run: Run | undefined) => run?.evaluations.map(({ eval_loss: loss }) => loss);
  assertEquals(losses(mean)?.[0], losses(second)?.[0]);
  assert(losses(mean)?.[1] !== losses(second)?.[1]);
});
