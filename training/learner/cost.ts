/**
 * The cost of a training, in units that do not depend on the machine.
 *
 * @module
 */

/** The cost of a training. Padding is not counted. */
export interface Cost {
  /** Rows with a gradient: answers, pairs or sampled answers, counted at each use. */
  readonly examples: number;
  /** Tokens that a model has read or written: with and without gradient, and in sampling. */
  readonly forwardTokens: number;
  /** Tokens with a gradient. */
  readonly backwardTokens: number;
}

/** No cost. */
export const noCost: Cost = { examples: 0, forwardTokens: 0, backwardTokens: 0 };

/**
 * Adds two costs.
 *
 * @param a A cost.
 * @param b Another cost.
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

/** The passes forward that a pass backward costs: gradients of the operands, and of the weights. */
const BACKWARD = 2;

/**
 * A cost as one number, `forwardTokens + 2 backwardTokens`: a token counts once for each pass forward,
 * and a pass backward costs twice one forward (Kaplan et al., arXiv 2001.08361, section 2.1).
 *
 * @param cost The cost.
 * @returns The number of tokens.
 *
 * @example
 * ```ts
 * import { tokenCost } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(tokenCost({ forwardTokens: 20, backwardTokens: 10 }), 40);
 * ```
 */
export function tokenCost(
  { forwardTokens, backwardTokens }: Pick<Cost, "forwardTokens" | "backwardTokens">,
): number {
  return forwardTokens + BACKWARD * backwardTokens;
}

/** The number of tokens in some sequences. */
export function tokensOf(sequences: readonly { readonly ids: readonly number[] }[]): number {
  return sequences.reduce((total, { ids }) => total + ids.length, 0);
}
