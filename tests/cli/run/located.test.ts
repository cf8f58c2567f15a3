/** Which model a folder holds, or leads to, and by what it is known again. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { bytesPerElement, reference, tensor, type TypedArray } from "@unitune/core";
import { byteTokenizer, CheckpointError } from "@unitune/models";
import { type GivenSettings, trainSettings, UserError } from "@unitune/training";
import { readAdapterOn } from "../../../cli/run/adapters.ts";
import { hasNamedTokenizer, newStart, readStart, storedType } from "../../../cli/run/base.ts";
import {
  isRunFolder,
  locateModel,
  modelDigest,
  modelFolder,
  modelIn,
} from "../../../cli/run/located.ts";
import { inFolder as readingIn, placed, readPretrained } from "../../../cli/run/pretrained.ts";
import {
  isRunConfig,
  readRunConfig,
  requireSettings,
  type RunConfig,
  runConfig,
} from "../../../cli/run/run_config.ts";
import { digestOf } from "../../../cli/files/digest.ts";
import { inFolder } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

const config: RunConfig = {
  settings: { objective: "sft", steps: 3 },
  model: { modelType: "gpt2", vocabulary: 5, context: 4, layers: 1, width: 8 },
  data: { kind: "conversations", digest: "d" },
};
const device = reference();
const base = { name: "org/m", digest: "e" };

/** Makes a folder with files of JSON. */
async function folderOf(path: string, files: Readonly<Record<string, unknown>>): Promise<string> {
  await Deno.mkdir(path, { recursive: true });
  for (const [name, value] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, JSON.stringify(value));
  }
  return path;
}

const messageOf = async (act: () => Promise<unknown>) =>
  (await assertRejects(act, UserError)).message;

inFolder("a folder holds a model, an adapter or a run, or none", async (folder) => {
  const run = (name: string, more: object) =>
    folderOf(`${folder}/${name}`, { "config.json": { ...config, ...more } });
  const fresh = await run("fresh", {});
  const adapted = await run("adapted", { base });
  const based = await run("based", { settings: [{ objective: "sft", model: "m" }, {}] });
  const model = await folderOf(`${folder}/model`, { "config.json": { model_type: "gpt2" } });
  const adapter = await folderOf(`${folder}/adapter`, {
    "adapter_config.json": { base_model_name_or_path: "org/m", peft_type: "LORA" },
    "config.json": { model_type: "gpt2" },
  });
  const other = await folderOf(`${folder}/other`, { "config.json": { a: 1 } });
  const list = await folderOf(`${folder}/list`, { "config.json": [] });
  const empty = await folderOf(`${folder}/empty`, {});
  const all = [fresh, adapted, based, model, adapter, other, list, empty];
  assertEquals(await Promise.all(all.map(modelIn)), [
    undefined,
    { model: "org/m", from: adapted, isAdapted: true },
    { model: based, from: based, isAdapted: false },
    { model, isAdapted: false },
    { model: "org/m", from: adapter, isAdapted: true },
    ...[undefined, undefined, undefined],
  ]);
  const [yes, no] = [true, false];
  assertEquals(await Promise.all(all.map(isRunFolder)), [yes, yes, yes, no, no, no, no, no]);
  // A run without a checkpoint is itself the folder.
  assertEquals(await Promise.all(all.map(modelFolder)), all);
  assertEquals(await locateModel(model), { folder: model, record: { name: model } });
  assertEquals(
    await messageOf(() => locateModel(`${folder}/none`)),
    `there is no folder ${folder}/none: name the folder of the model by --model`,
  );
  for (const wrong of [model, fresh, empty]) {
    assertEquals(
      await messageOf(() => readAdapterOn(wrong, undefined)),
      `${wrong} holds no adapter: name the folder of a run with --lora, or one with adapter_config.json`,
    );
  }
  // What a run is read from says what the folder is.
  assertEquals(await readRunConfig(fresh), config);
  const told = (path: string) => messageOf(() => readRunConfig(path));
  assertEquals(await told(empty), `${empty} holds no run: there is no ${empty}/config.json`);
  assertEquals(
    await told(other),
    `${other}/config.json is not a run's configuration: it was changed, or ${other} holds no run`,
  );
  assertEquals(
    await told(model),
    `${model} holds no run, but a model in the layout of Hugging Face: train it by --model ${model}`,
  );
  const files = { "config.json": { architectures: [] }, "run.json": {} };
  const checkpoint = await folderOf(`${fresh}/checkpoints/step-000001`, files);
  assertEquals(
    await told(checkpoint),
    `${checkpoint} is one checkpoint of a run: name the run's own folder, ${fresh}`,
  );
  const copied = await folderOf(`${folder}/copied`, files);
  assertEquals(
    await told(copied),
    `${copied} is one checkpoint of a run: name the run's own folder, ${copied}`,
  );
});

inFolder("a model is known by its configuration and its weights", async (folder) => {
  const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
  await write("model.safetensors", "weights");
  await write("config.json", "{}");
  const known = digestOf("config.json 2\n{}model.safetensors 7\nweights");
  assertEquals(await modelDigest(folder), known);
  await write("adapter_model.safetensors", "x");
  await write("README.md", "x");
  assertEquals(await modelDigest(folder), known);
  // What is longer than one read, to the byte.
  const long = "a".repeat(2 ** 22) + "b";
  await write("z.safetensors", long);
  assertEquals(
    await modelDigest(folder),
    digestOf(`config.json 2\n{}model.safetensors 7\nweightsz.safetensors ${long.length}\n${long}`),
  );
});

Deno.test("a new model has the tokenizer of its data, or one that is named", () => {
  const named = (given: GivenSettings) => hasNamedTokenizer(trainSettings(given));
  assertEquals(named({}), false);
  assertEquals(named({ tokenizer: "bytes" }), false);
  assertEquals(named({ tokenizer: "folder" }), true);
  assertEquals(named({ tokenizer: "folder", from: "run" }), false);
  assertEquals(hasNamedTokenizer({ tokenizer: "folder", from: undefined, model: "m" }), false);
  assertEquals(
    (["auto", "f32", "bf16", "f16"] as const).map((weights) => storedType({ weights })),
    [
      ...[undefined, "f32", "bf16", "f16"],
    ],
  );
  const settings = trainSettings({ layers: 1, heads: 1, width: 8, context: 9 });
  const { tokenizer, model } = newStart(settings, byteTokenizer());
  assertEquals([tokenizer.size, model?.config.vocabulary], [
    byteTokenizer().size,
    byteTokenizer().size,
  ]);
});

inFolder(
  "a tokenizer that is not there is told, with the one that may be meant",
  async (folder) => {
    const told = (tokenizer: string) =>
      messageOf(() => readStart(trainSettings({ tokenizer }), { device }));
    const known = "it is characters or bytes, or a folder with a tokenizer.json";
    assertEquals(
      await told("bytse"),
      `there is no tokenizer "bytse": ${known}; did you mean bytes?`,
    );
    assertEquals(await told("./none"), `there is no tokenizer "./none": ${known}`);
    await Deno.writeTextFile(`${folder}/tokenizer.json`, "{}");
    assert((await told(folder)).startsWith(`can't read the tokenizer in ${folder}: `));
    assertEquals(await readStart(trainSettings({}), { device }), undefined);
    const model = await writeTinyModel(`${folder}/model`);
    const start = await readStart(
      trainSettings({ tokenizer: model, layers: 1, heads: 1, width: 8 }),
      { device },
    );
    assertEquals(start?.tokenizer.size, 263);
  },
);

Deno.test("a tensor that is not finite is refused with its place, in each type", () => {
  const told = (dtype: "f32" | "bf16" | "f16", data: TypedArray) =>
    assertThrows(
      () => placed({ data, shape: [data.length], dtype }, "w"),
      CheckpointError,
    ).message;
  const end = "the file is damaged, or its training has diverged; take another checkpoint";
  assertEquals(told("f32", Float32Array.of(1, -Infinity)), `element 1 of w is -Infinity: ${end}`);
  assertEquals(told("bf16", Uint16Array.of(0x7f80, 0)), `element 0 of w is Infinity: ${end}`);
  assertEquals(told("f16", Uint16Array.of(0, 0, 0x7e00)), `element 2 of w is NaN: ${end}`);
  const given = { data: Float32Array.of(1, 2), shape: [2], dtype: "f32" } as const;
  assertEquals(placed(given, "w").shape, tensor([1, 2]).shape);
  assertEquals(
    bytesPerElement[placed({ ...given, data: Uint16Array.of(1, 2), dtype: "bf16" }, "w").dtype],
    2,
  );
});

inFolder("faults of files name the folder, defects do not", async (folder) => {
  const fault = new CheckpointError("cut off");
  assertEquals(
    await messageOf(() => readingIn("DIR", () => Promise.reject(fault))),
    "can't read the model in DIR: cut off",
  );
  const defect = new RangeError("a defect");
  assertEquals(
    await assertRejects(() => readingIn("DIR", () => Promise.reject(defect)), RangeError),
    defect,
  );
  assertEquals(await readingIn("DIR", () => Promise.resolve(1)), 1);
  const told = (files: readonly string[]) =>
    messageOf(async () => {
      const path = await folderOf(`${folder}/${files.length}`, {});
      for (const name of files) await Deno.writeTextFile(`${path}/${name}`, "");
      await readPretrained(path, {});
    });
  assertEquals(
    await told([]),
    `${folder}/0 holds no model in the layout of Hugging Face: there is no config.json`,
  );
  assertEquals(
    await told(["m.gguf"]),
    `${folder}/1 holds m.gguf, llama.cpp's format, which is not read: take the model's folder ` +
      "with config.json and safetensors, from which it was converted",
  );
  assertEquals(
    await told(["m.gguf", "adapter_config.json"]),
    `${folder}/2 holds an adapter, and not a whole model: name the model that it belongs to by ` +
      "--model, and the adapter by --from or --adapter",
  );
});

Deno.test("changed settings are listed, and how a run goes on", () => {
  const saved = { position: { step: 7 }, config };
  requireSettings("DIR", config, saved);
  const told = (settings: object) =>
    assertThrows(
      () =>
        requireSettings("DIR", { ...config, settings: { ...config.settings, ...settings } }, saved),
      UserError,
    ).message;
  const end = (shown: string) =>
    `DIR/config.json was changed since step 7 was saved: ${shown}. Put it back: a run keeps its ` +
    "settings. Only ";
  const one = told({ steps: 4 });
  assert(one.startsWith(end("settings.steps is 4 and was 3")), one);
  assert(one.endsWith("--config DIR/config.json or --from DIR"), one);
  assert(told({ steps: 4, a: 1, b: 2, c: 3, d: 4 }).includes(" and 2 more. Put it back"));
  assert(!told({ steps: 4, a: 1, b: 2 }).includes(" more"));
});

Deno.test("a configuration has one stage as it is and several as a list, and is known by its parts", () => {
  const [stage, other] = [trainSettings({ steps: 3 }), trainSettings({ steps: 4 })];
  const { model } = newStart(
    trainSettings({ layers: 1, heads: 1, width: 8, context: 9 }),
    byteTokenizer(),
  );
  assert(model !== undefined);
  const { data } = config;
  const one = runConfig(stage, { model, data });
  assertEquals(runConfig([stage], { model, data }), one);
  assertEquals(Array.isArray(one.settings), false);
  assertEquals(Object.keys(one), ["settings", "model", "data"]);
  const two = runConfig([stage, other], { model, data, base, functions: { f: "d" } });
  assertEquals([two.settings].flat().map(({ steps }) => steps), [3, 4]);
  assertEquals([two.base, two.functions], [base, { f: "d" }]);
  for (const right of [one, two, { ...one, settings: [] }]) assertEquals(isRunConfig(right), true);
  const wrong: readonly unknown[] = [
    ...[null, 1, [], { ...one, settings: 1 }, { ...one, settings: [1] }, { ...one, model: [] }],
    ...[null, "x", {}, { name: 1, digest: "d" }, { name: "m" }, { ...base, revision: 1 }].map(
      (base) => ({ ...one, base }),
    ),
    ...[null, { kind: "none", digest: "d" }, { kind: "pairs", digest: 1 }].map(
      (data) => ({ ...one, data }),
    ),
    { ...one, functions: [] },
  ];
  for (const value of wrong) assertEquals(isRunConfig(value), false, JSON.stringify(value));
});
