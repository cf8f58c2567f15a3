/**
 * What a training has cost, in a currency that does not depend on the machine.
 *
 * @module
 */

/** What was computed so far. Padding is not counted. */
export interface Cost {
  /** Rows that a gradient was taken of: answers, pairs, or sampled answers, each time anew. */
  readonly examples: number;
  /** Tokens that a model has read or written: with gradient, without, and while sampling. */
  readonly forwardTokens: number;
  /** Tokens that a gradient was taken through. */
  readonly backwardTokens: number;
}

/** Nothing yet. */
export const noCost: Cost = { examples: 0, forwardTokens: 0, backwardTokens: 0 };

/**
 * Two costs together.
 *
 * @param a One.
 * @param b The other.
 * @returns Their sum.
 *
 * @example
 * ```ts
 * import { addCost } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const step = { examples: 2, forwardTokens: 20, backwardTokens: 10 };
 * assertEquals(addCost(step, step).forwardTokens, 40);
 * ```
 */
export function addCost(a: Cost, b: Cost): Cost {
  return {
    examples: a.examples + b.examples,
    forwardTokens: a.forwardTokens + b.forwardTokens,
    backwardTokens: a.backwardTokens + b.backwardTokens,
  };
}

/** How many tokens sequences have. */
export function tokensOf(sequences: readonly { readonly ids: readonly number[] }[]): number {
  return sequences.reduce((total, { ids }) => total + ids.length, 0);
}
