/**
 * Language models: a GPT as pure functions of its parameters, tokenizers and chat templates,
 * generation, and checkpoints that other tools read.
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
 *   gpt,
 *   gptPresets,
  gptSizes,
 * } from "@unitune/models";
 *
 * const tokenizer = characterTokenizer("abc");
 * const model = gpt({ ...gptPresets.nano, vocabulary: tokenizer.size });
 * const params = model.init(key(0));
 * const files = await encodeCheckpoint(model.config, params);
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
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  type TextTokens,
} from "./checkpoint.ts";
export {
  checkGptConfig,
  countParameters,
  type GptConfig,
  type GptPreset,
  gptPresets,
  gptSizes,
} from "./config.ts";
export * from "./generate.ts";
export {
  applyGpt,
  type CachePlace,
  decodeGpt,
  embedTokens,
  emptyGptCache,
  type Gpt,
  gpt,
  type GptBlock,
  type GptCache,
  type GptOptions,
  type GptParameters,
  hiddenStates,
  initGpt,
  tiedHead,
} from "./gpt.ts";
export type { WeightAndBias } from "./layers.ts";
export * from "./sampling.ts";
export * from "./scores.ts";
export * from "./template.ts";
export * from "./tokenizer.ts";
export { CheckpointError, decodeTree, encodeTree } from "./tree_file.ts";
