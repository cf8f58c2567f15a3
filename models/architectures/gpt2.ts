/** GPT-2 as a row of the architectures, with the files of Hugging Face's GPT2LMHeadModel. */
import { LAYER_NORM_EPSILON } from "../layers.ts";
import { type Architecture, dottedPath } from "./architecture.ts";
import { checkGptConfig, gptPresets, gptSizeNames } from "./gpt2_config.ts";
import { type Gpt, gpt } from "./gpt2_model.ts";
import {
  type FixedSettings,
  type ModelSettings,
  numberSetting,
  requireSettings,
  settingError,
} from "./settings.ts";
import { sizeSettingsOf, sizesOf } from "./sizes.ts";

const NAME = "GPT-2";
const PREFIX = "transformer.";

/** The settings that hold sizes, by our names. */
const sizeSettings = {
  vocabulary: "vocab_size",
  context: "n_positions",
  width: "n_embd",
  layers: "n_layer",
  heads: "n_head",
} as const satisfies Record<typeof gptSizeNames[number], string>;

/** The settings that hold the dropout; here it is one number. */
const dropoutSettings = ["embd_pdrop", "attn_pdrop", "resid_pdrop"] as const;
const DEFAULT_DROPOUT = 0.1;

/** Settings with a single supported meaning, under all its names. */
const fixedSettings: FixedSettings = {
  activation_function: ["gelu_new", "gelu_pytorch_tanh"],
  layer_norm_epsilon: [LAYER_NORM_EPSILON],
  tie_word_embeddings: [true],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  add_cross_attention: [false],
};

/** Buffers that old files have beside the parameters: the causal mask. */
const MASK_BUFFER = /^h\.\d+\.attn\.(?:bias|masked_bias)$/;

/**
 * GPT-2. Projections are `[in, out]` in its files as in the tree of parameters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gpt2, gptPresets } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * assertEquals(gpt2.readConfig(gpt2.writeConfig(config)), config);
 * assertEquals(gpt2.tensors.nameOf("h[0].ln_1.bias"), "transformer.h.0.ln_1.bias");
 * ```
 */
export const gpt2: Architecture<Gpt> = {
  modelType: "gpt2",
  name: NAME,
  classes: { languageModel: "GPT2LMHeadModel", rewardModel: "GPT2ForSequenceClassification" },
  make: gpt,
  readConfig(settings) {
    requireSettings(NAME, settings, fixedSettings);
    const size = (name: keyof typeof sizeSettings) =>
      numberSetting(NAME, settings, sizeSettings[name]);
    const width = size("width");
    const { n_inner: hidden } = settings;
    if (hidden !== undefined && hidden !== null && hidden !== 4 * width) {
      throw settingError(NAME, "n_inner", hidden, `null or ${4 * width}`);
    }
    return checkGptConfig({
      vocabulary: size("vocabulary"),
      context: size("context"),
      layers: size("layers"),
      heads: size("heads"),
      width,
      dropout: dropoutOf(settings),
    });
  },
  writeConfig: (config) => ({
    ...sizeSettingsOf(config, gptSizeNames, sizeSettings),
    ...Object.fromEntries(dropoutSettings.map((name) => [name, config.dropout])),
    ...Object.fromEntries(Object.entries(fixedSettings).map(([name, [value]]) => [name, value])),
  }),
  tensors: {
    prefix: PREFIX,
    nameOf: (path) => PREFIX + dottedPath(path),
    isBuffer: (name) => MASK_BUFFER.test(name),
    tied: () => ({ "lm_head.weight": "wte.weight" }),
  },
  projections: { names: ["c_attn", "c_proj", "c_fc"], layout: "in-out", usual: ["c_attn"] },
  sizes: (config) => sizesOf(config, gptSizeNames),
  presets: gptPresets,
};

function dropoutOf(settings: ModelSettings): number {
  const [dropout, ...others] = dropoutSettings.map((name) => settings[name] ?? DEFAULT_DROPOUT);
  if (typeof dropout === "number" && others.every((other) => other === dropout)) return dropout;
  throw settingError(NAME, dropoutSettings.join(", "), [dropout, ...others], "one number thrice");
}
