/** The files of a run's checkpoints: of several models, in several files, each with its digest. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { key, leafPaths } from "@unitune/core";
import {
  architectures,
  byteTokenizer,
  checkpointFiles as modelFiles,
  contentBytes,
  decodeCheckpoint,
  encodeCheckpoint,
  filesSource,
  languageModel,
  presetConfig,
  readCheckpoint,
} from "@unitune/models";
import { createRun } from "@unitune/cli";
import { UserError } from "@unitune/training";
import { modelFolder } from "../../../cli/run/located.ts";
import { readRunConfig } from "../../../cli/run/run_config.ts";
import { checkpointFiles, readBase, readTeacher } from "../../../cli/run/trained.ts";
import { flipBit, reseal } from "../checkpoints.ts";
import { filesIn, inFolder, tiny, trained } from "../command.ts";

Deno.test("a teacher of another architecture does not get the settings of the policy", async () => {
  const tokenizer = byteTokenizer();
  const newModel = (preset: string) => {
    const model = languageModel(presetConfig(preset, { vocabulary: tokenizer.size, layers: 1 }));
    return { model, params: model.init(key(0)) };
  };
  const [policy, teacher] = [newModel("nano-llama"), newModel("nano")];
  const { settings } = await decodeCheckpoint(await encodeCheckpoint(policy));
  const modelSettings = { ...settings, initializer_range: 0.5 };
  const files = await checkpointFiles(
    { model: policy.model, tokenizer, architectures, modelSettings },
    { policy: policy.params, teacher },
    {},
  );
  const settingsOf = async (name: string) => {
    const content = files[name];
    assert(content !== undefined);
    return JSON.parse(new TextDecoder().decode(await contentBytes(content)));
  };
  assertEquals((await settingsOf("config.json")).initializer_range, 0.5);
  const others = await settingsOf("teacher/config.json");
  assertEquals([others.model_type, others.initializer_range], ["gpt2", undefined]);
});

inFolder(
  "a checkpoint in several files is read like one, and its damage is named",
  async (folder) => {
    const run = `${folder}/run`;
    await trained(...tiny, "--steps", "1", "--out", run);
    const checkpoint = `${run}/checkpoints/step-000001`;
    const none = await createRun(`${folder}/none`, "", await readRunConfig(run));
    assertEquals(await Promise.all([run, checkpoint, none].map(modelFolder)), [
      ...[checkpoint, checkpoint, none],
    ]);
    const whole = await readBase(run);
    // Rows are a token longer than what is seen of them.
    assertEquals((await readTeacher(run, whole, 25)).model.config.context, 24);
    await assertRejects(
      () => readTeacher(run, whole, 26),
      UserError,
      `the teacher of ${run} sees 24 tokens, and rows have 25: take a smaller --context`,
    );
    const { settings, ...saved } = await readCheckpoint(
      filesSource(new Map(Object.entries(await filesIn(checkpoint)))),
    );
    const shards = modelFiles({ ...saved, settings }, { maxShardBytes: 5000 });
    assert(shards.has("model.safetensors.index.json"));
    const record = JSON.parse(await Deno.readTextFile(`${checkpoint}/run.json`));
    await Deno.remove(`${checkpoint}/model.safetensors`);
    delete record.files["model.safetensors"];
    for (const [name, content] of shards) {
      if (!name.startsWith("model")) continue;
      await Deno.writeFile(`${checkpoint}/${name}`, await contentBytes(content));
      record.files[name] = "";
    }
    await Deno.writeTextFile(`${checkpoint}/run.json`, JSON.stringify(record));
    await reseal(checkpoint);
    const read = leafPaths((await readBase(run)).models.policy);
    for (const [path, leaf] of leafPaths(whole.models.policy)) {
      assertEquals(await read.get(path)?.data(), await leaf.data(), path);
    }
    // A file that was not recorded is none of the checkpoint's.
    await Deno.writeTextFile(`${checkpoint}/model.safetensors`, "another one");
    await readBase(run);
    const second = [...shards.keys()].find((name) => name.startsWith("model-00002"));
    await flipBit(`${checkpoint}/${second}`, 900, 3);
    await assertRejects(() => readBase(run), Error, `${second} is damaged`);
  },
);
