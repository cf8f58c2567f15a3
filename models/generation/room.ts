/** The memory that generation keeps from step to step. */
import { bytesPerElement, leavesOf, sizeOf } from "@unitune/core";
import type { LanguageModel } from "../language_model.ts";
import { mostPrompts } from "./prompts.ts";
import { sizeAbove } from "./sizes.ts";

/** The sizes of a generation. */
export interface GenerationSizes {
  /** The number of prompts, each counted once. */
  readonly prompts: number;
  /** The number of completions (default: one for each prompt). */
  readonly completions?: number;
  /** The tokens of the longest of them. */
  readonly longestPrompt: number;
  /** The tokens of a completion at most. */
  readonly maxNewTokens: number;
  /** The completions that grow at the same time at most. */
  readonly places: number;
}

/**
 * The bytes that a generation keeps on its device at most: the keys and values of all places, and
 * those of the prompts that were read last, with the logits behind them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { generationBytes, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 16, context: 32, layers: 1, heads: 1, width: 16, dropout: 0 });
 * const sizes = { prompts: 4, longestPrompt: 8, maxNewTokens: 8, places: 2 };
 * // Keys and values of 16 tokens for 2 places, and of 2 prompts of 8 tokens, with their logits.
 * assertEquals(generationBytes(model, sizes), 4 * 2 * 16 * (2 * 16 + 2 * 8) + 4 * 2 * 16);
 * ```
 *
 * @param model The model.
 * @param sizes The sizes.
 * @returns The bytes; 0 without prompts.
 */
export function generationBytes(
  model: Pick<LanguageModel, "config" | "emptyCache">,
  { prompts, completions = prompts, longestPrompt, maxNewTokens, places: most }: GenerationSizes,
): number {
  if (prompts === 0) return 0;
  const { context, vocabulary } = model.config;
  const places = Math.min(most, completions);
  const columns = Math.min(sizeAbove(longestPrompt + maxNewTokens), context);
  const length = Math.min(sizeAbove(longestPrompt), columns);
  const rows = mostPrompts(prompts, { length, places });
  const caches = [model.emptyCache(places, columns), model.emptyCache(rows, length)];
  const tensors = leavesOf(caches).map(({ shape, dtype }) =>
    sizeOf(shape) * bytesPerElement[dtype]
  );
  return [...tensors, 4 * rows * vocabulary].reduce(
    (total, bytes) => total + 64 * Math.ceil(bytes / 64),
    0,
  );
}
