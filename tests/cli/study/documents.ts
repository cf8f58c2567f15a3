/**
 * What is told of each study, for made-up results of all its trials: the document, the verdict, the
 * schedule, and the words of pages. Run as a program, this writes `documents.txt`, which the test beside
 * it compares with them:
 *
 *     deno run -A tests/cli/study/documents.ts
 */
import { randomStream } from "@unitune/training";
import { BASE } from "../../../cli/study/arms.ts";
import { claimCells, judgedClaims } from "../../../cli/study/claims.ts";
import { settingsDigest } from "../../../cli/study/compact.ts";
import { studyDocument } from "../../../cli/study/document.ts";
import { gridsOf, seedsOf, type StudyPlan } from "../../../cli/study/plan.ts";
import { primaryOf } from "../../../cli/study/primary.ts";
import type { StudyResults } from "../../../cli/study/results.ts";
import { scheduleText } from "../../../cli/study/schedule.ts";
import type { Standing } from "../../../cli/study/standing.ts";
import { studies } from "../../../cli/study/studies.ts";
import { studyRecordPage } from "../../../cli/study/study_page.ts";
import { shownMeasures, studyLines, studyRows } from "../../../cli/study/table.ts";
import { verdictOf } from "../../../cli/study/verdict.ts";
import { fitTable } from "../../../cli/terminal/layout.ts";

/** The place of the documents that were last looked at. */
export const known = new URL("documents.txt", import.meta.url);

/** Measures that tables are made of, beside those that they show. */
const others = [
  ...["nll", "exact_match/sort", "exact_match/pick", "answer_step_gap", "classifier_distance"],
  ...["cosine/sft", "cosine/ift", "step_cosine/sft", "pairs/margin_before", "pairs/margin"],
  "pairs/accuracy",
];

/** Made-up results of all trials of a plan: those of settings that were not chosen among them. */
function trialsOf(plan: StudyPlan) {
  const measures = [
    ...shownMeasures.map(({ measure }) => measure),
    ...["exact_match", "own_kl", "nll"].map((name) => `validation/${name}`),
    ...others,
  ];
  const random = randomStream(1);
  const grids = [{ arm: { name: BASE }, grid: [{ name: "" }] }, ...gridsOf(plan)];
  return grids.flatMap(({ arm, grid }, i) =>
    grid.flatMap(({ name: point }) =>
      seedsOf(plan).map((seed) => ({
        ...{ arm: arm.name, point, seed, weights: "", commit: "" },
        settings: settingsDigest({ stages: [] }),
        // Of each measure an arm has an effect of its own.
        measures: Object.fromEntries(
          measures.map((measure, m) => [measure, (i + m) % 4 / 10 + random() / 3]),
        ),
        cost: {
          ...{ examples: 1000 * (i + 1), forwardTokens: 2e6 + 1e5 * seed },
          backwardTokens: 1e6 + 1e5 * i,
        },
        // Trials of the first seed were not timed.
        seconds: seed === 0 ? 0 : 10 * (i + 1) + seed,
      }))
    )
  );
}

/** The results of a plan, of which the last point of each grid is chosen. */
const resultsOf = (plan: StudyPlan, trials: ReturnType<typeof trialsOf>): StudyResults => ({
  chosen: Object.fromEntries(
    gridsOf(plan).map(({ arm, grid }) => [arm.name, grid.at(-1)?.name ?? ""]),
  ),
  results: trials.map((trial) => ({ ...trial, run: "" })),
});

/** The words of a page, with a sign in place of each drawing. */
const wordsOf = (page: string): string =>
  page.replaceAll(/<(script|style)[^>]*>.*?<\/\1>/gs, "").replaceAll(
    /<svg.*?<\/svg>/gs,
    "(drawing)",
  )
    .replaceAll(/<\/(?:p|tr|h\d|li|dt|dd|title)>|<br>/g, "\n").replaceAll(/<\/t[dh]>/g, " | ")
    .replaceAll(/<[^>]*>/g, "").split("\n").map((line) => line.replaceAll(/\s+/g, " ").trim())
    .filter((line) => line !== "").join("\n");

/** The words of the page of a study, which may not be finished. */
function pageText(plan: StudyPlan, standing?: Standing): string {
  const trials = trialsOf(plan);
  const answer = (arm: string, i: number, text: string) => ({
    ...{ arm, prompt: `prompt ${i}`, gold: `gold ${i}`, answer: text, isRight: text === "right" },
  });
  return wordsOf(studyRecordPage({
    ...{ command: "deno task compare", plan, standing, beliefs: undefined, progress: [] },
    // Of an unfinished study there are results of one seed.
    results: resultsOf(plan, standing ? trials.filter(({ seed }) => seed === 0) : trials),
    answers: [
      ...Array.from({ length: 13 }, (_, i) => answer("sft", i, i % 2 === 0 ? "right" : "wrong")),
      ...Array.from({ length: 12 }, (_, i) => answer("ift", 12 - i, "right")),
      answer("base", 3, `long ${"x".repeat(240)}`),
    ],
  }));
}

/** What is told of a plan. */
function told(plan: StudyPlan, commit: string | undefined): string {
  const trials = trialsOf(plan);
  const results = resultsOf(plan, trials);
  const primary = primaryOf(plan);
  const rows = studyRows(plan, results);
  const claims = judgedClaims(plan, results);
  const command = "deno task compare";
  return [
    studyDocument({ command, commit, plan, results, ...{ trials: commit && trials || undefined } }),
    ...studyLines(rows, primary),
    ...fitTable(claimCells(claims)),
    ...verdictOf(rows, { primary }),
    ...[1, 2].map((jobs) => scheduleText(plan, trials, jobs)),
    // Half of them are left, of arms that were timed and of others.
    scheduleText(plan, trials.filter((_, i) => i % 2 === 0), 3),
    scheduleText(plan, trials.slice(0, trials.length / 2), 3),
    scheduleText(plan, trials.filter(({ seed }) => seed === 0), 3),
  ].join("\n");
}

/** What is told of all studies, each below its name. */
export function documents(): string {
  const { objectives, exposure, language } = studies;
  return [
    `# objectives, quick, with noise\n\n${
      told({ ...objectives.quick, shared: { ...objectives.quick.shared, noise: 0.25 } }, undefined)
    }`,
    `# exposure, whole\n\n${told(exposure.whole, "0123abc")}`,
    `# language, quick\n\n${told(language.quick, "0123abc")}`,
    `# page of language, quick\n\n${pageText(language.quick)}`,
    `# page of exposure, quick, under way\n\n${
      pageText(exposure.quick, {
        ...{ measured: 7, most: 90 },
        begun: [{ arm: "ift", point: "learningRate-0.01", seed: 2, step: 3, steps: 400 }],
      })
    }`,
    `# page of objectives, quick, begun\n\n${
      pageText({ ...objectives.quick, arms: objectives.quick.arms.slice(0, 1) }, {
        ...{ measured: 0, most: 9, begun: [] },
      })
    }`,
  ].join("\n");
}

if (import.meta.main) await Deno.writeTextFile(known, documents());
