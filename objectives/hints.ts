/** What a feed of rollouts does with right answers. It is data: only feeds carry it out. */
import { checkOptions, ranges } from "@unitune/core";
import type { Turns } from "./turns.ts";

/** The share of a right answer that is given as a hint, and how it changes over the steps. */
export interface HintShare {
  /** The schedule in a few words. */
  readonly description: string;
  /**
   * The share for a prompt, from 0 to 1.
   *
   * @param step The number of optimizer steps done.
   * @param random A source of numbers, uniform on [0, 1), of the prompt's own.
   */
  readonly at: (step: number, random: () => number) => number;
}

/**
 * The right answers in a batch of rollouts: `"answer"`, the last answer of each group is the right
 * one; `"turns"`, in some steps all answers are right ones, in the others none; `"hint"`, all answers
 * of a group, or the last, begin with a share of it; `"context"`, each answer stands a second time
 * behind a prompt that says the right answer first, which is the given one or another answer of the
 * group that passes.
 */
export type Guidance =
  | { readonly kind: "answer" }
  | { readonly kind: "turns"; readonly turns: Turns }
  | { readonly kind: "hint"; readonly rows: "all" | "last"; readonly share: HintShare }
  | { readonly kind: "context"; readonly from: "data" | "group" };

/** The options of shares that fall over the steps of a training. */
export interface FallingOptions {
  /** The value at the start, from 0 to 1 (default 0.95). */
  readonly from?: number;
  /** The value at the end, from 0 to 1 (default 0.05). */
  readonly to?: number;
  /** The steps over which it falls along a cosine, an integer from 1 (default 300). */
  readonly steps?: number;
}

/** A value that falls along half a cosine, checked. */
function falling(
  name: string,
  { from = 0.95, to = 0.05, steps = 300 }: FallingOptions,
): { readonly at: (step: number) => number; readonly text: string } {
  const limits = { from: ranges.share, to: ranges.share, steps: ranges.integerFrom(1) };
  checkOptions(name, limits, { from, to, steps });
  return {
    at: (step) => to + (from - to) * (1 + Math.cos(Math.PI * Math.min(step, steps) / steps)) / 2,
    text: `${from} -> ${to} over ${steps} steps`,
  };
}

/** The options of {@linkcode binomialHints}. */
export interface BinomialOptions extends FallingOptions {
  /** The parts that an answer is cut into, an integer from 1 (default 5). */
  readonly chunks?: number;
}

/**
 * Hints of the first k of some parts of an answer, k binomial with a falling probability (UFT, arXiv
 * 2505.16984).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { binomialHints } from "@unitune/objectives";
 *
 * const { at } = binomialHints({ from: 1, to: 0, steps: 10 });
 * assertEquals([at(0, () => 0.5), at(10, () => 0.5), at(99, () => 0.5)], [1, 0, 0]);
 * ```
 *
 * @param options The probability over the steps, and the number of parts.
 * @returns The share.
 * @throws {RangeError} If an option is out of range.
 */
export function binomialHints({ chunks = 5, ...options }: BinomialOptions = {}): HintShare {
  checkOptions("binomialHints", { chunks: ranges.integerFrom(1) }, { chunks });
  const { at, text } = falling("binomialHints", options);
  return {
    description: `Binomial(${chunks}, q)/${chunks}, q ${text}`,
    at(step, random) {
      const q = at(step);
      const drawn = Array.from({ length: chunks }, () => Number(random() < q));
      return drawn.reduce((total, one) => total + one, 0) / chunks;
    },
  };
}

/** The options of {@linkcode uniformHints}. */
export interface UniformOptions extends FallingOptions {
  /** The largest share, from 0 to 1 (default 0.95). */
  readonly most?: number;
}

/**
 * Hints of a share of an answer that is uniform between a falling least and a largest share
 * (Prefix-RFT, arXiv 2507.01679).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { uniformHints } from "@unitune/objectives";
 *
 * const { at } = uniformHints({ from: 0.5, to: 0, steps: 10, most: 0.5 });
 * assertEquals([at(0, () => 0.5), at(10, () => 0.5)], [0.5, 0.25]);
 * ```
 *
 * @param options The least share over the steps, and the largest.
 * @returns The share.
 * @throws {RangeError} If an option is out of range.
 */
export function uniformHints({ most = 0.95, ...options }: UniformOptions = {}): HintShare {
  checkOptions("uniformHints", { most: ranges.share }, { most });
  const { at, text } = falling("uniformHints", options);
  return {
    description: `uniform from ${text} to ${most}`,
    at(step, random) {
      const least = Math.min(at(step), most);
      return least + random() * (most - least);
    },
  };
}
