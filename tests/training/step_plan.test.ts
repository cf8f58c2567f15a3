/** What a step takes: planned before weights are there, and what it then takes. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Device, leavesOf, mapTree, mul, outline, tensor, wasm } from "@unitune/core";
import { withScore } from "@unitune/models";
import {
  alone,
  type Collective,
  collectivesInMemory,
  createLearner,
  type GivenSettings,
  initialModels,
  memoryLimit,
  messageText,
  parseBytes,
  prepareTasks,
  SettingsError,
  showBytes,
  totalMemory,
  type TrainSettings,
  trainSettings,
  UserError,
} from "@unitune/training";
import { hostTree, storedModels, uploadTree } from "../../training/learner/models.ts";
import { evaluationBytes, evaluationMemory } from "../../training/evaluation.ts";
import { requireRoomFor, treeBytes } from "../../training/learner/step_plan.ts";

const tiny = { layers: 3, heads: 1, width: 32, examples: 30, batchSize: 8, steps: 4 };

/** The parts of a stage of tiny settings. */
async function stageOf(given: GivenSettings) {
  const settings = trainSettings({ ...tiny, ...given });
  const prepared = await prepareTasks([settings]);
  const { policy } = initialModels(settings, prepared);
  return { settings, stage: 0, prepared, start: { policy } };
}

for (
  const [name, given] of Object.entries<GivenSettings>({
    "one program": { objective: "sft", average: "bema" },
    "programs for micro-batches and update": { objective: "sft", gradientAccumulation: 3 },
    "pairs": { objective: "orpo", batchTokens: 100 },
    "blocks computed again": { objective: "sft", checkpointActivations: "blocks" },
    "weights of 16 bits": {
      ...{ objective: "dpo", rejected: "model", weights: "bf16" },
      ...{ average: "ema", averageUse: "reference" },
    },
  })
) {
  Deno.test(`plan of a step, ${name}: it takes what is planned`, async () => {
    using device = wasm({ threads: 1 });
    using learner = await createLearner({ ...await stageOf(given), device });
    const { plan } = learner;
    assert(plan !== undefined);
    const used = () => {
      const { bytes, keptBytes } = device.statistics();
      return bytes - keptBytes;
    };
    let state = learner.init();
    for (let step = 0; step < 2; step++) ({ state } = await learner.step(state, step));
    const planned = totalMemory(plan.memory);
    // A step's own sums are gone after it; tables of addresses are not planned, and rows may be
    // shorter than the longest.
    const { gradients: sums, caches } = plan.memory;
    const step = planned - caches;
    assert(used() <= 1.02 * step + 16384, `${used()} of ${step}`);
    assert(used() >= 0.9 * (step - sums), `${used()} of ${step}, sums ${sums}`);
    assertEquals(plan.memory.optimizer >= 2 * plan.memory.weights, true);
  });
}

Deno.test("plan of a step: of outlines it is that of weights, and nothing is computed for it", async () => {
  for (const objective of ["sft", "dpo", "grpo", "ppo"]) {
    // Evaluations of a row take less than a step; only plans by outlines look at them.
    const given = { objective, evalBatchSize: 1 };
    const stage = await stageOf({ ...given, ...objective === "dpo" && { rejected: "model" } });
    const { settings, prepared, start: { policy } } = stage;
    using device = wasm({ threads: 1 });
    const params = mapTree(policy, outline);
    const start = { policy: params, rewardModel: withScore(prepared.model, params) };
    using learner = await createLearner({ ...stage, start, device, isOutline: true });
    const { bytes, keptBytes } = device.statistics();
    assertEquals(bytes - keptBytes, 0);
    assert(learner.plan !== undefined);
    const { memory, recomputes, multiplications, movedBytes } = learner.plan;
    assertEquals([recomputes, memory.frozen < 1024], [false, objective !== "ppo"], objective);
    if (objective === "ppo") {
      // The reference, which scores answers: the policy without its critic, and some constants.
      const others = memory.frozen - treeBytes(policy);
      assert(others >= 0 && others < 1024, `${others}`);
      const judged = { ...settings, rewards: "reward-model" };
      using learner = await createLearner({
        ...stage,
        settings: judged,
        start,
        device,
        isOutline: true,
      });
      const judge = treeBytes(withScore(prepared.model, params));
      assertEquals((learner.plan?.memory.frozen ?? 0) - memory.frozen, judge);
    }
    assert(multiplications > 1e6 && movedBytes > 1e6);
    if (objective !== "sft") continue;
    using real = await createLearner({ ...stage, device });
    assertEquals(real.plan, learner.plan);
    assertEquals(settings.checkpointActivations, "auto");
  }
});

Deno.test("a stage that owns the policy of its start trains those tensors, and makes no copy", async () => {
  const stage = await stageOf({ objective: "sft" });
  for (const ownsStart of [false, true]) {
    using device = wasm({ threads: 1 });
    const start = { policy: uploadTree(await hostTree(stage.start.policy), device) };
    using learner = await createLearner({ ...stage, start, device, ownsStart });
    const trained = new Set(leavesOf(learner.init()));
    const leaves = leavesOf(start.policy);
    assertEquals(leaves.map((leaf) => trained.has(leaf)), leaves.map(() => ownsStart));
  }
});

Deno.test("plan of a step: processes share out the state of the optimizer, and nothing else", async () => {
  using device = wasm({ threads: 1 });
  const stage = await stageOf({ objective: "sft", layers: 1 });
  const memoryOf = async (shardOptimizer: boolean, collective: Collective) => {
    const settings = { ...stage.settings, shardOptimizer };
    using learner = await createLearner({
      ...{ ...stage, settings, device, collective, isOutline: true },
    });
    assert(learner.plan !== undefined);
    return learner.plan.memory;
  };
  const processes = collectivesInMemory(3);
  const whole = await memoryOf(false, processes[0] ?? alone);
  assertEquals((await memoryOf(true, alone)).optimizer, whole.optimizer);
  const shared = await Promise.all(processes.map((process) => memoryOf(true, process)));
  for (const { optimizer, weights } of shared) {
    assertEquals(weights, whole.weights);
    assert(Math.abs(optimizer - whole.optimizer / 3) < 0.1 * whole.optimizer);
  }
  // Each counts the steps by itself, in two lines of 64 bytes.
  const sum = shared.reduce((total, { optimizer }) => total + optimizer, 0);
  assertEquals(sum, whole.optimizer + 2 * 2 * 64);
});

for (
  const [name, given, size] of [
    ["one program", {}, 1],
    ["programs for micro-batches and update", { gradientAccumulation: 2 }, 1],
    ["two processes", {}, 2],
  ] as const
) {
  Deno.test(`a step takes over the state that it is given: ${name}`, async () => {
    const stage = await stageOf({ objective: "sft", layers: 1, width: 8, ...given });
    await Promise.all(
      collectivesInMemory(size).map(async (collective) => {
        using device = wasm({ threads: 1 });
        using learner = await createLearner({ ...stage, device, collective });
        const state = learner.init();
        await learner.step(state, 0);
        for (const leaf of leavesOf(state)) {
          await assertRejects(() => leaf.data(), Error, "it was donated");
        }
      }),
    );
  });
}

Deno.test("plan of a step: a packed row has scores for each of its texts", async () => {
  using device = wasm({ threads: 1 });
  const rowsOf = async (objective: string) => {
    const given = { objective, packing: true, context: 64 };
    using learner = await createLearner({ ...await stageOf(given), device, isOutline: true });
    return learner.plan?.memory.batch ?? NaN;
  };
  // A log-probability of the reference for each token of a text, of which a batch has 40 and more.
  const [scored, plain] = [await rowsOf("iw-sft"), await rowsOf("sft")];
  assert(scored - plain >= 4 * 40 * 16, `${scored} and ${plain}`);
});

Deno.test("plan of a step: keys and values are those of rollouts or evaluations, whichever are more", async () => {
  using device = wasm({ threads: 1 });
  const cachesOf = async (given: GivenSettings) => {
    const stage = await stageOf(given);
    using learner = await createLearner({ ...stage, device, isOutline: true });
    const { prepared: { model, splits }, settings: { evalBatchSize } } = stage;
    const own = evaluationBytes(model, splits, evalBatchSize);
    return { own, caches: learner.plan?.memory.caches };
  };
  const offline = await cachesOf({ objective: "sft" });
  assertEquals(offline.caches, offline.own);
  const fewer = await cachesOf({ objective: "sft", evalBatchSize: 1 });
  assert(fewer.own < offline.own && fewer.caches === fewer.own);
  const online = await cachesOf({ objective: "grpo", evalBatchSize: 1, groupSize: 4 });
  assert((online.caches ?? 0) > online.own, `${online.caches} and ${online.own}`);
});

Deno.test("plan of a step: evaluations of more rows take more than the step, and are planned", async () => {
  using device = wasm({ threads: 1 });
  const activationsOf = async (evalBatchSize: number, isOutline = true) => {
    const stage = await stageOf({ objective: "sft", batchSize: 1, evalBatchSize, layers: 1 });
    using learner = await createLearner({ ...stage, device, isOutline });
    return learner.plan?.memory.activations ?? NaN;
  };
  const [few, many, step] = [
    await activationsOf(1),
    await activationsOf(64),
    await activationsOf(64, false),
  ];
  assertEquals(few, step);
  assert(many > 2 * few, `${many} and ${few}`);
});

Deno.test("plan of a step: an evaluation of nothing takes nothing", async () => {
  using device = wasm({ threads: 1 });
  const { prepared: { model }, start } = await stageOf({ objective: "sft", layers: 1 });
  const nothing = [{ name: "none", sequences: [], questions: [], notes: [] }];
  const { predictions } = evaluationMemory(model, start.policy, nothing, {
    ...{ rows: 2, device, isOutline: true },
  });
  assertEquals(predictions, 0);
});

Deno.test("plan of a step: answers that are used once are read once, for their scores as well", async () => {
  const multiplicationsOf = async (rolloutEpochs: number) => {
    using device = wasm({ threads: 1 });
    const stage = await stageOf({ objective: "grpo", rolloutEpochs });
    using learner = await createLearner({ ...stage, device, isOutline: true });
    return learner.plan?.multiplications;
  };
  // Answers that are used twice have their scores from a pass before the step.
  assertEquals(await multiplicationsOf(1), await multiplicationsOf(2));
});

Deno.test("plan of a step: under a limit values are computed again, and told", async () => {
  using device = wasm({ threads: 1 });
  const planOf = async (given: GivenSettings) => {
    // So many layers that what lives inside of all blocks at once takes most.
    const own = { ...await stageOf({ ...given, layers: 8 }), device, isOutline: true };
    using learner = await createLearner(own);
    assert(learner.plan !== undefined);
    const { memory, recomputes } = learner.plan;
    return {
      recomputes,
      needed: totalMemory(memory),
      notes: learner.notes.map((x) => messageText(x)),
    };
  };
  const kept = await planOf({ checkpointActivations: "none" });
  const again = await planOf({ checkpointActivations: "blocks" });
  assertEquals([kept.recomputes, again.recomputes], [false, true]);
  assert(again.needed < kept.needed);
  const enough = await planOf({ memory: `${kept.needed}` });
  assertEquals(enough, kept);
  const less = await planOf({ memory: `${kept.needed - 1}` });
  assertEquals([less.recomputes, less.needed], [true, again.needed]);
  assertEquals(
    less.notes.at(-1),
    `values inside of blocks are computed again for their gradient: ` +
      `kept, a step would take ${showBytes(kept.needed)}, and wasm has ${
        showBytes(kept.needed - 1)
      } ` +
      `(checkpointActivations auto)`,
  );
});

Deno.test("plan of a step: one batch takes one program, which moves less than sums and their update", async () => {
  using device = wasm({ threads: 1 });
  const workOf = async (given: GivenSettings) => {
    using learner = await createLearner({ ...await stageOf(given), device, isOutline: true });
    const { multiplications, movedBytes } = learner.plan ?? never();
    return { multiplications, movedBytes };
  };
  const [one, sums] = [await workOf({}), await workOf({ batchTokens: 10_000 })];
  assertEquals(one.multiplications, sums.multiplications);
  assert(one.movedBytes < sums.movedBytes, `${one.movedBytes} and ${sums.movedBytes}`);
});

function never(): never {
  throw new Error("there is a plan");
}

Deno.test("the first batch of later steps is added to zeros, by the program of all others", async () => {
  using own = wasm({ threads: 1 });
  let programs = 0;
  const device: Device = {
    ...own,
    compile: (graph, options) => {
      programs += 1;
      return own.compile(graph, options);
    },
  };
  const given = { objective: "sft", tasks: "reverse", gradientAccumulation: 2 };
  using learner = await createLearner({
    ...{ ...await stageOf({ ...given, layers: 1, width: 8 }), device },
  });
  let state = learner.init();
  const compiled: number[] = [];
  for (const step of [0, 1, 2]) {
    const before = programs;
    ({ state } = await learner.step(state, step));
    compiled.push(programs - before);
  }
  // The very first batch, those behind it, and the update; then zeros.
  assertEquals(compiled, [3, 1, 0]);
});

Deno.test("plan of a step: what does not fit is refused before anything is computed", async () => {
  using device = wasm({ threads: 1 });
  const stage = await stageOf({ memory: "1MiB" });
  const error = await createLearner({ ...stage, device }).then(() => undefined, (error) => error);
  assert(error instanceof UserError);
  assert(error.message.startsWith("a step of sft takes "), error.message);
  const { bytes, keptBytes } = device.statistics();
  assertEquals(bytes - keptBytes, 0);
});

Deno.test("plan of a step: a device is told what is going to be taken, once it is", async () => {
  using device = wasm({ threads: 1 });
  const reserved: number[] = [];
  const telling = { ...device, reserve: (bytes: number) => void reserved.push(bytes) };
  const stage = await stageOf({});
  using planned = await createLearner({ ...stage, device: telling, isOutline: true });
  assertEquals(reserved, []);
  using learner = await createLearner({ ...stage, device: telling });
  assert(learner.plan !== undefined && planned.plan !== undefined);
  assertEquals(reserved, [totalMemory(learner.plan.memory)]);
});

Deno.test("a step that does not fit is refused with what takes most, and what to do", () => {
  const device = { name: "wasm", memoryBytes: 2 ** 32 };
  const GIB = 2 ** 30;
  const own = { weights: GIB, frozen: 0, optimizer: 2 * GIB, gradients: GIB, batch: 4096 };
  const state = { ...own, caches: 0 };
  const told = (activations: number, given: Partial<TrainSettings>, recomputes = false) =>
    assertThrows(
      () =>
        requireRoomFor(
          { memory: { ...state, activations }, recomputes },
          { ...trainSettings(tiny), ...given },
          device,
        ),
      UserError,
    ).message;
  assertEquals(
    told(5 * GIB, {}),
    "a step of sft takes 9 GiB (5 GiB for activations, 2 GiB for the state of the optimizer, 1 GiB " +
      "for weights, 1 GiB for gradients), and wasm has 4 GiB: compute activations again by " +
      "checkpointActivations blocks, take a smaller batchSize with more gradientAccumulation, or " +
      "give it more by memory",
  );
  const remedies: readonly (readonly [string, string])[] = [
    [told(5 * GIB, {}, true), "4 GiB: take a smaller batchSize with more"],
    [told(5 * GIB, { batchSize: 2 }, true), "4 GiB: take a smaller batchSize with more"],
    [told(5 * GIB, { batchSize: 1 }, true), "4 GiB: take a smaller context, or give"],
    [told(5 * GIB, { batchTokens: 100 }, true), "4 GiB: take fewer batchTokens, or give"],
    [told(4 * GIB, {}), "4 GiB: take a smaller model, or give it more by memory"],
    [told(4 * GIB, { model: "a" }), "4 GiB: train an adapter by lora, or give it more by memory"],
    [told(4 * GIB, { model: "a", lora: true }), "4 GiB: take a smaller model, or give"],
  ];
  const caches = 6 * GIB;
  assertThrows(
    () =>
      requireRoomFor(
        { memory: { ...state, activations: GIB, caches }, recomputes: false },
        trainSettings(tiny),
        device,
      ),
    UserError,
    "(6 GiB for keys and values of answers, 2 GiB for the state of the optimizer, 1 GiB for weights, " +
      "1 GiB for gradients, 1 GiB for activations), and wasm has 4 GiB: generate fewer answers at " +
      "once by a smaller evalBatchSize or batchSize, or give it more by memory",
  );
  for (const [message, end] of remedies) assert(message.includes(end), message);
  // What takes no more than all others together is not blamed.
  for (const [activations, caches] of [[GIB, 5 * GIB], [4 * GIB, 0]] as const) {
    assertThrows(
      () =>
        requireRoomFor(
          { memory: { ...state, activations, caches }, recomputes: false },
          trainSettings(tiny),
          { ...device, memoryBytes: GIB },
        ),
      UserError,
      "and wasm has 1 GiB: take a smaller model, or give it more by memory",
    );
  }
  const fits = { memory: { ...state, activations: -4096 }, recomputes: false };
  requireRoomFor(fits, trainSettings(tiny), device);
  assertThrows(() => requireRoomFor(fits, trainSettings({ ...tiny, memory: "4GB" }), device));
  requireRoomFor(fits, trainSettings(tiny), { name: "webgpu" });
});

Deno.test("the limit of memory is the device's or the setting's, whichever is less", () => {
  assertEquals(memoryLimit({ memory: undefined }, { memoryBytes: 5 }), 5);
  assertEquals(memoryLimit({ memory: "3GB" }, { memoryBytes: undefined }), 3e9);
  assertEquals(memoryLimit({ memory: "3GB" }, { memoryBytes: 2 ** 32 }), 3e9);
  assertEquals(memoryLimit({ memory: "6GiB" }, { memoryBytes: 2 ** 32 }), 2 ** 32);
  assertEquals(memoryLimit({ memory: undefined }, {}), Infinity);
  for (const memory of ["much", "1023KiB", "3 GBs"]) {
    assertThrows(() => trainSettings({ memory }), SettingsError, "no size from 1 MiB");
  }
  assertEquals(trainSettings({ memory: "1MiB" }).memory, "1MiB");
});

Deno.test("sizes are read with units of 1000 and of 1024, and shown in the largest that they reach", () => {
  const read: Readonly<Record<string, number>> = {
    "7": 7,
    "7B": 7,
    "2kB": 2000,
    "2KiB": 2048,
    "1.5MB": 1.5e6,
    "3mib": 3 * 2 ** 20,
    " 2 GB ": 2e9,
    "2GiB": 2 ** 31,
    "1TB": 1e12,
    "1TiB": 2 ** 40,
    "0.3B": 0,
  };
  for (const [text, bytes] of Object.entries(read)) assertEquals(parseBytes(text), bytes, text);
  for (const text of ["", "GB", "1.GB", ".5GB", "1e3", "1 XB", "1GB!"]) {
    assertEquals(parseBytes(text), undefined, text);
  }
  const shown = [0, 1, 1023, 1024, 2 ** 20 - 1, 3.456 * 2 ** 30, 2 ** 52].map(showBytes);
  assertEquals(shown, [
    "0 bytes",
    "1 bytes",
    "1020 bytes",
    "1 KiB",
    "1020 KiB",
    "3.46 GiB",
    "4100 TiB",
  ]);
});

Deno.test("weights are on the host once, and on the device when a step needs them", async () => {
  const given = { kept: tensor([1, 2]), made: mul(tensor([3]), 2) };
  const held = await hostTree(given);
  assertEquals(held.kept.cell === given.kept.cell, true);
  assertEquals(await held.made.data(), new Float32Array([6]));
  assertEquals(held.made.cell.value.kind, "host");
  using device = wasm({ threads: 1 });
  const placed = uploadTree(held, device);
  assertEquals(leavesOf(placed).map(({ cell }) => cell.value.kind), ["device", "device"]);
  assertEquals(await placed.kept.data(), new Float32Array([1, 2]));
  assertThrows(() => uploadTree(placed, device), RangeError, "device, and not on the host");

  const used = () => {
    const { bytes, keptBytes } = device.statistics();
    return bytes - keptBytes;
  };
  const before = used();
  using learner = await createLearner({ ...await stageOf({}), device });
  const like = learner.like?.();
  assertEquals(used(), before);
  const kinds = leavesOf(like).map(({ cell }) => cell.value.kind);
  assertEquals([...new Set(kinds)], ["outline"]);
  const state = learner.init();
  assert(used() - before >= 3 * (learner.plan?.memory.weights ?? NaN));
  const shapes = (tree: unknown) => leavesOf(tree).map(({ shape, dtype }) => [dtype, ...shape]);
  assertEquals(shapes(like), shapes(state));
});

Deno.test("weights are stored in the type of the settings, outlines too, and are else as they are", async () => {
  const { prepared: { model } } = await stageOf({});
  const kept = tensor([0.5], { dtype: "bf16" });
  const policy = { read: tensor([1, 2]), planned: outline(tensor([3])), kept };
  const storedAs = async (weights: "auto" | "f32" | "bf16") =>
    (await storedModels({ policy }, model, { weights })).policy;
  const dtypes = (tree: unknown) => leavesOf(tree).map(({ dtype }) => dtype);
  assertEquals(await storedAs("auto") === policy, true);
  const narrow = await storedAs("bf16");
  assertEquals(dtypes(narrow), ["bf16", "bf16", "bf16"]);
  const kinds = leavesOf(narrow).map(({ cell }) => cell.value.kind);
  assertEquals(kinds.toSorted(), ["host", "host", "outline"]);
  assertEquals(leavesOf(narrow).includes(kept), true);
  const wide = leavesOf(await storedAs("f32"));
  assertEquals(dtypes(wide), ["f32", "f32", "f32"]);
  assertEquals(wide.includes(policy.read), true);
  const [numbers] = wide.filter(({ shape, cell }) => shape[0] === 1 && cell.value.kind === "host");
  assertEquals(await numbers?.data(), new Float32Array([0.5]));
});
