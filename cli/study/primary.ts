/**
 * The measure that decides a study: settings are chosen by it, and arms are compared in it.
 *
 * @module
 */

/** A measure that can decide a study. */
export interface PrimaryMeasure {
  /** The measure of the test. */
  readonly measure: string;
  /** Whether less of it is better. */
  readonly isLess: boolean;
  /** Its heading in tables. */
  readonly title: string;
  /** Its name in a sentence. */
  readonly noun: string;
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
    isLess: false,
    title: "exact",
    noun: "exact match",
    drawn: [
      { measure: "exact_match", name: "greedy" },
      { measure: "mean@k", name: "sampled (mean@k)" },
    ],
    curve: { metric: "eval_exact_match", noun: "exact match", isFraction: true },
  },
  own_kl: {
    measure: "own_kl",
    isLess: true,
    title: "own KL",
    noun: "divergence in own states",
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
 * assertEquals(primaryOf({}).measure, "exact_match");
 * assertEquals(primaryOf({ primary: "own_kl" }).isLess, true);
 * ```
 */
export function primaryOf(
  { primary = "exact_match" }: { readonly primary?: PrimaryName },
): PrimaryMeasure {
  return primaries[primary];
}

/**
 * The name of the measure of validation data by which settings are chosen.
 *
 * @param primary The measure that decides.
 * @returns The name.
 */
export function validationOf({ measure }: Pick<PrimaryMeasure, "measure">): string {
  return `validation/${measure}`;
}

/**
 * A value of a measure, so that more is better.
 *
 * @param primary The measure.
 * @param value The value.
 * @returns The value, negated where less of the measure is better.
 *
 * @example
 * ```ts
 * import { gainOf, primaryOf } from "./primary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(gainOf(primaryOf({}), 2), 2);
 * assertEquals(gainOf(primaryOf({ primary: "own_kl" }), 2), -2);
 * ```
 */
export function gainOf({ isLess }: Pick<PrimaryMeasure, "isLess">, value: number): number {
  return isLess ? -value : value;
}
