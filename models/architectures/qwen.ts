/**
 * Qwen2 (Yang et al. 2024, arXiv 2407.10671), Qwen2.5 and Qwen3 (Yang et al. 2025, arXiv 2505.09388)
 * as rows of the architectures.
 */
import type { Architecture } from "./architecture.ts";
import type { GatedDecoder } from "./gated_decoder.ts";
import type { GatedDecoderConfig } from "./gated_decoder_config.ts";
import { gatedDecoderRow, plain, type ReadSizes } from "./gated_decoder_row.ts";
import { kindsInTurn, readLayerTypes, writeLayerTypes } from "./layer_types.ts";
import { readFullRotary, writeScaling } from "./rotary_settings.ts";
import { type ModelSettings, settingError, type SettingReader } from "./settings.ts";

/** The values that transformers takes where settings have none. */
const DEFAULT_WINDOW = 4096;
const DEFAULT_FULL_LAYERS = 28;

/** Windows are off unless `use_sliding_window`; then the first `max_window_layers` have none. */
function readKinds(
  name: string,
  settings: ModelSettings,
  { layers, context }: ReadSizes,
  read: SettingReader,
): GatedDecoderConfig["kinds"] {
  const rotary = readFullRotary(name, settings, context);
  const isWindowed = read.boolean("use_sliding_window", false);
  const window = read.optionalNumber("sliding_window", DEFAULT_WINDOW);
  const fullLayers = read.number("max_window_layers", DEFAULT_FULL_LAYERS);
  const hasWindow = (layer: number) => isWindowed && window !== null && layer >= fullLayers;
  const types = readLayerTypes(
    name,
    settings,
    layers,
    (layer) => hasWindow(layer) ? "sliding_attention" : "full_attention",
  );
  return kindsInTurn(types, {
    full_attention: () => ({ window: null, rotary }),
    sliding_attention() {
      if (isWindowed && window !== null) return { window, rotary };
      const [setting, expected] = isWindowed
        ? ["sliding_window", "a number, since layer_types has windows"]
        : ["use_sliding_window", "true, since layer_types has windows"];
      throw settingError(name, setting, settings[setting], expected);
    },
  });
}

function writeKinds(config: GatedDecoderConfig): ModelSettings {
  const { rotary } = config.kinds[0];
  const layers = writeLayerTypes(config);
  return {
    use_sliding_window: layers.sliding_window !== null,
    ...layers,
    rope_theta: rotary.base,
    rope_scaling: writeScaling(rotary.scaling),
  };
}

const shared = {
  activation: { setting: "hidden_act", otherwise: "silu" },
  tied: false,
  presets: {},
} as const;

/**
 * Qwen2 and Qwen2.5: Llama with biases of queries, keys and values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { qwen2 } from "@unitune/models";
 *
 * const { biases } = qwen2.readConfig({
 *   vocab_size: 151_936,
 *   hidden_size: 896,
 *   intermediate_size: 4864,
 *   num_hidden_layers: 24,
 *   num_attention_heads: 14,
 *   num_key_value_heads: 2,
 *   max_position_embeddings: 32_768,
 * });
 * assertEquals(biases, { heads: true, attended: false, perceptron: false });
 * ```
 */
export const qwen2: Architecture<GatedDecoder<"qwen2">> = gatedDecoderRow<"qwen2">({
  ...shared,
  modelType: "qwen2",
  name: "Qwen2",
  className: "Qwen2",
  fixed: { use_mrope: [false] },
  headWidth: null,
  read: (settings, sizes, read) => ({
    ...plain,
    biases: { heads: true, attended: false, perceptron: false },
    kinds: readKinds("Qwen2", settings, sizes, read),
  }),
  write: writeKinds,
});

/**
 * Qwen3: Llama with normalized queries and keys, and a width of heads apart from that of the model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { qwen3 } from "@unitune/models";
 *
 * const { headWidth, headNorms } = qwen3.readConfig({
 *   vocab_size: 151_936,
 *   hidden_size: 1024,
 *   intermediate_size: 3072,
 *   num_hidden_layers: 28,
 *   num_attention_heads: 16,
 *   num_key_value_heads: 8,
 *   head_dim: 128,
 *   max_position_embeddings: 40_960,
 *   rope_theta: 1_000_000,
 *   tie_word_embeddings: true,
 * });
 * assertEquals([headWidth, headNorms], [128, true]);
 * ```
 */
export const qwen3: Architecture<GatedDecoder<"qwen3">> = gatedDecoderRow<"qwen3">({
  ...shared,
  modelType: "qwen3",
  name: "Qwen3",
  className: "Qwen3",
  fixed: {},
  headWidth: 128,
  read(settings, sizes, read) {
    const hasBias = read.boolean("attention_bias", false);
    return {
      ...plain,
      biases: { heads: hasBias, attended: hasBias, perceptron: false },
      headNorms: true,
      kinds: readKinds("Qwen3", settings, sizes, read),
    };
  },
  write: (config) => ({ attention_bias: config.biases.heads, ...writeKinds(config) }),
});
