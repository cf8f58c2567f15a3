/** `deno task merge`: an adapter's changes in its model. */
import { assertEquals, assertLess } from "@std/assert";
import { headLogits, tensor } from "@unitune/core";
import {
  decodeCheckpoint,
  filesSource,
  type LanguageModel,
  readAdapter,
  readCheckpoint,
} from "@unitune/models";
import {
  assertRefused,
  ended,
  filesIn,
  inFolder,
  merge,
  start,
  trained,
  writeRows,
} from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

const rows = Array.from({ length: 8 }, (_, i) => ({ prompt: `say ${i}`, completion: `${i}` }));

async function sourceOf(folder: string) {
  return filesSource(new Map(Object.entries(await filesIn(folder))));
}

/** A model and the folder of a run that has trained an adapter of it. */
async function adapted(folder: string) {
  const model = await writeTinyModel(`${folder}/model`);
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = `${folder}/run`;
  await trained(
    ...["--model", model, "--data", data, "--lora", "--steps", "3", "--learning-rate", "1e-2"],
    ...["--device", "wasm", "--out", run],
  );
  return { model, run, checkpoint: `${run}/checkpoints/step-000003` };
}

async function logitsOf(model: LanguageModel, params: unknown): Promise<readonly number[]> {
  const ids = tensor([[261, 50, 70, 90]], { dtype: "i32" });
  const hidden = model.hidden(params, model.embed(params, ids));
  return [...await headLogits(model.head(params), hidden).data()];
}

inFolder("the merged model predicts as the adapter does, and has its tokenizer", async (folder) => {
  const { model, run, checkpoint } = await adapted(folder);
  for (const [adapter, dtype, bound] of [[run, "f32", 1e-4], [checkpoint, "bf16", 0.1]] as const) {
    const out = `${folder}/merged-${dtype}`;
    const args = ["--adapter", adapter, "--dtype", dtype, "--out", out];
    // Once with the task's own permissions.
    const result = dtype === "f32" ? await ended(start("merge", args)) : await merge(...args);
    assertEquals(result.code, 0, result.stderr);
    const files = await filesIn(out);
    assertEquals(files["tokenizer.json"], await Deno.readFile(`${model}/tokenizer.json`));
    const merged = await decodeCheckpoint(new Map(Object.entries(files)));
    const base = await readCheckpoint(await sourceOf(model));
    const tuned = await readAdapter(await sourceOf(checkpoint), base);
    const [own, other] = [
      await logitsOf(merged.model, merged.params),
      await logitsOf(tuned.model, tuned.params),
    ];
    // Logits of some units: f32's rounding of the merged weights, or that of bf16.
    const apart = Math.max(...own.map((logit, i) => Math.abs(logit - (other[i] ?? NaN))));
    assertLess(apart, bound, dtype);
  }
});

/** A copy of an adapter's folder, in which one element is not a number. */
async function damagedAdapter(folder: string, copy: string): Promise<string> {
  await Deno.mkdir(copy);
  for (const [name, bytes] of Object.entries(await filesIn(folder))) {
    if (name === "adapter_model.safetensors") bytes.set([0, 0, 0xc0, 0x7f], bytes.length - 4);
    await Deno.writeFile(`${copy}/${name}`, bytes);
  }
  return copy;
}

inFolder("what cannot be merged is refused, and nothing is written", async (folder) => {
  const { model, run } = await adapted(folder);
  const out = `${folder}/out`;
  const cases: readonly (readonly [readonly string[], 1 | 2, string])[] = [
    [["--out", out], 2, "--adapter DIR is needed"],
    [["--adapter", run], 2, "--out DIR is needed"],
    [["--adapter", model, "--out", out], 1, "holds no adapter"],
    [["--adapter", run, "--out", model], 1, "exists already"],
    [["--adapter", run, "--out", `${folder}/nowhere/out`], 1, "does not exist"],
  ];
  for (const [args, code, message] of cases) assertRefused(await merge(...args), code, message);
  // An adapter that predicts nothing: its training has diverged.
  const broken = await damagedAdapter(`${run}/checkpoints/step-000003`, `${folder}/broken`);
  const damaged = await merge("--adapter", broken, "--model", model, "--out", out);
  assertRefused(damaged, 1, "is NaN: the file is damaged, or its training has diverged");
  // A model of another shape is noticed before it is changed.
  await writeTinyModel(`${folder}/other`, { preset: "nano" });
  const wrong = await merge("--adapter", run, "--model", `${folder}/other`, "--out", out);
  assertRefused(wrong, 1, "can't read the model in");
  await Deno.rename(model, `${folder}/moved`);
  assertRefused(await merge("--adapter", run, "--out", out), 1, "there is no folder");
  assertEquals(
    (await Array.fromAsync(Deno.readDir(folder))).some(({ name }) => name === "out"),
    false,
  );
});
