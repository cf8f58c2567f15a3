/**
 * Gemma 2 (Gemma Team 2024, arXiv 2408.00118) and the text models of Gemma 3 (Gemma Team 2025, arXiv
 * 2503.19786) as rows of the architectures. Both normalize the results of attention and perceptron,
 * store gains as `w - 1`, scale embeddings by `sqrt(D)`, and mix layers with and without a window.
 */
import type { Architecture } from "./architecture.ts";
import type { GatedDecoder } from "./gated_decoder.ts";
import type { GatedDecoderConfig, LayerKind } from "./gated_decoder_config.ts";
import { gatedDecoderRow, noBiases, plain } from "./gated_decoder_row.ts";
import {
  kindsInTurn,
  type LayerType,
  layerTypes,
  readLayerTypes,
  writeLayerTypes,
} from "./layer_types.ts";
import type { Rotary } from "./rotary.ts";
import {
  allRotated,
  DEFAULT_BASE,
  nestedSettings,
  readFullRotary,
  readRotary,
  writeScaling,
} from "./rotary_settings.ts";
import {
  type FixedSettings,
  type ModelSettings,
  settingError,
  type SettingReader,
} from "./settings.ts";

const GEMMA2 = "Gemma 2";
const GEMMA3 = "Gemma 3";

/** The values that transformers takes where settings have none. */
const DEFAULT_WINDOW = 4096;
const DEFAULT_SCORE_WIDTH = 256;
const DEFAULT_GLOBAL_BASE = 1_000_000;
const DEFAULT_PATTERN = 6;

const shared = {
  activation: { setting: "hidden_activation", otherwise: "gelu_pytorch_tanh" },
  tied: true,
  headWidth: 256,
  presets: {},
} as const;

const fixed: FixedSettings = { use_bidirectional_attention: [false, null] };

/** The part of a configuration that both have. */
function readShared(read: SettingReader) {
  const hasBias = read.boolean("attention_bias", false);
  return {
    ...plain,
    biases: { ...noBiases, heads: hasBias, attended: hasBias },
    outputNorms: true,
    gainOffset: 1,
    scaledEmbeddings: true,
    scoreWidth: read.number("query_pre_attn_scalar", DEFAULT_SCORE_WIDTH),
  };
}

/** The same as settings. */
function writeShared(config: GatedDecoderConfig): ModelSettings {
  return {
    attention_bias: config.biases.heads,
    query_pre_attn_scalar: config.scoreWidth ?? config.headWidth,
    final_logit_softcapping: config.logitSoftcap,
    ...writeLayerTypes(config),
  };
}

/** A kind of layers with a window, whose size settings have to have. */
function slidingKind(name: string, read: SettingReader, rotary: Rotary): LayerKind {
  const window = read.optionalNumber("sliding_window", DEFAULT_WINDOW);
  if (window !== null) return { window, rotary };
  throw settingError(name, "sliding_window", null, "a number, since layer_types has windows");
}

/**
 * Gemma 2: every other layer has a window, and scores and logits are bounded.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gemma2 } from "@unitune/models";
 *
 * const { kinds, logitSoftcap, scoreSoftcap } = gemma2.readConfig({
 *   vocab_size: 256_000,
 *   hidden_size: 2304,
 *   intermediate_size: 9216,
 *   num_hidden_layers: 26,
 *   num_attention_heads: 8,
 *   num_key_value_heads: 4,
 *   head_dim: 256,
 *   max_position_embeddings: 8192,
 * });
 * assertEquals(kinds.map(({ window }) => window), [4096, null]);
 * assertEquals([scoreSoftcap, logitSoftcap], [50, 30]);
 * ```
 */
export const gemma2: Architecture<GatedDecoder<"gemma2">> = gatedDecoderRow<"gemma2">({
  ...shared,
  modelType: "gemma2",
  name: GEMMA2,
  className: "Gemma2",
  fixed,
  read(settings, { layers, context }, read) {
    const rotary = readFullRotary(GEMMA2, settings, context);
    const types = readLayerTypes(
      GEMMA2,
      settings,
      layers,
      (layer) => layer % 2 === 0 ? "sliding_attention" : "full_attention",
    );
    return {
      ...readShared(read),
      scoreSoftcap: read.optionalNumber("attn_logit_softcapping", 50),
      logitSoftcap: read.optionalNumber("final_logit_softcapping", 30),
      kinds: kindsInTurn(types, {
        full_attention: () => ({ window: null, rotary }),
        sliding_attention: () => slidingKind(GEMMA2, read, rotary),
      }),
    };
  },
  write: (config) => ({
    ...writeShared(config),
    attn_logit_softcapping: config.scoreSoftcap,
    rope_theta: config.kinds[0].rotary.base,
    rope_scaling: writeScaling(config.kinds[0].rotary.scaling),
  }),
});

/** The rotary positions of the layers of a kind, which `rope_parameters` has apart. */
function readRotaryOf(
  settings: ModelSettings,
  type: LayerType,
  { base, context }: { readonly base: number; readonly context: number },
): Rotary {
  const all = nestedSettings(GEMMA3, settings, "rope_parameters");
  const unknown = Object.entries(all).find(([name]) => !layerTypes.includes(name));
  if (unknown !== undefined) {
    const [name, value] = unknown;
    const expected = `settings for each of ${layerTypes.join(" and ")}`;
    throw settingError(GEMMA3, `rope_parameters.${name}`, value, expected);
  }
  const own = nestedSettings(GEMMA3, all, type);
  const older = type === "full_attention" ? nestedSettings(GEMMA3, settings, "rope_scaling") : {};
  const prefix = older === undefined || Object.keys(older).length === 0
    ? `rope_parameters.${type}.`
    : "rope_scaling.";
  const place = { architecture: GEMMA3, prefix, context };
  const { rotary, share } = readRotary({ ...own, ...older }, base, place);
  return allRotated(GEMMA3, rotary, share);
}

/**
 * The text models of Gemma 3: five layers with a window to one without, whose positions have another
 * base, and normalized queries and keys.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gemma3 } from "@unitune/models";
 *
 * const { kinds } = gemma3.readConfig({
 *   vocab_size: 262_144,
 *   hidden_size: 1152,
 *   intermediate_size: 6912,
 *   num_hidden_layers: 26,
 *   num_attention_heads: 4,
 *   num_key_value_heads: 1,
 *   head_dim: 256,
 *   max_position_embeddings: 32_768,
 *   sliding_window: 512,
 * });
 * const local = Array.from({ length: 5 }, () => [512, 10_000]);
 * assertEquals(kinds.slice(0, 6).map(({ window, rotary }) => [window, rotary.base]), [
 *   ...local,
 *   [null, 1_000_000],
 * ]);
 * ```
 */
export const gemma3: Architecture<GatedDecoder<"gemma3_text">> = gatedDecoderRow<"gemma3_text">({
  ...shared,
  modelType: "gemma3_text",
  name: GEMMA3,
  className: "Gemma3",
  fixed: { ...fixed, attn_logit_softcapping: [null] },
  read(settings, { layers, context }, read) {
    const pattern = read.number("sliding_window_pattern", DEFAULT_PATTERN);
    const types = readLayerTypes(
      GEMMA3,
      settings,
      layers,
      (layer) => (layer + 1) % pattern === 0 ? "full_attention" : "sliding_attention",
    );
    const global = readRotaryOf(settings, "full_attention", {
      base: read.number("rope_theta", DEFAULT_GLOBAL_BASE),
      context,
    });
    const local = readRotaryOf(settings, "sliding_attention", {
      base: read.number("rope_local_base_freq", DEFAULT_BASE),
      context,
    });
    if (local.scaling !== null) {
      const name = "rope_parameters.sliding_attention.rope_type";
      throw settingError(GEMMA3, name, local.scaling.kind, '"default"');
    }
    return {
      ...readShared(read),
      headNorms: true,
      logitSoftcap: read.optionalNumber("final_logit_softcapping"),
      kinds: kindsInTurn(types, {
        full_attention: () => ({ window: null, rotary: global }),
        sliding_attention: () => slidingKind(GEMMA3, read, local),
      }),
    };
  },
  write(config) {
    const global = config.kinds.find(({ window }) => window === null);
    const local = config.kinds.find(({ window }) => window !== null);
    return {
      ...writeShared(config),
      ...global !== undefined && {
        rope_theta: global.rotary.base,
        rope_scaling: writeScaling(global.rotary.scaling),
      },
      ...local !== undefined && { rope_local_base_freq: local.rotary.base },
    };
  },
});
