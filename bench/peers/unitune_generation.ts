/**
 * Generation by a checkout of this repository, with random weights: a peer to measure beside others;
 * see `startPeer` for the lines that it prints and reads.
 *
 *     deno run PERMISSIONS --config=FOLDER/deno.json unitune_generation.ts FOLDER DEVICE SIZES
 */
import { pathToFileURL } from "node:url";
import type { GenerationSizes } from "./generation.ts";
import { linesOf } from "./peer.ts";

const [folder = "", device = "", text = "{}"] = Deno.args;

/** A module of the checkout, which must have the exports that this one has. */
const moduleOf = (path: string) => import(pathToFileURL(`${folder}/${path}`).href);

const { openDevice }: typeof import("@unitune/cli") = await moduleOf("cli/mod.ts");
const { cast, compile, key, mapTree, onDevice }: typeof import("@unitune/core") = await moduleOf(
  "core/mod.ts",
);
const { architectures, countParameters, createGenerator, languageModel, presetConfig }:
  typeof import("@unitune/models") = await moduleOf("models/mod.ts");

const sizes: GenerationSizes = JSON.parse(text);
if (device !== "wasm" && device !== "native" && device !== "webgpu") {
  console.log(JSON.stringify({ missing: `there is no device ${device}` }));
  Deno.exit(0);
}
const opened = await openDevice(device);
const { batch, prompt, tokens, dtype, hiddenWidth, keyValueHeads, ...shape } = sizes;
const model = languageModel({
  ...presetConfig("nano-llama", { vocabulary: shape.vocabulary }, architectures),
  ...{ ...shape, hiddenWidth, keyValueHeads, headWidth: shape.width / shape.heads },
});
const init = compile((seed: ReturnType<typeof key>) => {
  const params = model.init(seed);
  return dtype === "float32" ? params : mapTree(params, (leaf) => cast(leaf, "bf16"));
}, { device: opened });
const params = onDevice(init(key(0)), opened);
const prompts = Array.from(
  { length: batch },
  (_, i) => Array.from({ length: prompt }, (_, j) => (37 * i + 11 * j) % shape.vocabulary),
);
const generator = createGenerator(model, { device: opened });
const generate = () => generator.generate(params, prompts, { maxNewTokens: tokens });
await generate();
console.log(JSON.stringify({
  version: `Deno ${Deno.version.deno}`,
  parameters: countParameters(model),
}));
for await (const line of linesOf(Deno.stdin.readable)) {
  let last = NaN;
  for (let i = 0; i < Number(line); i++) last = (await generate()).at(-1)?.ids.at(-1) ?? NaN;
  console.log(last);
}
Deno.exit(0);
