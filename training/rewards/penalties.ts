/**
 * Penalties of long and of repetitive answers, counted in tokens.
 *
 * @module
 */

import { eachAnswer, type TextReward } from "./rewards.ts";

/** Sizes of {@linkcode overlongPenalty}, in tokens. */
export interface OverlongSizes {
  /** The most tokens of an answer, `L`. */
  readonly most: number;
  /** The length over which the penalty grows, `c`; from 1 to `L`. */
  readonly buffer: number;
}

/**
 * Makes the soft overlong punishment of DAPO (arXiv 2503.14476, equation 13). For an answer of n
 * tokens, the stop token included:
 *
 * ```text
 * 0                  n <= L - c
 * ((L - c) - n) / c  L - c < n <= L
 * -1                 L < n
 * ```
 *
 * @example
 * ```ts
 * import { overlongPenalty } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { score } = overlongPenalty({ most: 100, buffer: 20 });
 * const answered = { prompt: "", answer: "", isEnded: true, columns: {} };
 * const answers = [80, 90, 100].map((n) => ({ ...answered, ids: Array<number>(n).fill(7) }));
 * assertEquals(await score(answers), [0, -0.5, -1]);
 * ```
 *
 * @param sizes The sizes.
 * @returns The reward.
 */
export function overlongPenalty({ most, buffer }: OverlongSizes): TextReward {
  return {
    name: "overlong-penalty",
    reads: [],
    score: eachAnswer(({ ids: { length } }) => {
      const free = most - buffer;
      return Math.max(-1, Math.min(0, (free - length) / buffer));
    }),
  };
}

/**
 * Makes the reward `-(1 - u / t)` of an answer with t n-grams of tokens, u of them distinct: 0 if no
 * n-gram comes twice, towards -1 if one is repeated again and again. Source: Yeo et al., Demystifying
 * Long Chain-of-Thought Reasoning (arXiv 2502.03373), appendix C.2.
 *
 * @example
 * ```ts
 * import { repetitionPenalty } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answered = { prompt: "", answer: "", isEnded: true, columns: {} };
 * const answers = [[1, 2, 3, 4], [5, 5, 5, 5, 5], [5]].map((ids) => ({ ...answered, ids }));
 * assertEquals(await repetitionPenalty(2).score(answers), [0, -0.75, 0]);
 * ```
 *
 * @param size The tokens of an n-gram, n; at least 1.
 * @returns The reward.
 */
export function repetitionPenalty(size: number): TextReward {
  return {
    name: "repetition-penalty",
    reads: [],
    score: eachAnswer(({ ids }) => {
      const total = Math.max(0, ids.length - size + 1);
      const grams = Array.from({ length: total }, (_, i) => ids.slice(i, i + size).join(" "));
      const repeated = total - new Set(grams).size;
      return repeated === 0 ? 0 : -repeated / total;
    }),
  };
}
