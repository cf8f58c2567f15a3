/** What objectives remember from step to step. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { sgd } from "@unitune/autodiff";
import { key, mapTree, slice, tensor } from "@unitune/core";
import {
  accumulateGradients,
  adaptiveEntropyBonus,
  adaptiveEntropyGrpo,
  applyAccumulated,
  bcoUnpaired,
  firstMemory,
  initTrainingState,
  type Memory,
  type Remembered,
  sumOf,
  trainingStep,
  weight,
} from "@unitune/objectives";
import { type Parameters, policy } from "./arbitrary.ts";
import { GROUP, worldOf } from "./worlds.ts";

const world = worldOf({ seed: 4, distance: 0.3 });
const optimizer = sgd(0.1);
const stateOf = (memory?: Memory) => initTrainingState(world.params, optimizer, key(1), memory);

async function numbers(memory: Remembered): Promise<Record<string, number>> {
  const entries = Object.entries(memory);
  return Object.fromEntries(
    await Promise.all(entries.map(async ([name, x]) => [name, await x.item()] as const)),
  );
}

Deno.test("BCO remembers the mean of all rewards, each counted once", async () => {
  const objective = bcoUnpaired();
  const step = trainingStep({ policy, objective, optimizer: sgd(0) });
  const first = step(stateOf(objective.memory), world.labels);
  const second = step(first.state, world.labels);
  const mean = await first.metrics["rewards/mean"]?.item() ?? NaN;
  const rows = world.labels.ids.shape[0] ?? NaN;
  const [one, two] = [await numbers(first.state.memory), await numbers(second.state.memory)];
  assertEquals([one.reward_count, two.reward_count], [rows, 2 * rows]);
  // The policy stays, and with it the rewards and their mean; in f32.
  for (const { reward_shift = NaN } of [one, two]) assertAlmostEquals(reward_shift, mean, 1e-6);
  assertAlmostEquals(await second.metrics.reward_shift?.item() ?? NaN, mean, 1e-6);
});

/** The memory of an adaptive bonus after a step in which tokens had an entropy on average. */
function after(entropy: number, before: Record<string, number>, limits = {}) {
  const { memory } = adaptiveEntropyBonus({ target: 0.2, change: 0.005, ...limits });
  const metrics = { entropy: { total: tensor(4 * entropy), weight: tensor(4) } };
  const scalars = mapTree(before, (x) => x);
  const given = Object.fromEntries(Object.entries(scalars).map(([name, x]) => [name, tensor(x)]));
  return numbers(memory?.next(given, { terms: [], metrics }) ?? {});
}

Deno.test("the weight of an entropy bonus rises at low entropy, falls at high, within its limits", async () => {
  const close = async (found: Promise<Record<string, number>>, weight: number, isLow: number) => {
    const { entropy_weight = NaN, entropy_is_low } = await found;
    assertAlmostEquals(entropy_weight, weight, 1e-7);
    assertEquals(entropy_is_low, isLow);
  };
  const start = { entropy_weight: 0.1, entropy_is_low: 0 };
  await close(after(0.1, start), 0.105, 1);
  await close(after(0.2, start), 0.105, 1);
  await close(after(0.3, start), 0.095, 0);
  await close(after(0.1, start, { max: 0.102 }), 0.102, 1);
  await close(after(0.3, start, { min: 0.098, start: 0.1 }), 0.098, 0);
});

Deno.test("an adaptive bonus is in a step after the first one of low entropy, whole or cut", async () => {
  const objective = adaptiveEntropyGrpo({
    groupSize: GROUP,
    entropy: { target: 100, start: 0.5, change: 0.25 },
  });
  const training = { policy, objective, optimizer };
  const first = trainingStep(training)(stateOf(objective.memory), world.rollouts);
  assertEquals(await first.metrics.entropy_weight?.item(), 0);
  const rows = world.rollouts.ids.shape[0] ?? NaN;
  const part = (from: number) => mapTree(world.rollouts, (x) => slice(x, 0, from, from + GROUP));
  const accumulate = accumulateGradients<Parameters, typeof world.rollouts>(training);
  let sums = accumulate(first.state, part(0));
  for (let from = GROUP; from < rows; from += GROUP) {
    sums = accumulate(first.state, part(from), sums);
  }
  const cut = applyAccumulated(training)(first.state, sums);
  const whole = trainingStep(training)(first.state, world.rollouts);
  for (const { metrics, state } of [cut, whole]) {
    assertAlmostEquals(await metrics.entropy_weight?.item() ?? NaN, 0.75);
    assertEquals(await numbers(state.memory), { entropy_weight: 1, entropy_is_low: 1 });
  }
});

Deno.test("a state without what the objective remembers is refused, and so are two of one memory", () => {
  const objective = bcoUnpaired();
  const step = trainingStep({ policy, objective, optimizer });
  assertThrows(
    () => step(stateOf(), world.labels),
    RangeError,
    "the training's state has no reward_shift, reward_count",
  );
  assertThrows(
    () => sumOf(adaptiveEntropyBonus(), adaptiveEntropyBonus()),
    RangeError,
    "both parts remember entropy_weight, entropy_is_low",
  );
  assertEquals(weight(2, objective).memory, objective.memory);
  assertEquals(Object.keys(firstMemory(objective.memory)), ["reward_shift", "reward_count"]);
});
