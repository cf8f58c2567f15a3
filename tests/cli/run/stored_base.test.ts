/** Models in bf16: those that stay as they are keep their 16 bits, those that are trained do not. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeSafetensors, encodeSafetensors, leavesOf, reference, wasm } from "@unitune/core";
import { countParameters, isAdapted } from "@unitune/models";
import { trainSettings, UserError } from "@unitune/training";
import { readStart } from "../../../cli/run/base.ts";
import { readPretrained } from "../../../cli/run/pretrained.ts";
import { leastRoom, requireRoom } from "../../../cli/run/room.ts";
import { assertSameFiles, copyFolder, inFolder, trained, writeRows } from "../command.ts";
import { writeTinyModel } from "../tiny_model.ts";

/** The element types of a tree's tensors, each once. */
function dtypesOf(tree: unknown): readonly string[] {
  return [...new Set(leavesOf(tree).map(({ dtype }) => dtype))];
}

inFolder(
  "the base of an adapter is held in 16 bits, a model that is trained in 32",
  async (folder) => {
    using device = wasm({ threads: 1 });
    const model = await writeTinyModel(`${folder}/model`, { dtype: "bf16" });
    const whole = await readStart(trainSettings({ model }), { device });
    assertEquals(dtypesOf(whole?.models?.policy), ["f32"]);

    const settings = trainSettings({ model, lora: true });
    const start = await readStart(settings, { device });
    assert(start !== undefined && isAdapted(start.model));
    const { base } = start.model;
    assertEquals(dtypesOf(base.params), ["bf16"]);
    // The adapter with its gradient and two moments in f32; two bytes for each number of the base.
    const { state } = leastRoom(start.model, settings, 10);
    const [own, below] = [countParameters(start.model), countParameters(base.model)];
    assertEquals(state, 16 * own + 2 * below);
    const shared = { ...settings, shardOptimizer: true };
    assertEquals(leastRoom(start.model, shared, 10, 2).state, 12 * own + 2 * below);
    assertEquals(leastRoom(start.model, shared, 10).state, state);
    assertEquals(leastRoom(start.model, settings, 10, 2).state, state);
    // A device without memory: the message counts what is trained and what is not.
    assertThrows(
      () =>
        requireRoom([settings], { model: start.model, stages: [] }, {
          name: "wasm",
          memoryBytes: 1,
        }),
      UserError,
      `a model of ${(own + below).toLocaleString("en-US")} parameters takes at least`,
    );
  },
);

inFolder(
  "weights are held in the type that is asked for, whatever that of the files is",
  async (folder) => {
    using device = wasm({ threads: 1 });
    for (const dtype of ["f32", "bf16"] as const) {
      const model = await writeTinyModel(`${folder}/${dtype}`, { dtype });
      for (const weights of ["f32", "bf16", "f16"] as const) {
        for (const isOutline of [false, true]) {
          const whole = await readStart(trainSettings({ model, weights }), { device, isOutline });
          assertEquals(dtypesOf(whole?.models?.policy), [weights]);
          const settings = trainSettings({ model, weights, lora: true });
          const start = await readStart(settings, { device, isOutline });
          assert(start !== undefined && isAdapted(start.model));
          assertEquals(dtypesOf(start.model.base.params), [weights]);
        }
      }
    }
    const { model } = await readPretrained(`${folder}/f32`);
    const of = (weights: "f32" | "bf16" | "f16") =>
      leastRoom(model, trainSettings({ weights }), 10).state / countParameters(model);
    assertEquals([of("f32"), of("bf16"), of("f16")], [16, 14, 14]);
  },
);

inFolder(
  "a run with weights of 16 bits hands on such a model, and is resumed to the bit",
  async (folder) => {
    const model = await writeTinyModel(`${folder}/model`);
    const data = await writeRows(`${folder}/rows.jsonl`);
    const flags = ["--model", model, "--data", data, "--weights", "bf16", "--device", "wasm"];
    const whole = `${folder}/whole`;
    const steps = ["--steps", "4", "--save-steps", "2", "--eval-steps", "4", "--batch-size", "2"];
    await trained(...flags, ...steps, "--out", whole);
    const part = `${folder}/part`;
    await copyFolder(whole, part);
    await trained("--resume", part, "--from-step", "2");
    await assertSameFiles(part, whole);
    const latest = `${whole}/checkpoints/step-000004`;
    const { tensors } = decodeSafetensors(await Deno.readFile(`${latest}/model.safetensors`));
    assertEquals(new Set([...tensors.values()].map(({ dtype }) => dtype)), new Set(["BF16"]));
    const config = JSON.parse(await Deno.readTextFile(`${latest}/config.json`));
    assertEquals(config.dtype, "bfloat16");
  },
);

inFolder("an element of 16 bits that is no number is refused by its place", async (folder) => {
  using device = wasm({ threads: 1 });
  const model = await writeTinyModel(`${folder}/model`, { dtype: "bf16" });
  const path = `${model}/model.safetensors`;
  const { tensors, metadata } = decodeSafetensors(await Deno.readFile(path));
  const [first] = tensors.values();
  assert(first !== undefined);
  // Infinity, by the upper half of an f32.
  first.data.set([0x80, 0x7f], 6);
  await Deno.writeFile(path, encodeSafetensors(tensors, metadata));
  await assertRejects(
    () => readStart(trainSettings({ model, lora: true }), { device }),
    UserError,
    "element 3 of embed_tokens.weight is Infinity: the file is damaged",
  );
});

Deno.test("a run to start from that is not there is refused, not replaced by a new model", async () => {
  const settings = trainSettings({ from: "nowhere" });
  await assertRejects(() => readStart(settings, { device: reference() }), UserError, "nowhere");
});
