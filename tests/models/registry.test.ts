/** The list of architectures, and what is looked up in it. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { key, leafPaths } from "@unitune/core";
import {
  architectures,
  changedConfig,
  languageModel,
  modelSizes,
  presetConfig,
  presetNames,
} from "@unitune/models";

Deno.test("every preset of every architecture is a model, by names that are told apart", () => {
  assertEquals(new Set(presetNames()).size, presetNames().length);
  assertEquals(new Set(architectures.map((row) => row.modelType)).size, architectures.length);
  for (const name of presetNames()) {
    const config = presetConfig(name, { vocabulary: 65 });
    assertEquals(languageModel(config).config, config);
    assertEquals(modelSizes(config).vocabulary, 65);
  }
});

Deno.test("an architecture reads the configuration that it writes, and names each tensor otherwise", () => {
  for (const row of architectures) {
    for (const preset of Object.values(row.presets)) {
      const config = { ...preset, vocabulary: 65 };
      assertEquals(row.readConfig(row.writeConfig(config)), config);
      const paths = [...leafPaths(row.make(config).init(key(0))).keys()];
      assertEquals(new Set(paths.map((path) => row.tensors.nameOf(path))).size, paths.length);
      assert(!paths.some((path) => row.tensors.isBuffer(row.tensors.nameOf(path))));
    }
  }
});

Deno.test("a configuration is changed by names that it has, and checked anew", () => {
  const config = presetConfig("baby", { vocabulary: 65 });
  assertEquals(changedConfig(config, { dropout: undefined }), config);
  assertEquals(Object.entries(changedConfig(config, { dropout: 0.5 })).at(-1), ["dropout", 0.5]);
  for (const name of ["toString", "experts"]) {
    assertThrows(() => changedConfig(config, { [name]: 1 }), RangeError, `there is no ${name}`);
  }
  // A model without dropout is one whose dropout is 0.
  const llama = presetConfig("nano-llama", { vocabulary: 65 });
  assertEquals(changedConfig(llama, { dropout: 0, context: 48 }), { ...llama, context: 48 });
  assertEquals(presetConfig("nano-llama", { vocabulary: 65, dropout: 0 }), llama);
  assertThrows(() => changedConfig(llama, { dropout: 0.1 }), RangeError, "there is no dropout");
  assertThrows(() => changedConfig(llama, { kernels: 0 }), RangeError, "there is no kernels");
  assertThrows(() => changedConfig(config, { heads: 7 }), RangeError, "into 7 heads");
  assertThrows(
    () => presetConfig("nanno", { vocabulary: 65 }),
    RangeError,
    `no preset "nanno" among nano, nano-cpu, baby`,
  );
});
