/**
 * The measure that decides a study: settings are chosen by it, and arms are compared in it.
 *
 * @module
 */

/** A measure that can decide a study. */
export interface PrimaryMeasure {
  /** The measure of the test. */
  readonly measure: string;
  /** The same one of validation data, by which settings are chosen. */
  readonly validation: string;
  /** Whether less of it is better. */
  readonly isLess: boolean;
  /** Its heading in tables. */
  readonly title: string;
  /** Its name in a sentence. */
  readonly noun: string;
  /** Its name in a sentence, with an article where it has one. */
  readonly phrase: string;
  /** The measures whose differences are drawn side by side. */
  readonly drawn: readonly { readonly measure: string; readonly name: string }[];
  /** The metric of evaluations that is drawn over the training. */
  readonly curve: {
    /** The metric. */
    readonly metric: string;
    /** Its name in a sentence. */
    readonly noun: string;
    /** Whether it lies between 0 and 1. */
    readonly isFraction: boolean;
  };
}

/** The measures that can decide a study. */
const primaries = {
  exact_match: {
    measure: "exact_match",
    validation: "validation/exact_match",
    isLess: false,
    title: "exact",
    noun: "exact match",
    phrase: "an exact match",
    drawn: [
      { measure: "exact_match", name: "greedy" },
      { measure: "mean@k", name: "sampled (mean@k)" },
    ],
    curve: { metric: "eval_exact_match", noun: "exact match", isFraction: true },
  },
  own_kl: {
    measure: "own_kl",
    validation: "validation/own_kl",
    isLess: true,
    title: "own KL",
    noun: "divergence in own states",
    phrase: "a divergence in own states",
    drawn: [
      { measure: "own_kl", name: "own states" },
      { measure: "gold_kl", name: "gold states" },
    ],
    curve: { metric: "eval_loss", noun: "loss", isFraction: false },
  },
} as const satisfies Readonly<Record<string, PrimaryMeasure>>;

/** The name of a measure that can decide a study. */
export type PrimaryName = keyof typeof primaries;

/**
 * The measure that decides a study.
 *
 * @param plan The plan (default: exact match decides).
 * @returns The measure.
 *
 * @example
 * ```ts
 * import { primaryOf } from "./primary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(primaryOf({}).validation, "validation/exact_match");
 * assertEquals(primaryOf({ primary: "own_kl" }).isLess, true);
 * ```
 */
export function primaryOf(
  { primary = "exact_match" }: { readonly primary?: PrimaryName },
): PrimaryMeasure {
  return primaries[primary];
}
