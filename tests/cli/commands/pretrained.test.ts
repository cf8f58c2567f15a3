/** Training pretrained models and adapters of them, as a person does. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { decodeSafetensors } from "@unitune/core";
import { decodeCheckpoint } from "@unitune/models";
import {
  assertRefused,
  filesIn,
  inFolder,
  readRows,
  sample,
  train,
  trained,
  writeRows,
} from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

const rows = Array.from({ length: 12 }, (_, i) => ({
  messages: [
    { role: "user", content: `say ${i}` },
    { role: "assistant", content: `${i}` },
  ],
}));

const pairs = Array.from({ length: 12 }, (_, i) => ({
  prompt: `say ${i}`,
  chosen: `${i}`,
  rejected: `${i + 1}`,
}));

const brief = ["--device", "wasm", "--batch-size", "2", "--gradient-accumulation", "1"];

/** A model and rows in a folder, and the flags of a run on them. */
async function begun(folder: string, content: readonly unknown[] = rows) {
  const model = await writeTinyModel(`${folder}/model`);
  const data = await writeRows(`${folder}/rows.jsonl`, content);
  return { model, data, flags: ["--model", model, "--data", data, ...brief] };
}

/** The settings that a run has recorded. */
async function settingsOf(run: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(`${run}/config.json`)).settings;
}

inFolder("a model is trained whole, and its checkpoint is a model again", async (folder) => {
  const { model, data, flags } = await begun(folder);
  const out = `${folder}/run`;
  const { stdout } = await trained(...flags, "--steps", "2", "--out", out);
  assertStringIncludes(stdout, "model: Llama of 62,400 parameters");
  assertStringIncludes(stdout, "steps: 2 of 2 rows of at most 192 tokens, learning rate 0.00002");
  const { learningRate, weightDecay, beta2, evalSteps } = await settingsOf(out);
  assertEquals([learningRate, weightDecay, beta2, evalSteps], [2e-5, 0, 0.999, 50]);

  const checkpoint = `${out}/checkpoints/step-000002`;
  const files = await filesIn(checkpoint);
  const saved = await decodeCheckpoint(new Map(Object.entries(files)));
  assertEquals(saved.model.config.width, 64);
  assertEquals(
    files["chat_template.jinja"],
    await Deno.readFile(`${model}/chat_template.jinja`),
  );

  // The checkpoint's folder is a model like the first one, and so is the run's.
  for (const from of [checkpoint, out]) {
    const next = `${folder}/${from === out ? "next" : "again"}`;
    await trained("--from", from, "--data", data, ...brief, "--steps", "1", "--out", next);
    assertEquals((await settingsOf(next)).learningRate, 2e-5);
  }
  const lora = ["--from", out, "--lora", "--data", data, ...brief, "--steps", "1"];
  const tuned = await trained(...lora, "--out", `${folder}/lora`);
  assertStringIncludes(tuned.stdout, "with a LoRA adapter");
  const config = await Deno.readTextFile(
    `${folder}/lora/checkpoints/step-000001/adapter_config.json`,
  );
  assertEquals(JSON.parse(config).base_model_name_or_path, checkpoint);
});

inFolder(
  "settings that mean nothing here stay with a model, also past an interruption",
  async (folder) => {
    const { model, flags } = await begun(folder);
    const change = async (name: string, settings: Record<string, unknown>) => {
      const before = JSON.parse(await Deno.readTextFile(`${model}/${name}`));
      await Deno.writeTextFile(`${model}/${name}`, JSON.stringify({ ...before, ...settings }));
    };
    await change("config.json", { initializer_range: 0.5, use_cache: false, bos_token_id: 7 });
    await change("generation_config.json", { temperature: 0.6, eos_token_id: [262, 263] });
    const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
    for (const out of [whole, cut]) {
      await trained(...flags, "--steps", "4", "--save-steps", "2", "--out", out);
    }
    await Deno.remove(`${cut}/checkpoints/step-000004`, { recursive: true });
    await trained("--resume", cut);
    const last = "checkpoints/step-000004";
    assertEquals(await filesIn(`${cut}/${last}`), await filesIn(`${whole}/${last}`));
    const read = async (name: string) =>
      JSON.parse(await Deno.readTextFile(`${whole}/${last}/${name}`));
    const { initializer_range, use_cache, bos_token_id, eos_token_id } = await read("config.json");
    assertEquals([initializer_range, use_cache, bos_token_id], [0.5, false, 7]);
    assertEquals(eos_token_id, [262, 263]);
    const generation = await read("generation_config.json");
    assertEquals([generation.temperature, generation.eos_token_id], [0.6, [262, 263]]);
  },
);

inFolder(
  "an adapter of a run's model goes on with that, though the run has come further",
  async (folder) => {
    const { data, flags } = await begun(folder);
    const [base, run] = [`${folder}/base`, `${folder}/run`];
    await trained(...flags, "--steps", "4", "--save-steps", "2", "--out", base);
    await Deno.remove(`${base}/checkpoints/step-000004`, { recursive: true });
    await trained(
      ...["--model", base, "--lora", "--data", data, ...brief, "--steps", "2", "--save-steps", "1"],
      ...["--out", run],
    );
    await Deno.remove(`${run}/checkpoints/step-000002`, { recursive: true });
    await trained("--resume", base);
    await trained("--resume", run);
  },
);

inFolder("of an adapter only the adapter is trained and saved", async (folder) => {
  const { model, flags } = await begun(folder);
  const before = await filesIn(model);
  const out = `${folder}/run`;
  const { stdout } = await trained(
    ...flags,
    "--lora",
    "--lora-rank",
    "2",
    "--steps",
    "2",
    "--out",
    out,
  );
  assertStringIncludes(stdout, "with a LoRA adapter of rank 2 and");
  assertEquals(await filesIn(model), before);
  const files = await filesIn(`${out}/checkpoints/step-000002`);
  assert(!("config.json" in files) && !("model.safetensors" in files));
  const config = JSON.parse(new TextDecoder().decode(files["adapter_config.json"]));
  assertEquals([config.r, config.base_model_name_or_path, config.peft_type], [2, model, "LORA"]);
  const { tensors } = decodeSafetensors(files["adapter_model.safetensors"] ?? new Uint8Array());
  assertEquals(tensors.size, 2 * 7);
  // Parameters and both moments of AdamW, of the adapter alone.
  const state = decodeSafetensors(files["training.safetensors"] ?? new Uint8Array()).tensors;
  const bytes = (of: typeof tensors) =>
    [...of.values()].reduce((sum, { data }) => sum + data.length, 0);
  assert(bytes(state) < 3 * bytes(tensors) + 100);
  assertEquals((await settingsOf(out)).learningRate, 1e-4);

  const answered = await sample("--run", out, "--prompt", "say 3", "--max-new-tokens", "2");
  assertEquals(answered.code, 0, answered.stderr);
});

inFolder("stages, critics and reward models stand on one adapter", async (folder) => {
  const { flags } = await begun(folder, pairs);
  const lora = [...flags, "--lora", "--max-new-tokens", "4"];
  await trained(...lora, "--objective", "sft,dpo,ppo", "--steps", "2,2,1", "--out", `${folder}/a`);
  const [first] = (await readRows(`${folder}/a/metrics.jsonl`)).filter(({ stage, step }) =>
    stage === "dpo" && Number(step) > 2
  );
  assert(first === undefined || Math.abs(Number(first.loss) - Math.LN2) < 0.01);
  await trained(
    ...lora,
    ...["--objective", "reward-model,grpo", "--rewards", "reward-model", "--steps", "2,1"],
    ...["--batch-size", "2,8", "--out", `${folder}/b`],
  );
  const judge = await filesIn(`${folder}/b/checkpoints/step-000003/reward_model`);
  const config = JSON.parse(new TextDecoder().decode(judge["adapter_config.json"]));
  assertEquals([config.task_type, config.modules_to_save], ["SEQ_CLS", ["score"]]);
});

inFolder(
  "a resumed adapter ends with the same bytes, wherever its model has gone",
  async (folder) => {
    const { model, flags } = await begun(folder);
    const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
    for (const out of [whole, cut]) {
      await trained(...flags, "--lora", "--steps", "4", "--save-steps", "2", "--out", out);
    }
    await Deno.remove(`${cut}/checkpoints/step-000004`, { recursive: true });
    await Deno.rename(model, `${folder}/moved`);
    assertRefused(await train("--resume", cut), 1, "name the folder of the model by --model");
    await trained("--resume", cut, "--model", `${folder}/moved`);
    const last = "checkpoints/step-000004/adapter_model.safetensors";
    assertEquals(await Deno.readFile(`${cut}/${last}`), await Deno.readFile(`${whole}/${last}`));

    // Another model in its place is noticed.
    await Deno.remove(`${cut}/checkpoints/step-000004`, { recursive: true });
    await writeTinyModel(model, { seed: 7 });
    assertRefused(await train("--resume", cut), 1, "is not the one that the adapter in");
  },
);

inFolder("an adapter is trained further, from its folder and from its run", async (folder) => {
  const { data, flags } = await begun(folder);
  const out = `${folder}/run`;
  await trained(...flags, "--lora", "--lora-rank", "3", "--steps", "1", "--out", out);
  for (const from of [out, `${out}/checkpoints/step-000001`]) {
    const next = `${folder}/${from === out ? "next" : "again"}`;
    const { stdout } = await trained(
      ...["--from", from, "--data", data, ...brief, "--steps", "1", "--out", next],
    );
    assertStringIncludes(stdout, "LoRA adapter of rank 3");
    assertEquals((await settingsOf(next)).learningRate, 1e-4);
  }
});

inFolder("an adapter's folder keeps the chat template that it was trained with", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { isBase: true });
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const flags = ["--data", data, ...brief, "--steps", "1"];
  const out = `${folder}/run`;
  await trained("--model", model, "--lora", "--chat-template", "chatml", ...flags, "--out", out);
  // An adapter alone, without the record of its run.
  const own = `${folder}/adapter`;
  await Deno.rename(`${out}/checkpoints/step-000001`, own);
  await trained("--model", model, "--from", own, ...flags, "--out", `${folder}/next`);
  assertEquals(
    (await filesIn(`${folder}/next/checkpoints/step-000001`))["chat_template.jinja"],
    await Deno.readFile(`${own}/chat_template.jinja`),
  );
});

inFolder("a base model takes a chat template, and the tokens that it needs", async (folder) => {
  const model = await writeTinyModel(`${folder}/model`, { isBase: true });
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const flags = ["--model", model, "--data", data, ...brief, "--steps", "1"];
  assertRefused(
    await train(...flags),
    1,
    "the model has no chat template, as base models have none: give it one by --chat-template " +
      "(chatml, llama3, alpaca, or a file)",
  );
  // Rows of texts need none.
  const texts = rows.map((_, i) => ({ prompt: `say ${i}:`, completion: ` ${i}` }));
  const plain = ["--model", model, "--data", await writeRows(`${folder}/texts.jsonl`, texts)];
  const out = `${folder}/plain`;
  await trained(...plain, ...brief, "--steps", "1", "--out", out);
  const asked = ["--run", out, "--max-new-tokens", "2", "--device", "wasm"];
  assertEquals((await sample(...asked, "--prompt", "say 1:")).code, 0);
  assertRefused(await sample(...asked, "--chat"), 1, "has no chat template, which --chat needs");
  await trained(...flags, "--chat-template", "chatml", "--out", `${folder}/chatml`);
  await trained(...flags, "--chat-template", "alpaca", "--out", `${folder}/alpaca`);
  const llama3 = [...flags, "--chat-template", "llama3"];
  assertRefused(await train(...llama3), 1, "needs tokens that the model in");
  await trained(...llama3, "--grow-embeddings", "--out", `${folder}/llama3`);
  const { model: { vocabulary } } = JSON.parse(
    await Deno.readTextFile(`${folder}/llama3/config.json`),
  );
  assertEquals(vocabulary, 266);
  assertRefused(await train(...flags, "--chat-template", "chatlm"), 1, "did you mean chatml?");
});

const refused: Readonly<
  Record<string, readonly [flags: readonly string[], code: 1 | 2, message: string]>
> = {
  "an adapter without a model": [["--lora"], 2, "--lora is of a pretrained model"],
  "a template without a model": [["--chat-template", "chatml"], 2, "is of a pretrained model"],
  "a rank without an adapter": [["--lora-rank", "4"], 2, "has an effect only with --lora"],
  "sizes of a model that is there": [
    ["--model", "MODEL", "--layers", "2"],
    2,
    "--model keeps the sizes of its model: leave out --layers",
  ],
  "targets that are not there": [
    ["--model", "MODEL", "--lora", "--lora-targets", "query"],
    1,
    '"query" is no module of Llama; its projections are q_proj',
  ],
  "a folder that is not there": [
    ["--model", "nowhere"],
    1,
    "nowhere is neither a folder nor a model in the cache",
  ],
  "a folder without a model": [["--model", "EMPTY"], 1, "there is no config.json"],
  "dropout that it does not have": [
    ["--model", "MODEL", "--dropout", "0.1"],
    1,
    "the model takes no dropout",
  ],
};

for (const [name, [flags, code, message]] of Object.entries(refused)) {
  inFolder(`refused in one sentence: ${name}`, async (folder) => {
    const { model, data } = await begun(folder);
    await Deno.mkdir(`${folder}/empty`);
    const places: Readonly<Record<string, string>> = { MODEL: model, EMPTY: `${folder}/empty` };
    const own = flags.map((flag) => places[flag] ?? flag);
    const result = await train(...own, "--data", data, ...brief, "--out", `${folder}/run`);
    assertRefused(result, code, message);
    assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "run"), false);
  });
}

inFolder(
  "rows that the chat template has no form for are refused with the line",
  async (folder) => {
    const model = await writeTinyModel(`${folder}/model`);
    const others = [
      ...rows.slice(0, 3),
      { ...rows[3], tools: [{ name: "add" }] },
      ...rows.slice(4),
    ];
    const data = await writeRows(`${folder}/tools.jsonl`, others);
    for (const objective of ["sft", "ift"]) {
      assertRefused(
        await train("--model", model, "--data", data, ...brief, "--objective", objective),
        1,
        /tools\.jsonl:4: The chat template refuses the conversation: "This chat template has no form/,
      );
    }
  },
);
