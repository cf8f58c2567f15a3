/** Runs that several processes share, each of them a part of this one. */
import { assert, assertEquals } from "@std/assert";
import { key, leafPaths, wasm } from "@unitune/core";
import { adapt } from "@unitune/models";
import {
  alone,
  type Collective,
  collectivesInMemory,
  type GivenSettings,
  memoryStore,
  planOf,
  type PreparedRun,
  prepareTasks,
  sharedStore,
  train,
  type TrainingEvent,
  type TrainSettings,
  trainSettings,
} from "@unitune/training";

const tiny = {
  ...{ layers: 1, heads: 1, width: 8, tasks: "pick", examples: 40, evalExamples: 4 },
  ...{ batchSize: 6, loggingSteps: 1, evalSteps: 50, saveSteps: 50, warmupSteps: 0 },
};

/** A run on every kind of data, and what changes the way of a step. */
export const sharedCases = {
  "answers": { gradientAccumulation: 2, batchSize: 3, objective: "ift", average: "bema" },
  "answers by tokens": { batchTokens: 128 },
  "an adapter": { learningRate: 1e-2, average: "ema" },
  "pairs": { objective: "dpo", average: "ema", averageUse: "reference", averageRate: 0.5 },
  "pairs of the model's own": { objective: "dpo", rejected: "model" },
  "a reward model": { objective: "reward-model" },
  "labels": { objective: "kto", gradientAccumulation: 4, batchSize: 2 },
  "rollouts": {
    ...{ objective: "grpo", groupSize: 2, gradientAccumulation: 4, batchSize: 4 },
    rolloutEpochs: 2,
  },
  "an optimizer that is shared out": { optimizer: "muon", shardOptimizer: true },
  "a critic": { objective: "ppo", gradientAccumulation: 4, batchSize: 2 },
} as const satisfies Readonly<Record<string, GivenSettings>>;

/** The one stage of a small run. */
export function stagesOf(given: GivenSettings): readonly TrainSettings[] {
  return [trainSettings({ ...tiny, ...given })];
}

/** The data of a run, and its model: an adapter where the case is of one. */
export async function preparedOf(
  name: string,
  stages: readonly TrainSettings[],
): Promise<PreparedRun> {
  const prepared = await prepareTasks(stages);
  if (name !== "an adapter") return prepared;
  const { model } = prepared;
  const adapter = adapt({ model, params: model.init(key(7)) }, {
    ...{ rank: 2, alpha: 4, dropout: 0, targets: "all-linear" },
    ...{ isRankStabilized: false, hasMagnitudes: false, saved: [] },
  });
  return { ...prepared, model: adapter };
}

/** What is written down of a run. */
export interface Written {
  /** Its logged steps: metrics by name, those of costs and epochs among them. */
  readonly lines: readonly Readonly<Record<string, number>>[];
  /** The parameters at its end. */
  readonly params: ReadonlyMap<string, ArrayLike<number>>;
}

/** The line of a step. */
function lineOf(event: TrainingEvent): readonly Readonly<Record<string, number>>[] {
  if (event.kind !== "metrics") return [];
  const { step, epoch, metrics, cost } = event;
  return [{ step, epoch, ...metrics, ...cost }];
}

/** The numbers of a tree. */
export async function paramsOf(tree: unknown): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const params = new Map<string, ArrayLike<number>>();
  for (const [path, leaf] of leafPaths(tree)) params.set(path, await leaf.data());
  return params;
}

/** A run among some processes. Only the first of them writes. */
export async function sharedRun(
  stages: readonly TrainSettings[],
  prepared: PreparedRun,
  size: number,
): Promise<Written> {
  const collectives: readonly Collective[] = size === 1 ? [alone] : collectivesInMemory(size);
  const store = memoryStore();
  const [lines = [], ...others] = await Promise.all(collectives.map(async (collective) => {
    const device = wasm({ threads: 1 });
    const own = sharedStore(collective, store);
    const plan = planOf({ stages, prepared, device, store: own, collective });
    return (await Array.fromAsync(train(plan))).flatMap(lineOf);
  }));
  assertEquals(others.flat(), []);
  const { policy } = await store.latest()?.models() ?? {};
  return { lines, params: await paramsOf(policy) };
}

/**
 * How far numbers may be from those of one process, relative to 1 or to the number if that is larger:
 * f32 rounds sums over other rows otherwise, by some 1e-7 of them in each step.
 */
const TOLERANCE = 1e-6;

/** Asserts that a run has the numbers of another. */
export function assertSame(shared: Written, one: Written, what: string): void {
  assert(one.lines.length > 0);
  assertEquals(shared.lines.length, one.lines.length, what);
  for (const [i, line] of one.lines.entries()) {
    const own = shared.lines[i] ?? {};
    assertEquals(Object.keys(own), Object.keys(line), what);
    for (const [name, value] of Object.entries(line)) {
      const [got, scale] = [own[name] ?? NaN, Math.max(1, Math.abs(value))];
      assert(
        Math.abs(got - value) <= TOLERANCE * scale,
        `${what}, step ${i + 1}: ${name} is ${got}, and ${value} in one process`,
      );
    }
  }
}
