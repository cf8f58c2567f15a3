/** The trainer over a store in memory: its events, interruptions at every one of them, failures. */
import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { leafPaths, leavesOf, OutOfMemoryError } from "@unitune/core";
import {
  copyTree,
  DeviceFailedError,
  DivergedError,
  type MemoryStore,
  memoryStore,
  noCost,
  type StagePlan,
  type Store,
  tokenCost,
  train,
  type TrainingEvent,
  type TrainingPlan,
} from "@unitune/training";
// Not public: the places of weights.
import { hostModels, uploadTree } from "../../training/learner/models.ts";
import { toyPlan, toyStage } from "./toy_run.ts";

const stages = [toyStage(5, { notes: ["a note"] }), toyStage(4, { samples: true })];

/** An event in a few words. */
function brief(event: TrainingEvent): string {
  const place = `${event.stage}:${event.step}`;
  switch (event.kind) {
    case "phase":
      return `${place} ${[event.phase, event.split ?? []].flat().join(" ")}`;
    case "evaluation":
      return `${place} evaluation of ${event.report.split}`;
    case "step":
      return `${place} step${event.measured === undefined ? "" : ", read"}`;
    default:
      return `${place} ${event.kind}`;
  }
}

Deno.test("events come in order, those of a step before its own", async () => {
  const events = (await Array.fromAsync(train(toyPlan(stages)))).map(brief);
  assertEquals(events, [
    ...["0:0 preparing", "0:0 note"],
    ...["0:0 evaluating first", "0:0 evaluation of first"],
    ...["0:0 evaluating second", "0:0 evaluation of second"],
    ...["0:0 saving", "0:0 saved", "0:0 stage"],
    ...["0:1 step", "0:2 metrics", "0:2 step, read", "0:2 saving", "0:2 saved"],
    ...["0:3 step, read", "0:3 evaluating first", "0:3 evaluation of first"],
    ...["0:4 metrics", "0:4 step, read", "0:4 saving", "0:4 saved"],
    ...["0:5 metrics", "0:5 step, read"],
    ...["0:5 evaluating first", "0:5 evaluation of first"],
    ...["0:5 evaluating second", "0:5 evaluation of second"],
    ...["0:5 saving", "0:5 saved"],
    ...["1:5 preparing", "1:5 stage"],
    ...["1:6 rollouts", "1:6 metrics", "1:6 step, read"],
    ...["1:6 evaluating first", "1:6 evaluation of first", "1:6 saving", "1:6 saved"],
    ...["1:7 rollouts", "1:7 step"],
    ...["1:8 rollouts", "1:8 metrics", "1:8 step, read", "1:8 saving", "1:8 saved"],
    ...["1:9 rollouts", "1:9 metrics", "1:9 step, read"],
    ...["1:9 evaluating first", "1:9 evaluation of first"],
    ...["1:9 evaluating second", "1:9 evaluation of second"],
    ...["1:9 saving", "1:9 saved"],
  ]);
});

Deno.test("a step that is read tells the last loss and the mean reward since the last time", async () => {
  const loss = (index: number) => index + 10;
  const plan = toyPlan([toyStage(3, { samples: true, loss })], { loggingSteps: 3, saveSteps: 3 });
  const read = (await Array.fromAsync(train(plan))).flatMap((event) =>
    event.kind === "step" && event.measured !== undefined ? [event.measured] : []
  );
  assertEquals(read, [{ loss: 12, reward: 1 }]);
});

Deno.test("a step that is read tells the mean share of answers that nobody could judge, if any", async () => {
  const unscorable = (index: number) => [0.5, 0.25, 0, 0][index] ?? NaN;
  const plan = toyPlan([toyStage(4, { unscorable, loss: () => 1 })], {
    ...{ loggingSteps: 2, saveSteps: 4, evalSteps: 4 },
  });
  const read = (await Array.fromAsync(train(plan))).flatMap((event) =>
    event.kind === "step" && event.measured !== undefined ? [event.measured] : []
  );
  assertEquals(read, [{ loss: 1, unscorable: 0.375 }, { loss: 1 }]);
});

Deno.test("answers of the first four steps of each logging interval are shown", async () => {
  const shown = async (loggingSteps: number) => {
    const plan = toyPlan([toyStage(2), toyStage(14, { samples: true })], {
      ...{ loggingSteps, saveSteps: 20, evalSteps: 20 },
    });
    return (await Array.fromAsync(train(plan))).flatMap((event) =>
      event.kind === "rollouts" ? [event.step - 2] : []
    );
  };
  assertEquals(await shown(6), [1, 2, 3, 4, 7, 8, 9, 10, 13, 14]);
  assertEquals(await shown(3), Array.from({ length: 14 }, (_, i) => i + 1));
});

Deno.test("every step tells the cost so far, and one that is read the padding of the last", async () => {
  const plan = toyPlan([toyStage(3, { padding: (index) => index / 4 })], { loggingSteps: 2 });
  const steps = (await Array.fromAsync(train(plan))).flatMap((event) =>
    event.kind === "step" ? [[event.cost, event.measured?.padding]] : []
  );
  const cost = (examples: number) => ({
    ...{ examples, forwardTokens: 100 + 3 * examples, backwardTokens: 2 * examples },
  });
  assertEquals(steps, [[cost(1), undefined], [cost(2), 0.25], [cost(3), 0.5]]);
});

Deno.test("a run gives up the policy of its start if it may, and no stage looks back at it", async () => {
  const isThere = async (looksBack: boolean, more: Partial<TrainingPlan>) => {
    const { policy } = toyPlan([]).start();
    const start = await copyTree(policy);
    const plan = toyPlan([toyStage(1, { looksBack })], {
      start: () => ({ policy: start }),
      ...more,
    });
    await Array.fromAsync(train(plan));
    const [leaf] = leavesOf(start);
    return await leaf?.data().then(() => true, () => false);
  };
  assertEquals(await isThere(false, {}), true);
  assertEquals(await isThere(true, { ownsStart: true }), true);
  assertEquals(await isThere(false, { ownsStart: true }), false);
});

Deno.test("a start on the device is read to the host, unless the run owns it", async () => {
  const placeOf = async (ownsStart: boolean) => {
    const plan = toyPlan([toyStage(1)]);
    const policy = uploadTree((await hostModels(plan.start())).policy, plan.device);
    const kinds = new Set<string>();
    const stage = toyStage(1);
    const watched: StagePlan = {
      ...stage,
      learner: (start, ownsStart) => {
        for (const { cell } of leavesOf(start.policy)) kinds.add(cell.value.kind);
        return stage.learner(start, ownsStart);
      },
    };
    const own = { ...plan, stages: [watched], start: () => ({ policy }), ownsStart };
    await Array.fromAsync(train(own));
    return [...kinds];
  };
  assertEquals([await placeOf(false), await placeOf(true)], [["host"], ["device"]]);
});

Deno.test("a stage that goes on reads the policy of its start as outlines, unless it looks back", async () => {
  const seen = async (looksBack: boolean) => {
    const store = memoryStore();
    const kinds: string[] = [];
    const stage = toyStage(4, { looksBack });
    const watched: StagePlan = {
      ...stage,
      learner: (start, ownsStart) => {
        kinds.push(...new Set(leavesOf(start.policy).map(({ cell }) => cell.value.kind)));
        return stage.learner(start, ownsStart);
      },
    };
    const plan = toyPlan([watched], { store, saveSteps: 2 });
    for await (const event of train(plan)) if (event.kind === "saved" && event.step === 2) break;
    await Array.fromAsync(train(plan));
    return kinds;
  };
  assertEquals(await seen(false), ["host", "outline"]);
  assertEquals(await seen(true), ["host", "host"]);
});

Deno.test("costs add up, those of a stage's preparation with its first step", async () => {
  const costs = (await Array.fromAsync(train(toyPlan(stages)))).flatMap((event) =>
    event.kind === "metrics" ? [[event.step, event.epoch, event.cost.forwardTokens]] : []
  );
  assertEquals(costs, [
    ...[[2, 0.5, 106], [4, 1, 112], [5, 1.25, 115]],
    ...[[6, 0.25, 218], [8, 0.75, 224], [9, 1, 227]],
  ]);
});

Deno.test("a stage ends with the step that spends its budget, and the next counts on", async () => {
  // A step costs 3 + 2 x 2, and the preparation of a stage 100: the first stage is over at 100 + 3 x
  // 7 = 121 tokens, and the second at 121 + 100 + 2 x 7 = 235.
  const shares: (number | undefined)[] = [];
  const before = (_: number, spent?: number) => shares.push(spent);
  const plan = toyPlan([
    toyStage(9, { budget: 120, before }),
    toyStage(9, { budget: 230, before, samples: true }),
  ]);
  const events = await Array.fromAsync(train(plan));
  const steps = events.flatMap((event) =>
    event.kind === "step" ? [[event.step, tokenCost(event.cost)]] : []
  );
  assertEquals(steps, [[1, 107], [2, 114], [9, 121], [10, 228], [18, 235]]);
  // Each step knows what was spent before it, of its own stage's part.
  const own = (total: number) => Math.max(0, (total - 120) / 110);
  assertEquals(shares, [100 / 120, 107 / 120, 114 / 120, own(221), own(228)]);
  // The end of a stage is that of its last step: read, evaluated and saved.
  const ends = events.flatMap((event) => event.kind === "saved" ? [event.step] : []);
  assertEquals(ends, [0, 2, 9, 10, 18]);
});

Deno.test("interrupted anywhere, a run with budgets ends with the same bits", async () => {
  const plan = () => toyPlan([toyStage(9, { budget: 120 }), toyStage(9, { budget: 230 })]);
  const whole = plan();
  const all = await Array.fromAsync(train(whole));
  const state = async (plan: TrainingPlan) => {
    const saved = await plan.store.open({ isRegular: () => true, isStart: () => true });
    const leaves = leavesOf((await saved?.models())?.policy);
    return [saved?.step, saved?.cost, await Promise.all(leaves.map((leaf) => leaf.data()))];
  };
  const ended = await state(whole);
  // Every fifth event: among them are some of each kind, in both stages.
  for (let stop = 0; stop < all.length; stop += 5) {
    const cut = plan();
    let event = 0;
    for await (const _ of train(cut)) if (event++ === stop) break;
    await Array.fromAsync(train(cut));
    assertEquals(await state(cut), ended);
  }
});

/** A run of a store whose checkpoints know how many of the run's lines belong to them. */
interface Written {
  readonly store: MemoryStore;
  /** What was written down of events, as a run folder has it. */
  readonly lines: string[];
  /** How many lines there were at the latest checkpoint. */
  length: number;
}

function written(): Written {
  const store = memoryStore();
  const run: Written = {
    lines: [],
    length: 0,
    store: {
      ...store,
      open: (kept) => {
        run.lines.length = run.length;
        return store.open(kept);
      },
      save: async (checkpoint) => {
        const saved = await store.save(checkpoint);
        run.length = run.lines.length;
        return saved;
      },
    },
  };
  return run;
}

/** Goes on with a run for so many events at most; returns how many there were. */
async function goOn(plan: TrainingPlan, run: Written, most = Infinity): Promise<number> {
  let count = 0;
  for await (const event of train({ ...plan, store: run.store })) {
    const isLine = event.kind === "metrics" || event.kind === "evaluation" ||
      event.kind === "rollouts";
    if (isLine) run.lines.push(JSON.stringify(event));
    if (++count >= most) break;
  }
  return count;
}

/** The numbers of a run's latest models, by their paths. */
async function numbersOf({ store }: Written): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const { policy } = await store.latest()?.models() ?? {};
  const numbers = new Map<string, ArrayLike<number>>();
  for (const [path, leaf] of leafPaths(policy)) numbers.set(path, await leaf.data());
  return numbers;
}

for (const looksBack of [false, true]) {
  const name = looksBack ? "asks its start" : "asks nothing of its start";
  Deno.test(`interrupted at any event, a run whose stage ${name} ends with the same bits`, async () => {
    const both = toyPlan([toyStage(3, { looksBack }), toyStage(2, { samples: true, looksBack })]);
    const plan = { ...both, loggingSteps: 1, splits: both.splits.slice(0, 1) };
    const whole = written();
    const count = await goOn(plan, whole);
    const numbers = await numbersOf(whole);
    assertEquals(whole.store.latest()?.step, 5);
    for (let most = 1; most < count; most++) {
      const cut = written();
      await goOn(plan, cut, most);
      await goOn(plan, cut);
      assertEquals(cut.lines, whole.lines, `cut after ${most} events`);
      assertEquals(await numbersOf(cut), numbers, `cut after ${most} events`);
    }
  });
}

Deno.test("stopped by its signal after any step, a run goes on to the same bits", async () => {
  const plan = toyPlan([toyStage(3), toyStage(2, { samples: true })], { saveSteps: 10 });
  const whole = written();
  await goOn(plan, whole);
  for (const last of [0, 1, 2, 3, 4]) {
    const cut = written();
    const controller = new AbortController();
    for await (const event of train({ ...plan, store: cut.store, signal: controller.signal })) {
      if (event.kind === "metrics" || event.kind === "evaluation" || event.kind === "rollouts") {
        cut.lines.push(JSON.stringify(event));
      }
      if (event.step >= last) controller.abort();
    }
    assertEquals(cut.store.latest()?.step, last);
    await goOn(plan, cut);
    assertEquals(cut.lines, whole.lines);
    assertEquals(await numbersOf(cut), await numbersOf(whole));
  }
});

Deno.test("a complete run has no more events", async () => {
  const plan = toyPlan(stages);
  await Array.fromAsync(train(plan));
  assertEquals(await Array.fromAsync(train(plan)), []);
});

Deno.test("a stage's start is kept where the stage looks back at it, or hands on", async () => {
  const stepsKept = async (looksBack: boolean) => {
    const store = memoryStore();
    await Array.fromAsync(train(toyPlan([toyStage(4, { looksBack }), toyStage(2)], { store })));
    const found = await Promise.allSettled([0, 2, 4, 6].map((step) => store.at(step)));
    return found.flatMap((one) => one.status === "fulfilled" ? [one.value.step] : []);
  };
  assertEquals(await stepsKept(false), [4, 6]);
  assertEquals(await stepsKept(true), [0, 4, 6]);
});

Deno.test("the models that a stage is lent are handed on where the stage begins, and nowhere else", async () => {
  const { policy } = toyPlan([]).start();
  const lends = (name: string): StagePlan => ({
    ...toyStage(2),
    lent: () => Promise.resolve({ [name]: { model: name, params: policy } }),
  });
  const known: Record<number, readonly string[]> = {};
  const store = memoryStore();
  const noting: Store = {
    ...store,
    save: (checkpoint) => {
      known[checkpoint.step] = Object.keys(checkpoint.models).toSorted();
      return store.save(checkpoint);
    },
  };
  const plan = toyPlan([lends("rewardModel"), lends("other"), toyStage(2)], { store: noting });
  await Array.fromAsync(train({ ...plan, saveSteps: 1, splits: [] }));
  assertEquals(known, {
    ...{ 0: ["policy", "rewardModel"], 1: ["policy"] },
    // The end of a stage is the start of the next one.
    ...{ 2: ["other", "policy"], 3: ["policy"], 4: ["policy"], 5: ["policy"], 6: ["policy"] },
  });
});

Deno.test("a store in memory that was not opened keeps the latest checkpoint", async () => {
  const store = memoryStore();
  const models = toyPlan([]).start();
  for (const step of [1, 2, 2]) await store.save({ step, cost: noCost, models, state: {} });
  assertEquals([store.latest()?.step, (await store.at(2)).step], [2, 2]);
  await assertRejects(() => store.at(1), RangeError, "there is no checkpoint of step 1");
});

/** A store that cannot save at a step. */
function failing(store: Store, at: number): Store {
  return {
    ...store,
    save: (checkpoint) =>
      checkpoint.step === at ? Promise.reject(new Error("full")) : store.save(checkpoint),
  };
}

Deno.test("a store that cannot save stops the run, which goes on from what it saved before", async () => {
  const whole = written();
  const plan = toyPlan(stages);
  await goOn(plan, whole);
  for (const at of [0, 4, 9]) {
    const cut = written();
    await assertRejects(
      () => Array.fromAsync(train({ ...plan, store: failing(cut.store, at) })),
      Error,
      "full",
    );
    assertLess(cut.store.latest()?.step ?? -1, at);
    cut.length = 0;
    await goOn(plan, cut);
    assertEquals(await numbersOf(cut), await numbersOf(whole));
  }
});

Deno.test("a loss that is not finite stops the run, and the error knows where", async () => {
  const loss = (index: number) => index === 2 ? NaN : 1;
  const plan = toyPlan([toyStage(5, { loss })], { loggingSteps: 1 });
  const events: string[] = [];
  const error = await assertRejects(async () => {
    for await (const event of train(plan)) events.push(brief(event));
  }, DivergedError);
  assertEquals(error.place, { step: 3, saved: 2 });
  assertEquals(error.quantities.loss, NaN);
  assertEquals(events.at(-1), "0:2 saved");
});

Deno.test("weights whose predictions are not finite are evaluated or saved by no run", async () => {
  const stopped = async (evalSteps: number, saveSteps: number, sequences = 2) => {
    const stage = toyStage(5, { loss: () => 1, added: (index) => index === 2 ? NaN : 0 });
    const plan = toyPlan([stage], { evalSteps, saveSteps, loggingSteps: 1 });
    const splits = plan.splits.map((split) => ({
      ...split,
      sequences: Array.from({ length: sequences }, () => split.sequences.slice(0, 1)).flat(),
    }));
    const error = await assertRejects(
      () => Array.fromAsync(train({ ...plan, splits })),
      DivergedError,
    );
    return [error.place, error.quantities];
  };
  // After the third step they are evaluated, or probed before they are saved.
  assertEquals(await stopped(3, 9), [{ step: 3, saved: 0 }, { "loss on first": NaN }]);
  assertEquals(await stopped(9, 4), [{ step: 4, saved: 0 }, { "validation loss": NaN }]);
  // By a sequence, or some of many.
  for (const sequences of [1, 2, 65]) {
    assertEquals(await stopped(9, 3, sequences), [
      { step: 3, saved: 0 },
      { "validation loss": NaN },
    ]);
  }
});

Deno.test("a device without memory stops the run, and the error knows where", async () => {
  const before = (index: number) => {
    if (index === 3) throw new OutOfMemoryError("no memory left");
  };
  const plan = toyPlan([toyStage(5, { before })]);
  const error = await assertRejects(() => Array.fromAsync(train(plan)), DeviceFailedError);
  assertEquals(error.place, { step: 3, saved: 2 });
  assertInstanceOf(error.cause, OutOfMemoryError);
  assert(error.message.includes("no memory left"));
});

Deno.test("other failures of a learner pass as they are", async () => {
  const before = () => {
    throw new RangeError("no row");
  };
  const plan = toyPlan([toyStage(1, { before })]);
  await assertRejects(() => Array.fromAsync(train(plan)), RangeError, "no row");
});

Deno.test("a long stage leaves the event loop its turns", async () => {
  const controller = new AbortController();
  // A timer fires only where the run gives way.
  setTimeout(() => controller.abort(), 0);
  const most = 1_000_000;
  const plan = toyPlan([toyStage(most)], {
    ...{ loggingSteps: most, evalSteps: most, saveSteps: most, splits: [] },
    signal: controller.signal,
  });
  let last = 0;
  for await (const { step } of train(plan)) last = step;
  assertLess(last, most);
});
