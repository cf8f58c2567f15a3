/** Every optimizer that settings name: it trains, and its state is the same after an interruption. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { leafPaths, leavesOf, onDevice, tensor, wasm, zeros } from "@unitune/core";
import {
  memoryStore,
  planOf,
  prepareTasks,
  train,
  type TrainSettings,
  trainSettings,
} from "@unitune/training";
import { optimizerOf, scheduleOf } from "../../training/learner/optimizer.ts";

const device = wasm({ threads: 1 });

const tiny = {
  ...{ layers: 1, heads: 1, width: 32, tasks: "pick", examples: 48 },
  ...{ batchSize: 8, steps: 8, loggingSteps: 1, evalSteps: 99, saveSteps: 1, warmupSteps: 0 },
};

/** The losses of all steps and the parameters behind them, of a run that is cut off once. */
async function trained(settings: TrainSettings, cutAt = Infinity) {
  const prepared = await prepareTasks([settings]);
  const store = memoryStore();
  const losses: number[] = [];
  let count = 0;
  for (let isDone = false; !isDone;) {
    isDone = true;
    for await (const event of train(planOf({ stages: [settings], prepared, device, store }))) {
      if (event.kind === "metrics") losses[event.step] = event.metrics.loss ?? NaN;
      if (++count !== cutAt) continue;
      isDone = false;
      break;
    }
  }
  const { policy } = await store.latest()?.models() ?? {};
  const numbers = new Map<string, ArrayLike<number>>();
  for (const [path, leaf] of leafPaths(policy)) numbers.set(path, await leaf.data());
  return { losses, numbers };
}

/** The optimizers with rates at which they learn in a few steps. */
const rates = [
  ["adamw", 1e-2],
  ["adamw8bit", 1e-2],
  ["adafactor", 1e-2],
  ["muon", 1e-2],
  ["rmsprop", 1e-2],
  ["lion", 1e-3],
  ["sgd", 0.3],
] as const;

for (const [optimizer, learningRate] of rates) {
  Deno.test(`${optimizer}: a run learns, and goes on to the same bits`, async () => {
    const settings = trainSettings({ ...tiny, optimizer, learningRate });
    const whole = await trained(settings);
    const [first = NaN, last = NaN] = [whole.losses[1], whole.losses.at(-1)];
    assert(last < 0.9 * first, `${first} to ${last}`);
    assertEquals(await trained(settings, 9), whole);
  });
}

Deno.test("embeddings and heads are AdamW's, other matrices Muon's", async () => {
  const params = { embedding: zeros([17, 4]), inside: zeros([4, 8]), bias: zeros([4]) };
  const settings = trainSettings({ optimizer: "muon", weightDecay: 0, gradientClip: 0 });
  const optimizer = optimizerOf(settings, 17);
  const gradient = {
    embedding: tensor(new Float32Array(68).fill(2), { shape: [17, 4] }),
    inside: tensor(new Float32Array(32).fill(2), { shape: [4, 8] }),
    bias: tensor(new Float32Array(4).fill(2)),
  };
  const { updates } = optimizer.update(gradient, optimizer.init(params), params);
  const [embedding] = await updates.embedding.data();
  // The first step of AdamW is the rate times the sign; that of equal rows has one singular value.
  assertEquals(embedding, (await updates.bias.data())[0]);
  assert(embedding !== (await updates.inside.data())[0]);
});

Deno.test("the steps of Adafactor are as long for large parameters as for small ones", async () => {
  const settings = trainSettings({ optimizer: "adafactor", gradientClip: 0, weightDecay: 0 });
  const optimizer = optimizerOf(settings, 1);
  const updateOf = async (size: number) => {
    const params = { w: tensor([[size, -size], [size, size]]) };
    const gradient = { w: tensor([[1, 2], [3, 5]]) };
    return await optimizer.update(gradient, optimizer.init(params), params).updates.w.data();
  };
  assertEquals(await updateOf(100), await updateOf(1));
});

Deno.test("a gradient is clipped to the norm that is set, or not at all", async () => {
  const updateOf = async (gradientClip: number) => {
    const given = { optimizer: "sgd", beta1: 0, learningRate: 1, warmupSteps: 0 } as const;
    const optimizer = optimizerOf(trainSettings({ ...given, gradientClip }), 1);
    const params = { w: zeros([2]) };
    const { updates } = optimizer.update({ w: tensor([3, 4]) }, optimizer.init(params), params);
    return [...await updates.w.data()];
  };
  assertEquals(await updateOf(0), [-3, -4]);
  assertEquals(await updateOf(9), [-3, -4]);
  // Of norm 5; a rounding of f32 apart.
  for (const [i, value] of (await updateOf(2)).entries()) {
    assertAlmostEquals(value, [-1.2, -1.6][i] ?? NaN, 1e-6);
  }
});

Deno.test("moments of 8 bits and of rows and columns take less room than AdamW's", () => {
  const params = { w: zeros([128, 256]) };
  const bytesOf = (optimizer: TrainSettings["optimizer"]) =>
    leavesOf(onDevice(optimizerOf(trainSettings({ optimizer }), 1).init(params), device))
      .reduce((total, { shape }) => total + 4 * shape.reduce((a, b) => a * b, 1), 0);
  const [adamw, eight, factored] = (["adamw", "adamw8bit", "adafactor"] as const).map(bytesOf);
  const size = 4 * 128 * 256;
  // A step is counted once for the moments and once for the rate.
  assertEquals(adamw, 2 * size + 8);
  assertEquals(eight, size / 2 + 2 * 4 * 128 + 12);
  assertEquals(factored, 4 * (128 + 256) + 8);
});

Deno.test("the rate goes down to a tenth of its peak, unless it is told", async () => {
  const given = { learningRate: 1, warmupSteps: 2, steps: 10 };
  for (const [own, end] of [[{}, 0.1], [{ minLearningRate: 0.5 }, 0.5]] as const) {
    const schedule = scheduleOf(trainSettings({ ...given, ...own }));
    assertAlmostEquals(await schedule(tensor(10, { dtype: "i32" })).item(), end, 1e-7);
  }
});
