/**
 * The claims of a study: differences that were named before anything was trained, tested together.
 *
 * @module
 */

import {
  bonferroniLevel,
  type Estimate,
  holmAdjusted,
  pairedDifference,
  type PairedTest,
  pairedTest,
} from "./statistics.ts";
import type { StudyClaim, StudyPlan } from "./plan.ts";
import { measuresBySeed, type StudyResults } from "./results.ts";
import { showDifference } from "./table.ts";

/** The largest adjusted p-value of a claim that holds, or is refuted. */
const SIGNIFICANT = 0.05;

/** A claim with what the seeds say of it. */
export interface JudgedClaim extends StudyClaim {
  /** The difference, with an interval that holds together with those of all claims. */
  readonly difference: Estimate;
  /** The paired t-test; undefined where all differences are equal, or there is one seed. */
  readonly test: PairedTest | undefined;
  /** The p-value by Holm's procedure over all claims. */
  readonly adjusted: number;
  /** Whether the claim holds, its opposite does, or neither can be told. */
  readonly outcome: "holds" | "refuted" | "open";
}

/**
 * Judges the claims of a study.
 *
 * @param plan The plan, with its claims.
 * @param results The results.
 * @returns The claims that both arms have measures for. Intervals and p-values are corrected for all
 * claims of the plan, also those whose arms have none.
 */
export function judgedClaims(plan: StudyPlan, results: StudyResults): readonly JudgedClaim[] {
  const { claims = [] } = plan;
  const level = bonferroniLevel(claims.length);
  const tested = claims.map((claim) => {
    const { arm, against, measure } = claim;
    const [own, others] = [arm, against].map((name) => measuresBySeed(results, name, measure));
    if (own === undefined || others === undefined) return { claim };
    return {
      claim,
      difference: pairedDifference(own, others, level),
      test: pairedTest(own, others),
    };
  });
  const adjusted = holmAdjusted(tested.map(({ test }) => test?.p ?? 1));
  return tested.flatMap(({ claim, difference, test }, i): readonly JudgedClaim[] => {
    if (difference === undefined) return [];
    const p = adjusted[i] ?? NaN;
    const { isLess = false } = claim;
    const outcome = p >= SIGNIFICANT
      ? "open"
      : difference.mean > 0 === !isLess
      ? "holds"
      : "refuted";
    return [{ ...claim, difference, test, adjusted: p, outcome }];
  });
}

/** The outcomes in words. */
const outcomes: Readonly<Record<JudgedClaim["outcome"], string>> = {
  holds: "holds",
  refuted: "the opposite holds",
  open: "cannot be told",
};

/** A claim in a few signs: `ift > sft`, or `ift < sft` where it has less. */
export function claimText(
  { arm, against, isLess = false }: Pick<StudyClaim, "arm" | "against" | "isLess">,
): string {
  return `${arm} ${isLess ? "<" : ">"} ${against}`;
}

/** `0.032`, `<0.001`. */
function showProbability(p: number): string {
  return p < 0.001 ? "<0.001" : p.toFixed(3);
}

/**
 * The table of the claims: the headings, then a row for each.
 *
 * @param claims The claims.
 * @returns The cells.
 */
export function claimCells(claims: readonly JudgedClaim[]): readonly (readonly string[])[] {
  return [
    ["claim", "measure", "difference", "p (Holm)", "paired d", "seeds", "outcome"],
    ...claims.map(({ difference, test, adjusted, outcome, ...claim }) => [
      claimText(claim),
      claim.measure,
      showDifference(difference, 3),
      showProbability(adjusted),
      test === undefined ? "" : showDifference(test.effect, 2),
      String(difference.count),
      outcomes[outcome],
    ]),
  ];
}

/**
 * What the table of the claims says of its numbers.
 *
 * @param plan The plan, with its claims.
 * @returns The sentence.
 */
export function claimNote({ claims = [] }: Pick<StudyPlan, "claims">): string {
  const { length: count } = claims;
  const level = Number((100 * bonferroniLevel(count)).toPrecision(5));
  return `Differences are paired by seed. Each interval is Student's of ${level} % (Bonferroni over ` +
    `${count} claims), so all of them hold together in 19 of 20 studies. p-values are of two-sided ` +
    `paired t-tests, adjusted by Holm; a claim holds, or its opposite, where the adjusted value is ` +
    `below ${SIGNIFICANT}. The paired d is the mean difference by the standard deviation of the ` +
    `differences, with its exact 95 % interval.`;
}
