/** Models in bf16: those that stay as they are keep their 16 bits, those that are trained do not. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeSafetensors, encodeSafetensors, leavesOf, wasm } from "@unitune/core";
import { countParameters, isAdapted } from "@unitune/models";
import { trainSettings, UserError } from "@unitune/training";
import { readStart } from "../../../cli/run/base.ts";
import { leastRoom, requireRoom } from "../../../cli/run/room.ts";
import { inFolder } from "../command.ts";
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
