/** The configuration of gated decoders: Llama and its relatives, which differ in these data alone. */
import type { LanguageModelConfig } from "../language_model.ts";
import { type Activation, activations } from "./activations.ts";
import type { Rotary } from "./rotary.ts";
import { checkSizes } from "./sizes.ts";

/** The reach of a layer's attention, and its positions. */
export interface LayerKind {
  /** The number of tokens that a token sees, its own included; null for all before it. */
  readonly window: number | null;
  /** The rotary positions. */
  readonly rotary: Rotary;
}

/** The linear layers that have biases. */
export interface Biases {
  /** Those of queries, keys and values. */
  readonly heads: boolean;
  /** The one behind attention. */
  readonly attended: boolean;
  /** Those of the perceptron. */
  readonly perceptron: boolean;
}

/**
 * The configuration of a gated decoder: RMS norms, rotary positions, grouped queries, and a
 * perceptron with a gate.
 *
 * @typeParam M The name of the architecture in Hugging Face's `config.json`.
 */
export interface GatedDecoderConfig<M extends string = string> extends LanguageModelConfig {
  /** The name of the architecture in Hugging Face's `config.json`. */
  readonly modelType: M;
  /** Heads of queries, Hq. */
  readonly heads: number;
  /** Heads of keys and values, Hkv, which divide those of queries. */
  readonly keyValueHeads: number;
  /** Width of a head, Dh; even. */
  readonly headWidth: number;
  /** Width of the perceptron's hidden layer, F. */
  readonly hiddenWidth: number;
  /** The activation of the perceptron's gate. */
  readonly activation: Activation;
  /** The number that keeps RMS norms from dividing by 0. */
  readonly epsilon: number;
  /** Whether the head is the token embedding. */
  readonly tied: boolean;
  /** The linear layers that have biases. */
  readonly biases: Biases;
  /** The kinds of the layers, which take turns: layer i is of kind `i mod kinds.length`. */
  readonly kinds: readonly [LayerKind, ...LayerKind[]];
  /** Whether queries and keys of each head are normalized, as in Qwen3 and Gemma 3. */
  readonly headNorms: boolean;
  /** Whether the results of attention and perceptron are normalized, as in Gemma 2 and 3. */
  readonly outputNorms: boolean;
  /** The number that is added to every gain: 1 in Gemma, whose gains are stored as `w - 1`. */
  readonly gainOffset: number;
  /** Whether embeddings are multiplied by `sqrt(D)`, as in Gemma. */
  readonly scaledEmbeddings: boolean;
  /** The n of the factor `1 / sqrt(n)` of scores, or null for the width of a head. */
  readonly scoreWidth: number | null;
  /** The bound of scores, as in Gemma 2, or null for none. */
  readonly scoreSoftcap: number | null;
  /** The bound of logits, as in Gemma 2, or null for none. */
  readonly logitSoftcap: number | null;
}

/** The names of the sizes on which shapes depend, in the order in which they are shown. */
export const gatedSizeNames = [
  "vocabulary",
  "context",
  "layers",
  "heads",
  "keyValueHeads",
  "headWidth",
  "width",
  "hiddenWidth",
] as const;

function positive(name: string, fieldName: string, value: number | null): void {
  if (value === null || (Number.isFinite(value) && value > 0)) return;
  throw new RangeError(`${name}: ${fieldName} is ${value}, expected a number above 0`);
}

/**
 * Checks that a gated decoder can have a configuration.
 *
 * @param name The readable name of the architecture.
 * @param config The configuration.
 * @returns The configuration.
 * @throws {RangeError} If a size is not a positive integer, there are more than 512 layers, heads of
 * keys do not divide those of queries, the width of a head is odd, or epsilon, a window or a bound is not above 0.
 */
export function checkGatedDecoderConfig<C extends GatedDecoderConfig>(name: string, config: C): C {
  checkSizes(name, config, gatedSizeNames);
  const { heads, keyValueHeads, headWidth, activation, kinds } = config;
  if (heads % keyValueHeads !== 0) {
    throw new RangeError(
      `${name}: ${heads} heads of queries do not divide into groups for ${keyValueHeads} heads of ` +
        `keys and values`,
    );
  }
  if (headWidth % 2 !== 0) {
    throw new RangeError(
      `${name}: headWidth is ${headWidth}, expected an even number: pairs of elements are rotated`,
    );
  }
  if (!Object.hasOwn(activations, activation)) {
    throw new RangeError(
      `${name}: activation is ${activation}, expected ${Object.keys(activations).join(" or ")}`,
    );
  }
  for (const { window, rotary } of kinds) {
    positive(name, "base", rotary.base);
    if (window === null || (Number.isSafeInteger(window) && window > 0)) continue;
    throw new RangeError(`${name}: window is ${window}, expected a positive integer or null`);
  }
  for (const field of ["epsilon", "scoreWidth", "scoreSoftcap", "logitSoftcap"] as const) {
    positive(name, field, config[field]);
  }
  return config;
}
