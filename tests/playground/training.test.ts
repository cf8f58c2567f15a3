/** The worker of the playground, without a page. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { wasm } from "@unitune/core";
import { memoryStore, planOf, prepareTasks, train, trainSettings } from "@unitune/training";
import { optionValues } from "@unitune/objectives";
import { type Experiment, experimentTable } from "../../examples/playground/experiment.ts";
import type { Point, Tiding } from "../../examples/playground/protocol.ts";
import { makeWorker } from "../../examples/playground/worker.ts";

const tiny = { task: "pick", width: 8, layers: 1, baseSteps: 2, steps: 3, batchSize: 8, seeds: 1 };

const experimentOf = (lanes: readonly string[], values = {}): Experiment => ({
  values: optionValues("test", experimentTable, { ...tiny, ...values }),
  lanes,
});

/** A worker whose tidings are kept until one of a kind arrives. */
function listen() {
  const heard: Tiding[] = [];
  let arrived = () => {};
  const ask = makeWorker((tiding) => {
    heard.push(tiding);
    arrived();
  });
  const until = async (kind: Tiding["kind"], count = 1) => {
    const from = heard.length;
    while (heard.filter((tiding) => tiding.kind === kind).length < count) {
      const failed = heard.slice(from).find((tiding) => tiding.kind === "failed");
      if (failed?.kind === "failed" && kind !== "failed") throw new Error(failed.message);
      await new Promise<void>((resolve) => arrived = resolve);
    }
  };
  const pointsOf = (lane: number): Point[] =>
    heard.flatMap((tiding) => tiding.kind === "points" ? tiding.points : [])
      .filter((point) => point.lane === lane);
  return { heard, ask, until, pointsOf };
}

/** The losses of steps. */
const lossesOf = (points: readonly Point[]) =>
  points.flatMap(({ step, values: { loss } }) => loss === undefined ? [] : [[step, loss]]);

Deno.test("an experiment: the same losses as a training in Deno, steps, beliefs, another experiment", async () => {
  const { heard, ask, until, pointsOf } = listen();
  const composed = "intuitive*indicator*nll(lambda=0.5)";
  ask({ kind: "open", experiment: experimentOf(["sft", composed]) });
  ask({ kind: "step" });
  await until("points", 2);
  assertEquals(lossesOf(pointsOf(0)).map(([step]) => step), [1]);

  const wondering = { prompt: "pick even 23-58", answer: "40", lambda: 0 };
  ask({ kind: "wonder", number: 1, wondering });
  ask({ kind: "wonder", number: 2, wondering: { ...wondering, forced: { at: 0, token: "9" } } });
  ask({ kind: "wonder", number: 3, wondering: { ...wondering, answer: "" } });
  await until("failed");
  const [plain, forced] = heard.flatMap((one) => one.kind === "beliefs" ? [one.beliefs] : []);
  assertEquals(plain?.map(({ lane, step }) => [lane, step]), [[-1, 0], [0, 0], [1, 0]]);
  for (const { gold, mixed, own } of plain ?? []) {
    assertEquals(gold.map(({ said }) => said), ["4", "0", "\u23ce"]);
    // Without own tokens the mix is the gold prefix.
    assertEquals(mixed, gold);
    // Before the first token, all prefixes are the prompt.
    assertEquals(own[0]?.expected, gold[0]?.expected);
    for (const { expected } of gold) {
      const sum = expected.reduce((total, { probability }) => total + probability, 0);
      assert(expected.length === 5 && sum > 0 && sum < 1.00001);
      assertEquals(expected.toSorted((a, b) => b.probability - a.probability), expected);
    }
  }
  for (const { own } of forced ?? []) assertEquals(own[0]?.said, "9");

  ask({ kind: "play" });
  await until("done");
  assertEquals(lossesOf(pointsOf(1)).map(([step]) => step), [1, 2, 3]);
  const matches = pointsOf(0).filter(({ values }) => values.eval_exact_match !== undefined);
  assertEquals(matches.map(({ step }) => step), [0, 3]);

  const failed = heard.filter(({ kind }) => kind === "failed").length;
  ask({ kind: "open", experiment: experimentOf(["grpo"], { batchSize: 12 }) });
  await until("failed", failed + 1);
  const last = heard.at(-1);
  assert(last?.kind === "failed" && last.during === "open");
  assertStringIncludes(last.message, "12 is no multiple of groupSize 8");

  // The same by the trainer alone.
  using device = wasm();
  const shared = {
    ...{ tasks: "pick", width: 8, layers: 1, heads: 1, batchSize: 8, learningRate: 2e-3, seed: 0 },
    ...{ dataSeed: 0, examples: 4000, warmupSteps: 10, loggingSteps: 1, evalExamples: 64 },
  };
  const losses = async (steps: number, start?: ReturnType<typeof memoryStore>) => {
    const stages = [trainSettings({ ...shared, objective: "sft", steps })];
    const store = memoryStore();
    const models = await start?.latest()?.models();
    const prepared = await prepareTasks(stages);
    const plan = planOf({ stages, prepared, device, store, ...models && { start: models } });
    const own: number[][] = [];
    for await (const event of train(plan)) {
      if (event.kind === "metrics") own.push([event.step, event.metrics.loss ?? NaN]);
    }
    return { own, store };
  };
  const { store } = await losses(2);
  assertEquals(lossesOf(pointsOf(0)), (await losses(3, store)).own);
});

Deno.test("once another experiment is begun, nothing is told of the one before", async () => {
  const { heard, ask, until } = listen();
  ask({ kind: "open", experiment: experimentOf(["sft"], { steps: 2000 }) });
  ask({ kind: "play" });
  await until("points", 5);
  ask({ kind: "open", experiment: experimentOf(["sft"], { seed: 1 }) });
  await until("ready", 2);
  const kinds = heard.map(({ kind }) => kind);
  const since = kinds.slice(kinds.lastIndexOf("begun"));
  assertEquals(since, ["begun", "base", "base", "ready"]);
});

Deno.test("a teacher is the checkpoint after further steps", async () => {
  const { heard, ask, until, pointsOf } = listen();
  const values = { teacherSteps: 3, steps: 1, learningRate: 0.01 };
  ask({
    kind: "open",
    experiment: experimentOf(["distillation(teacherShare=0.5)", "sft"], values),
  });
  ask({ kind: "play" });
  await until("ready");
  await until("done");
  const progress = heard.flatMap((one) => one.kind === "base" ? [[one.step, one.steps]] : []);
  assertEquals(progress, [1, 2, 3, 4, 5].map((step) => [step, 5]));
  // The divergence from the checkpoint itself would be 0.
  const [[step, loss] = []] = lossesOf(pointsOf(0));
  assert(step === 1 && loss !== undefined && loss > 1e-6, `loss ${loss}`);
});

Deno.test("a lake: a scene, moments in turns, and a map that is none", async () => {
  const { heard, ask, until } = listen();
  const wish = { slippery: false, methods: ["SFT", "IFT"], seed: 0, steps: 2 };
  ask({ kind: "lake", wish: { ...wish, map: "SF\nHG" } });
  await until("failed");
  ask({ kind: "lake", wish: { ...wish, map: "SFF\nFHF\nFFFG" } });
  await until("failed", 2);
  ask({ kind: "lake", wish: { ...wish, map: "SFFF\nFHFF\nFFFG" } });
  ask({ kind: "play" });
  await until("done");
  const sentences = heard.flatMap((one) => one.kind === "failed" ? [one.message] : []);
  assertStringIncludes(sentences[0] ?? "", "nothing to reject");
  assertStringIncludes(sentences[1] ?? "", "row 3 has 4 cells, the first has 3");
  const moments = heard.flatMap((one) => one.kind === "moment" ? [one.moment] : []);
  assertEquals(moments.map(({ method, step }) => [step, method]), [
    ...[[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]],
  ]);
  for (const { matrix, reach, successFrom } of moments) {
    assertEquals([matrix.length, reach.length, successFrom.length], [12, 12, 12]);
    assertEquals(reach[0], 1);
    assertEquals(successFrom[11], 1);
  }
  const [scene] = heard.flatMap((one) => one.kind === "scene" ? [one.scene] : []);
  assertEquals(scene?.methods.map(({ name }) => name), ["SFT", "IFT"]);
  assertEquals(scene?.successFrom[0], 1);
});

Deno.test("pasted rows are learned in place of the task, by objectives on any of their forms", async () => {
  const { heard, ask, until, pointsOf } = listen();
  const pairs = Array.from(
    { length: 12 },
    (_, i) => JSON.stringify({ prompt: `p${i}`, chosen: "yes", rejected: `n\u00f6${i}` }),
  ).join("\n");
  const values = { rows: pairs, batchSize: 4, context: 24 };
  ask({ kind: "open", experiment: experimentOf(["dpo", "grpo(groupSize=2)"], values) });
  ask({ kind: "play" });
  await until("ready");
  await until("done");
  for (const lane of [0, 1]) {
    assertEquals(lossesOf(pointsOf(lane)).map(([step]) => step), [1, 2, 3]);
  }
  const [ready] = heard.flatMap((one) => one.kind === "ready" ? [one] : []);
  assertEquals(ready?.questions, [10, 11].map((i) => ({ prompt: `p${i}`, gold: "yes" })));

  const refused = async (rows: string, lanes: readonly string[], sentence: string) => {
    const count = heard.filter(({ kind }) => kind === "failed").length;
    ask({ kind: "open", experiment: experimentOf(lanes, { ...values, rows }) });
    await until("failed", count + 1);
    const last = heard.at(-1);
    assertStringIncludes(last?.kind === "failed" ? last.message : "", sentence);
  };
  await refused("[]", ["sft"], "the pasted text has no rows");
  await refused('{"prompt":"a"}\n{"completion":', ["sft"], "the pasted text:2: not JSON");
  const answers = '{"prompt":"a","completion":"b"}\n{"prompt":"c","completion":"d"}';
  await refused(answers, ["dpo"], "dpo");
});
