/**
 * Language models: architectures as pure functions of their parameters, tokenizers and chat
 * templates, generation, and checkpoints that other tools read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import {
 *   characterTokenizer,
 *   createGenerator,
 *   decodeCheckpoint,
 *   encodeCheckpoint,
 *   encodePrompt,
 *   languageModel,
 *   presetConfig,
 * } from "@unitune/models";
 *
 * const tokenizer = characterTokenizer("abc");
 * const model = languageModel(presetConfig("nano", { vocabulary: tokenizer.size }));
 * const params = model.init(key(0));
 * const files = await encodeCheckpoint({ model, params });
 *
 * using generator = createGenerator(model);
 * const prompt = encodePrompt(tokenizer, [{ role: "user", content: "abc" }]);
 * const options = { maxNewTokens: 4, stop: tokenizer.special.stop };
 * const completion = await generator.generate(params, [prompt], options);
 * const restored = await generator.generate(decodeCheckpoint(files).params, [prompt], options);
 * assertEquals(restored, completion);
 * ```
 *
 * @module
 */
export {
  type Architecture,
  dottedPath,
  type NewModel,
  type TensorNames,
} from "./architectures/architecture.ts";
export { gpt2 } from "./architectures/gpt2.ts";
export {
  checkGptConfig,
  type GptConfig,
  type GptPreset,
  gptPresets,
  type GptSizes,
} from "./architectures/gpt2_config.ts";
export {
  applyGpt,
  decodeGpt,
  embedTokens,
  emptyGptCache,
  type Gpt,
  gpt,
  type GptBlock,
  type GptCache,
  type GptParameters,
  hiddenStates,
  initGpt,
  tiedHead,
} from "./architectures/gpt2_model.ts";
export * from "./architectures/registry.ts";
export {
  type FixedSettings,
  type ModelSettings,
  numberSetting,
  requireSettings,
  settingError,
} from "./architectures/settings.ts";
export {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  type SavedModel,
  type TextTokens,
} from "./checkpoint.ts";
export * from "./generate.ts";
export * from "./language_model.ts";
export type { WeightAndBias } from "./layers.ts";
export * from "./sampling.ts";
export * from "./scores.ts";
export * from "./template.ts";
export * from "./tokenizer.ts";
export { CheckpointError, decodeTree, encodeTree } from "./tree_file.ts";
