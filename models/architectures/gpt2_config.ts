/** The configuration of a GPT. */
import type { LanguageModelConfig } from "../language_model.ts";
import type { NewModel } from "./architecture.ts";
import { checkSizes } from "./sizes.ts";

/** The sizes of a GPT, and its dropout. */
export interface GptSizes {
  /** Number of tokens, V. */
  readonly vocabulary: number;
  /** Largest number of tokens in a sequence, C: one learned position each. */
  readonly context: number;
  /** Number of transformer blocks, L. */
  readonly layers: number;
  /** Attention heads in a block, H. */
  readonly heads: number;
  /** Width of the residual stream, D; a head is D / H wide. */
  readonly width: number;
  /** Probability that training zeroes an activation, from 0 (included) to 1 (excluded). */
  readonly dropout: number;
}

/** The configuration of a GPT: its sizes, and the name of the architecture. */
export interface GptConfig extends GptSizes, LanguageModelConfig {
  /** GPT-2's name in Hugging Face's `config.json`. */
  readonly modelType: "gpt2";
}

/** The name of a preset. */
export type GptPreset = "nano" | "nano-cpu" | "baby";

const modelType = "gpt2";

/**
 * Common sizes; the vocabulary is the tokenizer's. `nano-cpu` and `baby` are nanoGPT's
 * configurations for a CPU and for one GPU.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gptPresets } from "@unitune/models";
 *
 * assertEquals({ ...gptPresets["nano-cpu"], vocabulary: 65 }, {
 *   modelType: "gpt2",
 *   vocabulary: 65,
 *   context: 64,
 *   layers: 4,
 *   heads: 4,
 *   width: 128,
 *   dropout: 0,
 * });
 * ```
 */
export const gptPresets: Readonly<Record<GptPreset, NewModel<GptConfig>>> = {
  nano: { modelType, context: 32, layers: 2, heads: 2, width: 64, dropout: 0 },
  "nano-cpu": { modelType, context: 64, layers: 4, heads: 4, width: 128, dropout: 0 },
  baby: { modelType, context: 256, layers: 6, heads: 6, width: 384, dropout: 0.2 },
};

/** The names of the sizes on which shapes depend, in the order in which they are shown. */
export const gptSizeNames = ["vocabulary", "context", "layers", "heads", "width"] as const;

/**
 * The configuration of a GPT of given sizes, if a model can have them.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { checkGptConfig, gptPresets } from "@unitune/models";
 *
 * assertThrows(
 *   () => checkGptConfig({ ...gptPresets.nano, vocabulary: 65, heads: 3 }),
 *   RangeError,
 *   "64 does not divide into 3 heads",
 * );
 * ```
 *
 * @param sizes The sizes, and the dropout.
 * @returns The configuration.
 * @throws {RangeError} If a size is not a positive integer, there are more than 512 layers, the
 * heads do not divide the width, or the dropout is no probability below 1.
 */
export function checkGptConfig(sizes: GptSizes): GptConfig {
  checkSizes("GPT", sizes, gptSizeNames);
  const { vocabulary, context, layers, heads, width, dropout } = sizes;
  if (width % heads !== 0) {
    throw new RangeError(
      `GPT: a width of ${width} does not divide into ${heads} heads; ` +
        `the nearest widths that do are ${nearestMultiples(width, heads).join(" and ")}`,
    );
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new RangeError(`GPT: dropout is ${dropout}, expected a number from 0 to below 1`);
  }
  return { modelType, vocabulary, context, layers, heads, width, dropout };
}

function nearestMultiples(size: number, factor: number): number[] {
  const below = Math.floor(size / factor) * factor;
  return [below, below + factor].filter((multiple) => multiple > 0);
}
