/**
 * The outcome of a study in words: the arms that are better and worse than further supervised
 * training, and those that it cannot tell apart from it.
 *
 * @module
 */

import { listed } from "../flags/words.ts";
import { BASE, BASELINE } from "./arms.ts";
import { gainOf, type PrimaryMeasure, primaryOf } from "./primary.ts";
import { showDifference, type StudyRow } from "./table.ts";

/** The places of an arm's interval, and how the sentences on them begin, in order. */
const openings = [
  // Beyond 0 on the better and on the worse side, around 0, and none because of a single seed.
  ["better", (noun: string) => `Better than further SFT in ${noun}`],
  ["worse", () => "Worse than further SFT"],
  ["unclear", () => "Not to be told apart from further SFT"],
  ["single", () => "With one seed there are no intervals, so these differences may be chance"],
] as const;

/** The place of an arm's interval. */
type Standing = typeof openings[number][0];

function standingOf(
  { low, high }: NonNullable<StudyRow["difference"]>,
  primary: PrimaryMeasure,
): Standing {
  if (Number.isNaN(low + high)) return "single";
  if (low <= 0 && high >= 0) return "unclear";
  return gainOf(primary, low) > 0 ? "better" : "worse";
}

/** The sentence that warns of many comparisons. The expected number holds for dependent arms, too. */
function warning(count: number): readonly string[] {
  return count < 2 ? [] : [
    `Each interval holds by itself, in 19 of 20 studies: of ${count} arms without any effect, ${
      count / 20
    } would seem to differ, on average.`,
  ];
}

/**
 * The outcome of a study in words.
 *
 * @param rows The rows of its table.
 * @param options Whether no more results are to come (default true), and the measure that decides
 * (default: exact match).
 * @returns The sentences.
 *
 * @example
 * ```ts
 * import { verdictOf } from "./verdict.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const row = { point: "", wins: [0, 0, 0], cost: [0, 0, 0], means: new Map() } as const;
 * const difference = { mean: 0.12, low: 0.05, high: 0.19, count: 3 };
 * assertEquals(verdictOf([{ ...row, arm: "sft" }, { ...row, arm: "ift", difference }]), [
 *   "Better than further SFT in exact match: ift +0.120 [+0.050, +0.190].",
 * ]);
 * ```
 */
export function verdictOf(
  rows: readonly StudyRow[],
  { isFinished = true, primary = primaryOf({}) }: {
    readonly isFinished?: boolean;
    readonly primary?: PrimaryMeasure;
  } = {},
): readonly string[] {
  const compared = rows.flatMap(({ arm, difference }) =>
    arm === BASE || arm === BASELINE || difference === undefined ? [] : [{ arm, difference }]
  ).toSorted((a, b) => gainOf(primary, b.difference.mean - a.difference.mean));
  if (compared.length === 0) {
    return [
      isFinished
        ? "Further SFT is the only arm, so there is nothing that it could be compared with."
        : "No arm can be compared with further SFT yet.",
    ];
  }
  const standings = Map.groupBy(compared, ({ difference }) => standingOf(difference, primary));
  const sentences = openings.flatMap(([standing, opening]) => {
    const own = standings.get(standing) ?? [];
    const parts = own.map(({ arm, difference }) => `${arm} ${showDifference(difference)}`);
    return parts.length === 0 ? [] : [`${opening(primary.noun)}: ${listed(parts)}.`];
  });
  const isJudged = !standings.has("single");
  const nobody = isJudged && !standings.has("better")
    ? [`No arm is better than further SFT in ${primary.noun}.`]
    : [];
  return [...nobody, ...sentences, ...isJudged ? warning(compared.length) : []];
}
