/** Larger vocabularies of models of every architecture. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { headLogits, key, leafPaths, tensor } from "@unitune/core";
import { growVocabulary, languageModel, presetConfig } from "@unitune/models";

for (const preset of ["nano", "nano-llama"]) {
  Deno.test(`${preset} with three tokens more predicts the others as before`, async () => {
    const model = languageModel(presetConfig(preset, { vocabulary: 7 }));
    const params = model.init(key(1));
    const grown = growVocabulary({ model, params }, 10);
    assertEquals(grown.model.config, { ...model.config, vocabulary: 10 });
    const ids = tensor([[1, 6, 2]], { dtype: "i32" });
    const logitsOf = async ({ model, params }: typeof grown, vocabulary: number) => {
      const hidden = model.hidden(params, model.embed(params, ids));
      const data = await headLogits(model.head(params), hidden).data();
      return Array.from(
        { length: 3 },
        (_, t) => Array.from(data.slice(t * vocabulary, (t + 1) * vocabulary)),
      );
    };
    const [before, after] = [await logitsOf({ model, params }, 7), await logitsOf(grown, 10)];
    for (const [t, own] of before.entries()) {
      assertEquals(after[t]?.slice(0, 7), own);
      const mean = own.reduce((sum, logit) => sum + logit, 0) / 7;
      // The mean of a product's rows is the product with their mean, up to f32's rounding.
      for (const logit of after[t]?.slice(7) ?? []) assertAlmostEquals(logit, mean, 1e-5);
    }
    const shapes = [...leafPaths(grown.params).values()].filter(({ shape }) => shape[0] === 10);
    assertEquals(
      shapes.length,
      preset === "nano" ? 1 : leafPaths(params).has("lm_head.weight") ? 2 : 1,
    );
  });
}

Deno.test("a vocabulary does not shrink, and of the same size stays as it is", async () => {
  const model = languageModel(presetConfig("nano", { vocabulary: 7 }));
  const params = model.init(key(1));
  assertThrows(() => growVocabulary({ model, params }, 6), RangeError, "has 7 tokens");
  const same = leafPaths(growVocabulary({ model, params }, 7).params);
  for (const [path, leaf] of leafPaths(params)) {
    assertEquals(await same.get(path)?.data(), await leaf.data(), path);
  }
});
