/** What a run writes down line by line, and its configuration: without a training. */
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { type TrainingEvent, UserError } from "@unitune/training";
import { digestOf } from "../../../cli/files/digest.ts";
import { isBaseRecord } from "../../../cli/run/base_record.ts";
import { openJournal } from "../../../cli/run/journal.ts";
import { modelFolder, modelIn } from "../../../cli/run/located.ts";
import {
  isRunConfig,
  readRunConfig,
  requireSettings,
  type RunConfig,
} from "../../../cli/run/run_config.ts";
import { inFolder, readRows } from "../command.ts";

const cost = { examples: 1, forwardTokens: 2, backwardTokens: 3 };

/** An evaluation with so many answers. */
const evaluation = (answers: number): TrainingEvent => ({
  ...{ kind: "evaluation", stage: 0, step: 0 },
  report: {
    ...{ split: "held-out", metrics: { eval_loss: 1 } },
    answers: Array.from({ length: answers }, (_, i) => ({
      question: {
        ...{ kind: "all", prompt: `p${i}`, gold: "g", ids: [] },
        sequence: { ids: [], mask: [] },
      },
      ...{ text: `t${i}`, isRight: i === 0, isRightForced: false },
    })),
  },
});

const metrics = (step: number): TrainingEvent => ({
  ...{ kind: "metrics", stage: 0, step, epoch: 0.5, metrics: { loss: 2 }, cost },
});

const rollouts: TrainingEvent = {
  ...{ kind: "rollouts", stage: 0, step: 1 },
  samples: Array.from({ length: 6 }, (_, i) => ({
    ...{ prompt: `p${i}`, answer: "a", reward: i, rewards: {} },
  })),
};

inFolder(
  "each event has its lines: ten answers of an evaluation, four of a step",
  async (folder) => {
    {
      using journal = await openJournal(folder);
      for (const event of [evaluation(12), rollouts, metrics(1)]) await journal.add(event, "grpo");
      await journal.add({ kind: "note", stage: 0, step: 1, text: "a note" });
      const mark = await journal.mark(1, cost);
      const text = await Deno.readTextFile(`${folder}/metrics.jsonl`);
      assertEquals([mark.step, mark.cost, mark.metricsLength], [1, cost, text.length]);
      assertEquals(mark.metricsDigest, digestOf(text));
    }
    assertEquals(await readRows(`${folder}/metrics.jsonl`), [
      { step: 0, stage: "grpo", split: "held-out", eval_loss: 1 },
      {
        ...{ step: 1, stage: "grpo", epoch: 0.5, loss: 2 },
        ...{ "cost/examples": 1, "cost/forward_tokens": 2, "cost/backward_tokens": 3 },
      },
    ]);
    const samples = await readRows(`${folder}/samples.jsonl`);
    assertEquals(samples.map(({ split }) => split), [
      ...Array<string>(10).fill("held-out"),
      ...Array<string>(4).fill("rollouts"),
    ]);
    assertEquals(samples[0], {
      ...{ step: 0, stage: "grpo", split: "held-out" },
      ...{ prompt: "p0", gold: "g", answer: "t0", right: true },
    });
  },
);

inFolder(
  "a journal goes on behind a checkpoint, and never over what is not its own",
  async (folder) => {
    const marked = async () => {
      using journal = await openJournal(folder);
      await journal.add(metrics(0));
      const mark = await journal.mark(0, cost);
      await journal.add(metrics(1));
      return mark;
    };
    const position = await marked();
    {
      using journal = await openJournal(folder, { position });
      await journal.add(metrics(7));
    }
    const lines = await readRows(`${folder}/metrics.jsonl`);
    assertEquals(lines.map(({ step, stage }) => [step, stage]), [[0, undefined], [7, undefined]]);
    // Lines of a run that has no checkpoint yet begin with its first step.
    (await openJournal(folder))[Symbol.dispose]();
    for (const text of ['{"step":1,"loss":2}\n', "mine", '{"step":0x']) {
      await Deno.writeTextFile(`${folder}/samples.jsonl`, text);
      await assertRejects(() => openJournal(folder), UserError, "was not written by a run");
      assertEquals(await Deno.readTextFile(`${folder}/samples.jsonl`), text);
    }
    for (const text of ["", '{"st', '{"step":0,"loss":2}\n']) {
      await Deno.writeTextFile(`${folder}/samples.jsonl`, text);
      (await openJournal(folder))[Symbol.dispose]();
    }
  },
);

const config: RunConfig = {
  settings: { steps: 6, objective: "sft" },
  model: { modelType: "gpt2", vocabulary: 4, context: 4, layers: 1, width: 2 },
  data: { kind: "texts", digest: "d" },
};

Deno.test("a configuration is known by its parts", () => {
  assertEquals([isRunConfig(config), isRunConfig({ ...config, settings: [{}, {}] })], [true, true]);
  const base = { name: "m", digest: "d" };
  assertEquals(isRunConfig({ ...config, base, functions: {} }), true);
  const wrong: readonly unknown[] = [
    ...[null, [], "text"],
    ...["settings", "model", "data"].map((name) => ({ ...config, [name]: 1 })),
    { ...config, settings: [{}, 1] },
    { ...config, data: { kind: "texts" } },
    { ...config, data: { kind: "none", digest: "d" } },
    { ...config, base: { name: "m" } },
    { ...config, functions: [1] },
  ];
  for (const value of wrong) assertEquals(isRunConfig(value), false, JSON.stringify(value));
  assertEquals([isBaseRecord(base), isBaseRecord({ ...base, revision: "v1" })], [true, true]);
  for (const odd of [1, { name: "m" }, { digest: "d" }, { ...base, revision: 1 }]) {
    assertEquals(isBaseRecord(odd), false);
  }
});

Deno.test("settings that have changed are listed, three and how many more, with what may be done", () => {
  const told = (then: RunConfig, now: RunConfig) =>
    assertThrows(
      () => requireSettings("runs/a", now, { position: { step: 6 }, config: then }),
      UserError,
    ).message;
  requireSettings("runs/a", config, { position: { step: 6 }, config });
  const changed = (settings: Readonly<Record<string, unknown>>) => ({ ...config, settings });
  assertStringIncludes(
    told(config, changed({ steps: 9, objective: "sft" })),
    "runs/a/config.json was changed since step 6 was saved: settings.steps is 9 and was 6. Put it back",
  );
  assertStringIncludes(
    told(config, changed({ objective: "sft", steps: 6 })),
    "saved: settings is in another order. Put",
  );
  assertStringIncludes(
    told(config, changed({ a: 1, b: null, c: "x".repeat(38), objective: "sft" })),
    `settings.steps is missing and was 6, settings.a is 1 and was missing, settings.b is null and ` +
      `was missing and 1 more. Put`,
  );
  // Values of up to 40 characters are whole.
  const long = (letters: number) =>
    told(config, changed({ ...config.settings, a: "x".repeat(letters) }));
  assertStringIncludes(long(38), `settings.a is "${"x".repeat(38)}" and was missing. Put`);
  assertStringIncludes(long(39), `settings.a is "${"x".repeat(38)}… and was missing. Put`);
  assertStringIncludes(long(39), "Only --data, --validation-data,");
});

inFolder("a folder leads to its model, or says why it is no run", async (folder) => {
  const put = (path: string, value: unknown) =>
    Deno.writeTextFile(`${folder}/${path}`, JSON.stringify(value));
  const refused = async (message: string) =>
    void await assertRejects(() => readRunConfig(folder), UserError, message);
  assertEquals(await modelIn(folder), undefined);
  // Checkpoints without a run's configuration are none of a run.
  await Deno.mkdir(`${folder}/checkpoints/step-000001`, { recursive: true });
  assertEquals(await modelFolder(folder), folder);
  await refused(`${folder} holds no run: there is no ${folder}/config.json`);
  await put("config.json", { steps: 1 });
  assertEquals(await modelIn(folder), undefined);
  await refused("is not a run's configuration: it was changed, or");
  for (const model of [{ model_type: "llama" }, { architectures: [] }]) {
    await put("config.json", model);
    await refused("holds no run, but a model in the layout of Hugging Face: train it by --model");
  }
  assertEquals(await modelIn(folder), undefined);
  await put("config.json", { model_type: "llama" });
  assertEquals(await modelIn(folder), { model: folder, isAdapted: false });
  await put("run.json", {});
  await refused(`is one checkpoint of a run: name the run's own folder, `);
  await put("config.json", config);
  assertEquals(await modelIn(folder), undefined);
  assertEquals(await readRunConfig(folder), config);
  await put("config.json", { ...config, settings: [{ model: "m" }, {}] });
  assertEquals(await modelIn(folder), { model: folder, from: folder, isAdapted: false });
  await put("config.json", { ...config, base: { name: "m", digest: "d" } });
  assertEquals(await modelIn(folder), { model: "m", from: folder, isAdapted: true });
  await put("adapter_config.json", { base_model_name_or_path: "other", peft_type: "LORA" });
  assertEquals(await modelIn(folder), { model: "other", from: folder, isAdapted: true });
});
