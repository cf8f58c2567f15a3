/** Runs on rows of many lengths: by tokens or by rows, resumed or not. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type Device, leafPaths, wasm } from "@unitune/core";
import {
  type Dataset,
  datasetMaterial,
  describeObjective,
  type GivenSettings,
  inRandomOrder,
  memoryStore,
  pairForm,
  planOf,
  prepareRun,
  train,
  trainSettings,
} from "@unitune/training";
import { offlineFeed } from "../../training/feeds/offline.ts";

const own = wasm();

/** The programs that were compiled so far. */
let programs = 0;
const device: Device = {
  ...own,
  compile: (graph, options) => {
    programs += 1;
    return own.compile(graph, options);
  },
};

const wordOf = (number: number, length: number) =>
  Array.from({ length }, (_, i) => "abcdefgh"[(number * 5 + i * (number % 7 + 1)) % 8]).join("");

/** Answers of 1 to 150 characters, mostly short ones. */
const answers = Array.from({ length: 40 }, (_, i) => wordOf(i, 1 + (i * i * 7) % 150));

const said = (role: "user" | "assistant", content: string) => ({ role, content });

const datasets: Readonly<Record<string, Dataset>> = {
  demonstrations: {
    kind: "conversations",
    train: answers.map((answer, i) => ({
      messages: [said("user", `${i % 10}`), said("assistant", answer)],
    })),
    validation: [],
  },
  pairs: {
    kind: "pairs",
    train: answers.map((answer, i) => ({
      prompt: [said("user", `${i % 10}`)],
      chosen: [said("assistant", answer)],
      rejected: [said("assistant", `${answers[(i + 1) % 40]}h`)],
    })),
    validation: [],
  },
};

/** The metrics of each step of a run, and its last parameters; `most` events at a time. */
async function ran(kind: string, given: GivenSettings, most = Infinity) {
  const dataset = datasets[kind];
  assert(dataset !== undefined);
  const settings = trainSettings({
    ...{ layers: 1, heads: 1, width: 8, context: 160, seed: 3, steps: 4, batchSize: 6 },
    ...{ loggingSteps: 1, saveSteps: 1, warmupSteps: 0, ...given },
  });
  const material = datasetMaterial("words", dataset);
  const prepared = await prepareRun([{ settings, material, source: "words" }]);
  const store = memoryStore();
  const steps = new Map<number, Readonly<Record<string, number>>>();
  const compiled: number[] = [];
  for (let isDone = false; !isDone;) {
    let count = 0;
    isDone = true;
    for await (const event of train(planOf({ stages: [settings], prepared, device, store }))) {
      if (event.kind === "stage" || event.kind === "step") compiled.push(programs);
      if (event.kind === "metrics") steps.set(event.step, { ...event.metrics, ...event.cost });
      if (++count < most) continue;
      isDone = false;
      break;
    }
  }
  const { policy } = await store.latest()?.models() ?? {};
  const numbers = new Map<string, ArrayLike<number>>();
  for (const [path, leaf] of leafPaths(policy)) numbers.set(path, await leaf.data());
  const [before = NaN] = compiled;
  return { steps: [...steps.values()], numbers, compiled: (compiled.at(-1) ?? NaN) - before };
}

for (const [kind, objective] of [["demonstrations", "sft"], ["pairs", "dpo"]] as const) {
  Deno.test(`${objective}: rows of a step that are cut by tokens make the same step`, async () => {
    const whole = await ran(kind, { objective });
    const cut = await ran(kind, { objective, batchTokens: 330 });
    assertEquals(whole.steps.length, 4);
    const paddings = [whole, cut].map(({ steps }) => steps.map(({ padding }) => padding));
    assert(JSON.stringify(paddings[0]) !== JSON.stringify(paddings[1]), `${paddings}`);
    for (const [i, { padding: _, ...expected }] of whole.steps.entries()) {
      const { padding: _, ...found } = cut.steps[i] ?? {};
      assertEquals(Object.keys(found), Object.keys(expected));
      // Sums of the same terms in another order; Adam makes more of their rounding.
      for (const [name, value] of Object.entries(expected)) {
        assertAlmostEquals(found[name] ?? NaN, value, 1e-4 * Math.max(1, Math.abs(value)), name);
      }
    }
  });
}

Deno.test("a micro-batch of pairs holds both sides of each within its tokens", async () => {
  const pair = (chosen: number, rejected: number) => {
    const [a, b] = [chosen, rejected].map((length) => ({
      ids: Array<number>(length).fill(3),
      mask: Array.from({ length }, (_, t) => t > 0),
    }));
    return { chosen: a ?? never(), rejected: b ?? never() };
  };
  const source = inRandomOrder([pair(9, 60), pair(70, 5), pair(3, 4), pair(8, 8)], 0, 72);
  const feed = offlineFeed(source, pairForm, (_rows, places, padding) => ({ places, padding }), {
    ...describeObjective(trainSettings({ objective: "dpo" })),
  }, { batchSize: 2, microBatches: 2, steps: 1, padding: 0, vocabulary: 9, batchTokens: 300 });
  const { batches, metrics, cost } = await feed.next({}, feed.empty, 0);
  // 2 x 72 tokens a row of 72, 2 x 64 one of 64.
  assertEquals(batches.map(({ padding: { length, size } }) => [length, size]), [[72, 2], [64, 2]]);
  assertEquals(batches.flatMap(({ places }) => places).toSorted(), [0, 1, 2, 3]);
  const slots = 2 * 2 * (72 + 64);
  assertAlmostEquals(await metrics.padding?.item() ?? NaN, 1 - 167 / slots, 1e-6);
  assertEquals(cost, { examples: 4, forwardTokens: 167, backwardTokens: 167 });
});

function never(): never {
  throw new Error("there are two");
}

Deno.test("running text has nothing to pack, and says so", async () => {
  const notesOf = async (packing: boolean) => {
    const settings = trainSettings({ layers: 1, heads: 1, width: 8, context: 16, packing });
    const dataset = { kind: "text", train: "abcdefgh".repeat(20), validation: "" } as const;
    const material = datasetMaterial("letters", dataset);
    const { notes, stages } = await prepareRun([{ settings, material, source: "letters" }]);
    assert(stages[0]?.data.kind === "demonstrations" && stages[0].data.packed === undefined);
    return notes;
  };
  const [packed, plain] = [await notesOf(true), await notesOf(false)];
  assertEquals(
    packed.filter((note) => !plain.includes(note)),
    ["Rows of running text fill the context: there is nothing to pack."],
  );
});

Deno.test("rows in batches of their length are padded less, and every row is read once", async () => {
  const meanOf = async (batching: "by-length" | "random") => {
    const { steps } = await ran("demonstrations", {
      ...{ batching, batchSize: 4, steps: 10 },
    });
    assertEquals(steps.at(-1)?.examples, 40);
    const paddings = steps.map(({ padding = NaN }) => padding);
    const tokens = steps.at(-1)?.backwardTokens;
    return { padding: paddings.reduce((total, one) => total + one, 0) / 10, tokens };
  };
  const [sorted, random] = [await meanOf("by-length"), await meanOf("random")];
  assert(sorted.padding < 0.75 * random.padding, `${sorted.padding} of ${random.padding}`);
  // An epoch has the same tokens in any order.
  assertEquals(sorted.tokens, random.tokens);
});

Deno.test("a run on rows of many lengths, resumed, is the run that was not", async () => {
  const given = { batchSize: 3, gradientAccumulation: 2, batchTokens: 320, steps: 5 };
  const whole = await ran("demonstrations", given);
  // One for each of three lengths, the update, and the first sums of all: those of the first
  // micro-batch, then zeros.
  assertEquals(whole.compiled, 3 + 1 + 2);
  const cut = await ran("demonstrations", given, 17);
  assertEquals(cut.numbers, whole.numbers);
  assertEquals(cut.steps, whole.steps);
});

Deno.test("packed rows train, and are resumed to the same bits", async () => {
  const given = { packing: true, batchSize: 2, gradientAccumulation: 2, steps: 6 };
  const whole = await ran("demonstrations", given);
  // 24 packed rows have half as many rows more, and more than 85 % of their places are tokens.
  const { examples = 0, backwardTokens = 0 } = whole.steps.at(-1) ?? {};
  assert(examples > 36 && backwardTokens > 0.85 * 24 * 161, `${examples}, ${backwardTokens}`);
  const cut = await ran("demonstrations", { ...given, batchTokens: 161 }, 17);
  assertEquals(
    cut.steps.map(({ examples }) => examples),
    whole.steps.map(({ examples }) => examples),
  );
  const [a, b] = [await ran("demonstrations", { ...given, batchTokens: 161 }), cut];
  assertEquals(b.numbers, a.numbers);
  assertEquals(b.steps, a.steps);
  // Two packed rows of a pass or one: the same step.
  for (const [i, { loss = NaN }] of whole.steps.entries()) {
    assertAlmostEquals(cut.steps[i]?.loss ?? NaN, loss, 1e-4);
  }
});
