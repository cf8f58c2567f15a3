/**
 * The document of a study: its tables, its claims and its remarks in Markdown.
 *
 * @module
 */

import { claimCells, claimNote, judgedClaims } from "./claims.ts";
import type { CompactTrial } from "./compact.ts";
import { mechanismTables } from "./mechanism.ts";
import { planDigest, seedsOf, type StudyPlan } from "./plan.ts";
import { primaryOf } from "./primary.ts";
import type { StudyResults } from "./results.ts";
import { timeTable } from "./schedule.ts";
import { markdownTable, studyMarkdown, studyRemarks, studyRuns, studyTried } from "./table.ts";

/** A finished study, with what it was made by. */
export interface StudyOutcome {
  /** The command line that carried it out. */
  readonly command: string;
  /** The commit of the code; undefined outside of a checkout. */
  readonly commit: string | undefined;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The results. */
  readonly results: StudyResults;
  /** The trials of its file of results, which have times; undefined without one. */
  readonly trials: readonly CompactTrial[] | undefined;
}

/** `0 to 4`; a single number by itself. */
const range = (numbers: readonly number[]) =>
  [...new Set([numbers.at(0), numbers.at(-1)])].join(" to ");

/**
 * The document of a study: its tables, with the text above and below.
 *
 * @param study The study.
 * @returns Its Markdown.
 */
export function studyDocument({ command, commit, plan, results, trials }: StudyOutcome): string {
  const seeds = seedsOf(plan);
  const { noun } = primaryOf(plan);
  const tables = [
    ...mechanismTables(plan, results),
    ...trials === undefined ? [] : [timeTable(plan, trials)],
  ];
  const claims = judgedClaims(plan, results);
  const chosenBy = seeds.slice(0, plan.selectionSeeds);
  return [
    `Command: \`${command}\`  `,
    `Commit: ${commit ?? "unknown"}  `,
    `Seeds: ${range(seeds)}; the settings of each arm are the best on validation data of ` +
    `${chosenBy.length === 1 ? "seed" : "seeds"} ${range(chosenBy)}, among learning rates ` +
    plan.rates.join(", "),
    "",
    ...claims.length === 0 ? [] : [
      `Digest of the plan: \`${planDigest(plan)}\``,
      "",
      markdownTable(claimCells(claims)),
      "",
      claimNote(plan),
      "",
    ],
    studyMarkdown(plan, results),
    "",
    ...tables.flatMap(({ title, cells, note }) => [
      `**${title}**`,
      "",
      markdownTable(cells),
      "",
      note,
      "",
    ]),
    ...studyRemarks(plan, results).map((remark) => `- ${remark}`),
    "",
    `All settings tried, with their ${noun} on the validation data that decided:`,
    "",
    ...studyTried(plan, results).map((tried) => `- ${tried}`),
    "",
    `Runs, with the ${noun} of each seed, ${range(seeds)}:`,
    "",
    ...studyRuns(plan, results).map((runs) => `- ${runs}`),
    "",
  ].join("\n");
}
