/** Rows of gated decoders: the settings and names that all of them share, and those that one adds. */
import { type Architecture, dottedPath, type NewModel } from "./architecture.ts";
import { type Activation, activationNames } from "./activations.ts";
import { type GatedDecoder, gatedDecoder } from "./gated_decoder.ts";
import {
  type Biases,
  checkGatedDecoderConfig,
  type GatedDecoderConfig,
  gatedSizeNames,
} from "./gated_decoder_config.ts";
import {
  type FixedSettings,
  type ModelSettings,
  requireSettings,
  type SettingReader,
  settingReader,
} from "./settings.ts";
import { sizeSettingsOf, sizesOf } from "./sizes.ts";

/** The settings of all gated decoders that hold sizes, by our names. */
const sizeSettings = {
  vocabulary: "vocab_size",
  context: "max_position_embeddings",
  layers: "num_hidden_layers",
  heads: "num_attention_heads",
  keyValueHeads: "num_key_value_heads",
  headWidth: "head_dim",
  width: "hidden_size",
  hiddenWidth: "intermediate_size",
} as const satisfies Record<typeof gatedSizeNames[number], string>;

/** Settings that have one meaning here, under all its names, in every gated decoder. */
const fixedSettings: FixedSettings = {
  attention_dropout: [0],
  partial_rotary_factor: [1, null],
  quantization_config: [null],
};

const PREFIX = "model.";
const HEAD = "lm_head.weight";

/** Buffers that old files have beside the parameters: the frequencies of rotary positions. */
const FREQUENCIES = /(?:^|\.)rotary_emb\.inv_freq$/;

/** Biases of no layer. */
export const noBiases: Biases = { heads: false, attended: false, perceptron: false };

/** The sizes that an architecture's own settings may depend on. */
export interface ReadSizes {
  /** The number of layers. */
  readonly layers: number;
  /** The largest number of tokens in a sequence. */
  readonly context: number;
}

/** The part of a configuration that differs between architectures of gated decoders. */
export type OwnConfig = Pick<
  GatedDecoderConfig,
  | "biases"
  | "headNorms"
  | "outputNorms"
  | "gainOffset"
  | "scaledEmbeddings"
  | "scoreWidth"
  | "scoreSoftcap"
  | "logitSoftcap"
  | "kinds"
>;

/** The parts of a configuration that are those of Llama, unless an architecture has its own. */
export const plain: Omit<OwnConfig, "kinds"> = {
  biases: noBiases,
  headNorms: false,
  outputNorms: false,
  gainOffset: 0,
  scaledEmbeddings: false,
  scoreWidth: null,
  scoreSoftcap: null,
  logitSoftcap: null,
};

/** What an architecture of gated decoders adds to what all share. */
export interface GatedDecoderDescription<M extends string> {
  /** Its name in Hugging Face's `config.json`. */
  readonly modelType: M;
  /** Its readable name. */
  readonly name: string;
  /** The beginning of the names of Hugging Face's classes, such as `Llama`. */
  readonly className: string;
  /** Further settings that have one meaning here, under all its names. */
  readonly fixed: FixedSettings;
  /** The setting of the activation, and its default. */
  readonly activation: { readonly setting: string; readonly otherwise: Activation };
  /** Whether the head is tied where settings do not say. */
  readonly tied: boolean;
  /** The width of a head where settings do not say; null for `width / heads`. */
  readonly headWidth: number | null;
  /** Reads the part of a configuration that is the architecture's own. */
  read(settings: ModelSettings, sizes: ReadSizes, read: SettingReader): OwnConfig;
  /** Writes that part; settings that all share are there already. */
  write(config: GatedDecoderConfig<M>): ModelSettings;
  /** Configurations of new models by name. */
  readonly presets: Readonly<Record<string, NewModel<GatedDecoderConfig<M>>>>;
}

/**
 * The row of an architecture of gated decoders. Weights are `[out, in]` in its files as in the tree of
 * parameters.
 *
 * @param description The part that is the architecture's own.
 * @returns The row.
 */
export function gatedDecoderRow<M extends string>(
  description: GatedDecoderDescription<M>,
): Architecture<GatedDecoder<M>> {
  const { modelType, name, className, fixed, activation, headWidth, presets } = description;
  return {
    modelType,
    name,
    classes: {
      languageModel: `${className}ForCausalLM`,
      rewardModel: `${className}ForSequenceClassification`,
    },
    make: (config) => gatedDecoder(name, config),
    readConfig(settings) {
      requireSettings(name, settings, { ...fixedSettings, ...fixed });
      const read = settingReader(name, settings);
      const [width, heads] = [read.number("hidden_size"), read.number("num_attention_heads")];
      const [layers, context] = [
        read.number("num_hidden_layers"),
        read.number("max_position_embeddings"),
      ];
      return checkGatedDecoderConfig(name, {
        modelType,
        vocabulary: read.number("vocab_size"),
        context,
        layers,
        heads,
        keyValueHeads: read.number("num_key_value_heads", heads),
        headWidth: read.number("head_dim", headWidth ?? Math.floor(width / heads)),
        width,
        hiddenWidth: read.number("intermediate_size"),
        activation: read.choice(activation.setting, activationNames, activation.otherwise),
        epsilon: read.number("rms_norm_eps", 1e-6),
        tied: read.boolean("tie_word_embeddings", description.tied),
        ...description.read(settings, { layers, context }, read),
      });
    },
    writeConfig: (config) => ({
      ...sizeSettingsOf(config, gatedSizeNames, sizeSettings),
      [activation.setting]: config.activation,
      rms_norm_eps: config.epsilon,
      tie_word_embeddings: config.tied,
      attention_dropout: 0,
      ...description.write(config),
    }),
    tensors: {
      prefix: PREFIX,
      nameOf: (path) => path === HEAD ? HEAD : PREFIX + dottedPath(path),
      isBuffer: (name) => FREQUENCIES.test(name),
      tied: ({ tied }) => tied ? { [HEAD]: "embed_tokens.weight" } : {},
    },
    projections: {
      names: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
      layout: "out-in",
      usual: ["q_proj", "v_proj"],
    },
    sizes: (config) => sizesOf(config, gatedSizeNames),
    presets,
  };
}
