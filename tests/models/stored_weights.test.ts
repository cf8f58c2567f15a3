/** Weights that stay in the 16 bits of their file: what is read of them is what their f32 copy gives. */
import { assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  compile,
  headLogits,
  inFloats,
  key,
  leafPaths,
  leavesOf,
  mapTree,
  normal,
  onDevice,
  square,
  sum,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import {
  adapt,
  type AdapterBase,
  type AdapterConfig,
  type AdapterParameters,
  checkpointFiles,
  contentBytes,
  filesSource,
  growVocabulary,
  type LanguageModel,
  languageModel,
  mergeAdapter,
  presetConfig,
  readCheckpoint,
} from "@unitune/models";

const device = wasm({ threads: 1 });
const ids = tensor([[1, 7, 3, 2, 9], [4, 4, 0, 10, 1]], { dtype: "i32" });

const adapter: AdapterConfig = {
  rank: 3,
  alpha: 6,
  dropout: 0,
  targets: "all-linear",
  isRankStabilized: false,
  hasMagnitudes: false,
  saved: [],
};

/** A checkpoint in bf16: its files, and the models that are read of them, in 16 bits and in 32. */
async function basesOf(preset: string) {
  const sizes = { vocabulary: 11, width: 8, heads: 2, layers: 2, context: 12 };
  const model = languageModel(presetConfig(preset, sizes));
  const saved = { model, params: model.init(key(3)) };
  const contents = [...checkpointFiles(saved, { dtype: "bf16" })];
  const files = new Map(
    await Promise.all(
      contents.map(async ([name, content]) => [name, await contentBytes(content)] as const),
    ),
  );
  return {
    files,
    stored: await readCheckpoint(filesSource(files), { keepsStorage: true }),
    copy: await readCheckpoint(filesSource(files)),
  };
}

function logitsOf(model: LanguageModel, params: unknown): Tensor {
  return headLogits(model.head(params), model.hidden(params, model.embed(params, ids)));
}

async function dataOf(tree: unknown): Promise<readonly unknown[]> {
  return await Promise.all(leavesOf(tree).map((leaf) => leaf.data()));
}

for (const preset of ["nano", "nano-llama"]) {
  const { files, stored, copy } = await basesOf(preset);

  Deno.test(`${preset}: weights are kept in 16 bits, and written again to the bit`, async () => {
    assertEquals(new Set(leavesOf(stored.params).map(({ dtype }) => dtype)), new Set(["bf16"]));
    assertEquals(await dataOf(inFloats(stored.params)), await dataOf(copy.params));
    assertEquals(inFloats(copy.params), copy.params);
    const again = checkpointFiles(stored, { dtype: "bf16" }).get("model.safetensors");
    if (again === undefined) throw new Error("no weights were written");
    assertEquals(await contentBytes(again), files.get("model.safetensors"));
  });

  for (const hasMagnitudes of [false, true]) {
    Deno.test(`${preset}, DoRA ${hasMagnitudes}: the adapter of either learns the same bits`, async () => {
      /** Logits, and gradients of the adapter; its B is not 0. */
      const resultsOf = async (base: AdapterBase) => {
        const model = adapt({ ...base, params: onDevice(base.params, device) }, {
          ...adapter,
          hasMagnitudes,
        });
        const params = mapTree(
          model.init(key(5)),
          (leaf, path) => path.endsWith("up") ? normal(key(path.length), leaf.shape) : leaf,
        );
        using step = compile((params: AdapterParameters) => ({
          logits: logitsOf(model, params),
          gradient: grad((own: AdapterParameters) => sum(square(logitsOf(model, own))))(params),
        }), { device });
        return [
          ...await dataOf(step(onDevice(params, device))),
          ...await dataOf(inFloats(mergeAdapter(model, params))),
        ];
      };
      assertEquals(await resultsOf(stored), await resultsOf(copy));
    });
  }

  Deno.test(`${preset}: a larger vocabulary is of 16 bits as well`, async () => {
    const grown = growVocabulary(stored, 13);
    assertEquals(new Set(leavesOf(grown.params).map(({ dtype }) => dtype)), new Set(["bf16"]));
    const larger = growVocabulary(copy, 13);
    // The mean of the rows is rounded; all else is as before.
    assertEquals(
      [...leafPaths(grown.params)].map(([path, { shape }]) => [path, shape]),
      [...leafPaths(larger.params)].map(([path, { shape }]) => [path, shape]),
    );
    const cut = (logits: Float32Array) => logits.filter((_, i) => i % 13 < 11);
    const own = Float32Array.from(await logitsOf(grown.model, grown.params).data());
    const other = Float32Array.from(await logitsOf(larger.model, larger.params).data());
    assertEquals(cut(own), cut(other));
  });
}
