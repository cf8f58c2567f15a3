/** The configuration of GPT-NeoX. */
import type { LanguageModelConfig } from "../language_model.ts";
import type { Activation } from "./activations.ts";
import type { Rotary } from "./rotary.ts";
import { checkSizes } from "./sizes.ts";

/** The configuration of a GPT-NeoX. */
export interface GptNeoXConfig extends LanguageModelConfig {
  /** The name of the architecture in Hugging Face's `config.json`. */
  readonly modelType: "gpt_neox";
  /** Attention heads in a block, H; a head is D / H wide. */
  readonly heads: number;
  /** Width of the perceptron's hidden layer, F. */
  readonly hiddenWidth: number;
  /** The activation of the perceptron. */
  readonly activation: Activation;
  /** The number that keeps normalizations from dividing by 0. */
  readonly epsilon: number;
  /** Whether the head is the token embedding. */
  readonly tied: boolean;
  /** Whether the linear layers of attention have biases. */
  readonly hasAttentionBias: boolean;
  /** Whether attention and perceptron read the same residual stream, not one behind the other. */
  readonly isParallel: boolean;
  /** The rotary positions. */
  readonly rotary: Rotary;
  /** The share of a head's elements that are rotated, above 0. */
  readonly rotaryShare: number;
}

/** The names of the sizes on which shapes depend, in the order in which they are shown. */
export const gptNeoXSizeNames = [
  "vocabulary",
  "context",
  "layers",
  "heads",
  "width",
  "hiddenWidth",
] as const;

/** The number of rotated elements of a head. */
export function rotatedElements(
  { heads, width, rotaryShare }: Pick<GptNeoXConfig, "heads" | "width" | "rotaryShare">,
): number {
  return Math.floor(width / heads * rotaryShare);
}

/**
 * Checks that a GPT-NeoX can have a configuration.
 *
 * @param config The configuration.
 * @returns The configuration.
 * @throws {RangeError} If a size is not a positive integer, there are more than 512 layers, heads do not
 * divide the width, the number of rotated elements of a head is odd or none, or epsilon or the base is
 * not above 0.
 */
export function checkGptNeoXConfig(config: GptNeoXConfig): GptNeoXConfig {
  checkSizes("GPT-NeoX", config, gptNeoXSizeNames);
  const { heads, width, rotary: { base }, rotaryShare, epsilon } = config;
  if (width % heads !== 0) {
    throw new RangeError(`GPT-NeoX: a width of ${width} does not divide into ${heads} heads`);
  }
  const rotated = rotatedElements(config);
  if (!(rotated >= 2 && rotated % 2 === 0 && rotaryShare <= 1)) {
    throw new RangeError(
      `GPT-NeoX: ${rotated} of ${width / heads} elements of a head are rotated, expected an even ` +
        `number of them, at least 2: rotaryShare is ${rotaryShare}`,
    );
  }
  for (const [name, value] of Object.entries({ epsilon, base })) {
    if (Number.isFinite(value) && value > 0) continue;
    throw new RangeError(`GPT-NeoX: ${name} is ${value}, expected a number above 0`);
  }
  return config;
}
