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
 * const options = { maxNewTokens: 4, stop: tokenizer.stops };
 * const completion = await generator.generate(params, [prompt], options);
 * const decoded = await decodeCheckpoint(files);
 * const restored = await generator.generate(decoded.params, [prompt], options);
 * assertEquals(restored, completion);
 * ```
 *
 * @module
 */
export {
  adapt,
  type AdaptedModel,
  type AdapterBase,
  type AdapterParameters,
  isAdapted,
  type LowRankParameters,
  mergeAdapter,
} from "./adapters/adapted_model.ts";
export { adapterCard, type CardBase } from "./adapters/card.ts";
export type { AdapterConfig } from "./adapters/adapter_config.ts";
export {
  adapterBaseIn,
  encodeAdapter,
  readAdapter,
  type ReadAdapterOptions,
  type SavedAdapter,
} from "./adapters/peft_files.ts";
export type { BaseName } from "./adapters/peft_settings.ts";
export type { Projection, SavedParameter, Targets } from "./adapters/modules.ts";
export {
  type Architecture,
  dottedPath,
  type NewModel,
  type ProjectionNames,
  type TensorNames,
} from "./architectures/architecture.ts";
export type { Activation } from "./architectures/activations.ts";
export type {
  AttentionKind,
  Decoder,
  Heads,
  KeyValueCache,
  Pass,
} from "./architectures/decoder.ts";
export type {
  GatedBlock,
  GatedDecoder,
  GatedDecoderParameters,
} from "./architectures/gated_decoder.ts";
export type {
  Biases,
  GatedDecoderConfig,
  LayerKind,
} from "./architectures/gated_decoder_config.ts";
export type {
  LinearScaling,
  Llama3Scaling,
  Rotary,
  RotaryScaling,
  YarnScaling,
} from "./architectures/rotary.ts";
export { gemma2, gemma3 } from "./architectures/gemma.ts";
export { gpt2 } from "./architectures/gpt2.ts";
export { gptNeoX } from "./architectures/gpt_neox.ts";
export type { GptNeoXConfig } from "./architectures/gpt_neox_config.ts";
export type { GptNeoX, GptNeoXBlock, GptNeoXParameters } from "./architectures/gpt_neox_model.ts";
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
export { llama } from "./architectures/llama.ts";
export { mistral } from "./architectures/mistral.ts";
export { qwen2, qwen3 } from "./architectures/qwen.ts";
export * from "./architectures/registry.ts";
export {
  type FixedSettings,
  type ModelSettings,
  numberSetting,
  requireSettings,
  settingError,
  type SettingReader,
  settingReader,
} from "./architectures/settings.ts";
export * from "./chat/chat_format.ts";
export { type BaseTemplate, baseTemplates } from "./chat/templates.ts";
export {
  checkConversation,
  describeTokens,
  type Finding,
  type FindingKind,
  findingKinds,
} from "./chat/checks.ts";
export {
  conversationRows,
  encodeConversation,
  encodePrompt,
  encodeText,
} from "./chat/conversation.ts";
export {
  decodeCheckpoint,
  readCheckpoint,
  type ReadCheckpointOptions,
} from "./checkpoints/read.ts";
export type { Checkpoint, SavedModel, TextTokens } from "./checkpoints/saved_model.ts";
export { type CheckpointSource, filesSource, textIn } from "./checkpoints/source.ts";
export { CheckpointError } from "./checkpoints/checkpoint_error.ts";
export {
  contentBytes,
  contentPieces,
  type FileContent,
  type StreamedContent,
} from "./checkpoints/file_content.ts";
export { type ModelCard, modelCard } from "./checkpoints/model_card.ts";
export { readTreeFile } from "./checkpoints/fill.ts";
export { decodeTree, encodeTree, treeFile } from "./checkpoints/tree_file.ts";
export {
  checkpointFiles,
  type CheckpointFilesOptions,
  encodeCheckpoint,
  type WeightsDType,
} from "./checkpoints/write.ts";
export { NonFiniteLogitsError } from "./generation/batch.ts";
export { type Completion, generatedIds, isEnded, type TextWatch } from "./generation/completion.ts";
export { createGenerator, type TokenGenerator } from "./generation/generator.ts";
export { geometricMixture, type Mixed } from "./generation/mixture.ts";
export type { GenerateOptions } from "./generation/options.ts";
export { generationBytes, type GenerationSizes } from "./generation/room.ts";
export { stopStrings, textBefore, type TextGate, textGate } from "./generation/stop_strings.ts";
export * from "./language_model.ts";
export {
  type Gain,
  type Linear,
  linear,
  type LowRank,
  project,
  type WeightAndBias,
} from "./layers.ts";
export * from "./sampling.ts";
export * from "./scores.ts";
export {
  bytePairFiles,
  learnBytePairs,
  leastBytePairVocabulary,
  type Merge,
  mostBytePairVocabulary,
} from "./tokenizers/byte_pairs.ts";
export { byteTokenizer } from "./tokenizers/bytes.ts";
export { characterTokenizer } from "./tokenizers/characters.ts";
export { findPlainTokenizer, plainTokenizer, TokenizerError } from "./tokenizers/plain.ts";
export { specialIds, type SpecialToken, specialTokens } from "./tokenizers/role_tokens.ts";
export { type DecodeOptions, hasSameTokens, type Tokenizer } from "./tokenizers/tokenizer.ts";
export { type TextStream, textStream } from "./tokenizers/text_stream.ts";
export { UnknownCharacterError } from "./tokenizers/unknown_character.ts";
export * from "./stored_weights.ts";
export { growVocabulary } from "./vocabulary.ts";
