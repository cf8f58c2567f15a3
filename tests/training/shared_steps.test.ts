/** Steps that several processes share are those of one, whatever they learn from. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wasm } from "@unitune/core";
import {
  collectivesInMemory,
  memoryStore,
  planOf,
  prepareTasks,
  sharedStore,
  train,
  trainSettings,
  UserError,
} from "@unitune/training";
import {
  assertSame,
  paramsOf,
  preparedOf,
  sharedCases,
  sharedRun,
  stagesOf,
} from "./shared_runs.ts";

// tests/slow has the others, and more processes.
for (const name of ["answers", "pairs", "rollouts"] as const) {
  Deno.test(`${name}: two processes have the numbers of one`, async () => {
    const stages = stagesOf({ ...sharedCases[name], steps: 4 });
    const prepared = await preparedOf(name, stages);
    const two = await sharedRun(stages, prepared, 2);
    assertSame(two, await sharedRun(stages, prepared, 1), name);
    if (name !== "answers") return;
    const sharded = stagesOf({ ...sharedCases[name], steps: 4, shardOptimizer: true });
    assertEquals(await sharedRun(sharded, prepared, 2), two);
  });
}

Deno.test("a run goes on among other numbers of processes, which share out the optimizer", async () => {
  const settings = { ...sharedCases.answers, steps: 3, saveSteps: 1 };
  const stages = stagesOf(settings);
  const prepared = await preparedOf("answers", stages);
  const store = memoryStore();
  const sharded = stagesOf({ ...settings, shardOptimizer: true });
  const untilStep = async (size: number, last: number) => {
    await Promise.all(
      collectivesInMemory(size).map(async (collective) => {
        const controller = new AbortController();
        const own = sharedStore(collective, store);
        const plan = planOf({
          ...{ stages: sharded, prepared, device: wasm({ threads: 1 }), store: own, collective },
          signal: controller.signal,
        });
        for await (const { kind, step } of train(plan)) {
          // One process is asked to stop, and all do.
          if (kind === "step" && step === last && collective.rank === size - 1) controller.abort();
        }
      }),
    );
    assertEquals(store.latest()?.step, last);
  };
  await untilStep(2, 1);
  await untilStep(1, 2);
  await untilStep(3, 3);
  const { params } = await sharedRun(stages, prepared, 1);
  const { policy } = await store.latest()?.models() ?? {};
  const got = await paramsOf(policy);
  for (const [path, numbers] of params) {
    Array.from(numbers, (value, i) => {
      const own = got.get(path)?.[i] ?? NaN;
      assert(Math.abs(own - value) <= 1e-5, `${path}[${i}] is ${own}, not ${value}`);
    });
  }
});

Deno.test("a step that has nothing for a process is refused with what to do", async () => {
  const device = wasm({ threads: 1 });
  const refusal = async (given: Parameters<typeof stagesOf>[0], size: number) => {
    const stages = stagesOf(given);
    const prepared = await prepareTasks(stages);
    const [collective] = collectivesInMemory(size);
    assert(collective !== undefined);
    return () => planOf({ stages, prepared, device, store: memoryStore(), collective });
  };
  assertThrows(await refusal({ batchSize: 2 }, 3), UserError, "2 rows for 3 processes");
  const whole = await refusal({ objective: "kto", gradientAccumulation: 2 }, 3);
  assertThrows(whole, UserError, "a step has 2 for 3 processes");
  (await refusal({ batchSize: 3 }, 3))();
  (await refusal({ objective: "kto", gradientAccumulation: 3 }, 3))();
  (await refusal({ batchTokens: 64, batchSize: 2 }, 3))();
  assertEquals(trainSettings({ objective: "kto" }).objective.needsWholeBatch, true);
});

Deno.test("the first process of a shared store saves", () => {
  const [first] = collectivesInMemory(2);
  assert(first !== undefined);
  const reader = { at: () => Promise.reject(new RangeError("nothing is there")) };
  assertThrows(() => sharedStore(first, reader), RangeError, "the first process saves");
});
