/** GPT-NeoX (Black et al. 2022, arXiv 2204.06745), such as Pythia, as a row of the architectures. */
import { activationNames } from "./activations.ts";
import { type Architecture, dottedPath } from "./architecture.ts";
import { checkGptNeoXConfig, gptNeoXSizeNames } from "./gpt_neox_config.ts";
import { type GptNeoX, makeGptNeoX } from "./gpt_neox_model.ts";
import { readSharedRotary, writeScaling } from "./rotary_settings.ts";
import { type FixedSettings, requireSettings, settingReader } from "./settings.ts";
import { sizeSettingsOf, sizesOf } from "./sizes.ts";

const NAME = "GPT-NeoX";
const PREFIX = "gpt_neox.";
const HEAD = "embed_out.weight";

/** The share of a head's elements that are rotated, where settings do not say. */
const DEFAULT_SHARE = 0.25;

/** The settings that hold sizes, by our names. */
const sizeSettings = {
  vocabulary: "vocab_size",
  context: "max_position_embeddings",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  width: "hidden_size",
  hiddenWidth: "intermediate_size",
} as const satisfies Record<typeof gptNeoXSizeNames[number], string>;

/** Settings that have one meaning here, under all its names. */
const fixedSettings: FixedSettings = {
  attention_dropout: [0],
  hidden_dropout: [0],
  quantization_config: [null],
};

/** Buffers that old files have beside the parameters: the causal mask, and frequencies. */
const BUFFER = /^layers\.\d+\.attention\.(?:bias|masked_bias|rotary_emb\.inv_freq)$/;

/**
 * GPT-NeoX. Weights are `[out, in]` in its files as in the tree of parameters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gptNeoX } from "@unitune/models";
 *
 * const { rotaryShare, isParallel } = gptNeoX.readConfig({
 *   vocab_size: 50_304,
 *   hidden_size: 512,
 *   intermediate_size: 2048,
 *   num_hidden_layers: 6,
 *   num_attention_heads: 8,
 *   max_position_embeddings: 2048,
 *   rotary_pct: 0.25,
 * });
 * assertEquals([rotaryShare, isParallel], [0.25, true]);
 * ```
 */
export const gptNeoX: Architecture<GptNeoX> = {
  modelType: "gpt_neox",
  name: NAME,
  classes: {
    languageModel: "GPTNeoXForCausalLM",
    rewardModel: "GPTNeoXForSequenceClassification",
  },
  make: makeGptNeoX,
  readConfig(settings) {
    requireSettings(NAME, settings, fixedSettings);
    const read = settingReader(NAME, settings);
    const context = read.number("max_position_embeddings");
    const { rotary, share } = readSharedRotary(NAME, settings, context, "rotary_emb_base");
    return checkGptNeoXConfig({
      modelType: "gpt_neox",
      vocabulary: read.number("vocab_size"),
      context,
      layers: read.number("num_hidden_layers"),
      heads: read.number("num_attention_heads"),
      width: read.number("hidden_size"),
      hiddenWidth: read.number("intermediate_size"),
      activation: read.choice("hidden_act", activationNames, "gelu"),
      epsilon: read.number("layer_norm_eps", 1e-5),
      tied: read.boolean("tie_word_embeddings", false),
      hasAttentionBias: read.boolean("attention_bias", true),
      isParallel: read.boolean("use_parallel_residual", true),
      rotary,
      rotaryShare: share ?? read.number("rotary_pct", DEFAULT_SHARE),
    });
  },
  writeConfig: (config) => ({
    ...sizeSettingsOf(config, gptNeoXSizeNames, sizeSettings),
    hidden_act: config.activation,
    layer_norm_eps: config.epsilon,
    tie_word_embeddings: config.tied,
    attention_bias: config.hasAttentionBias,
    use_parallel_residual: config.isParallel,
    attention_dropout: 0,
    hidden_dropout: 0,
    rotary_emb_base: config.rotary.base,
    rotary_pct: config.rotaryShare,
    rope_scaling: writeScaling(config.rotary.scaling),
  }),
  tensors: {
    prefix: PREFIX,
    nameOf: (path) => path === HEAD ? HEAD : PREFIX + dottedPath(path),
    isBuffer: (name) => BUFFER.test(name),
    tied: ({ tied }) => tied ? { [HEAD]: "embed_in.weight" } : {},
  },
  projections: {
    names: ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"],
    layout: "out-in",
    usual: ["query_key_value"],
    renamed: { "embed_out": "lm_head" },
  },
  sizes: (config) => sizesOf(config, gptNeoXSizeNames),
  presets: {},
};
