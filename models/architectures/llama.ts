/**
 * Llama as a row of the architectures: Llama 1 to 3.3 (Grattafiori et al. 2024, arXiv 2407.21783) and
 * the models that are made as it is, such as SmolLM2 and TinyLlama.
 */
import type { Architecture } from "./architecture.ts";
import type { GatedDecoder } from "./gated_decoder.ts";
import { gatedDecoderRow, plain } from "./gated_decoder_row.ts";
import { DEFAULT_BASE, readFullRotary, writeScaling } from "./rotary_settings.ts";

const NAME = "Llama";

/**
 * Llama, with or without the scaled positions of Llama 3.1 and 3.2.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { languageModel, llama, presetConfig } from "@unitune/models";
 *
 * const { config } = languageModel(presetConfig("nano-llama", { vocabulary: 65 }), [llama]);
 * assertEquals([config.modelType, config.layers], ["llama", 2]);
 * assertEquals(
 *   llama.tensors.nameOf("layers[0].mlp.up_proj.weight"),
 *   "model.layers.0.mlp.up_proj.weight",
 * );
 * ```
 */
export const llama: Architecture<GatedDecoder<"llama">> = gatedDecoderRow<"llama">({
  modelType: "llama",
  name: NAME,
  className: "Llama",
  fixed: { rope_interleaved: [false] },
  activation: { setting: "hidden_act", otherwise: "silu" },
  tied: false,
  headWidth: null,
  read(settings, { context }, read) {
    const hasBias = read.boolean("attention_bias", false);
    return {
      ...plain,
      biases: {
        heads: hasBias,
        attended: hasBias,
        perceptron: read.boolean("mlp_bias", false),
      },
      kinds: [{ window: null, rotary: readFullRotary(NAME, settings, context) }],
    };
  },
  write: ({ biases, kinds: [{ rotary }] }) => ({
    attention_bias: biases.heads,
    mlp_bias: biases.perceptron,
    rope_theta: rotary.base,
    rope_scaling: writeScaling(rotary.scaling),
  }),
  presets: {
    "nano-llama": {
      modelType: "llama",
      context: 32,
      layers: 2,
      heads: 4,
      keyValueHeads: 2,
      headWidth: 16,
      width: 64,
      hiddenWidth: 172,
      activation: "silu",
      epsilon: 1e-5,
      tied: true,
      ...plain,
      kinds: [{ window: null, rotary: { base: DEFAULT_BASE, scaling: null } }],
    },
  },
});
