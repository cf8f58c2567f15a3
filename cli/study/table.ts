/**
 * What came of a study as a table: means over seeds, and differences from further supervised
 * training, each with its interval.
 *
 * @module
 */

import { fitTable } from "../terminal/layout.ts";
import { BASE, BASELINE } from "./arms.ts";
import { type Estimate, estimateOf, pairedDifference } from "./statistics.ts";
import { measuresBySeed, seedsOf, type StudyPlan, type StudyResults } from "./study.ts";

/** A measure, and how it is shown. */
export interface Shown {
  /** The measure. */
  readonly measure: string;
  /** The head of its column. */
  readonly title: string;
  /** Digits behind the point. */
  readonly digits: number;
}

/** What the table shows of every arm. */
export const shownMeasures: readonly Shown[] = [
  { measure: "exact_match", title: "exact", digits: 3 },
  { measure: "mean@k", title: "mean@k", digits: 3 },
  { measure: "pass@k", title: "pass@k", digits: 3 },
  { measure: "gap", title: "gap", digits: 3 },
  { measure: "recovery", title: "recovery", digits: 3 },
  { measure: "longer/exact_match", title: "longer", digits: 3 },
  { measure: "reformatted/exact_match", title: "reformatted", digits: 3 },
  { measure: "mistaught/exact_match", title: "mistaught", digits: 3 },
  { measure: "kl_to_start", title: "KL", digits: 3 },
  { measure: "sampled_entropy", title: "entropy", digits: 2 },
  { measure: "length", title: "length", digits: 2 },
];

/** A row of the table. */
export interface StudyRow {
  /** The arm. */
  readonly arm: string;
  /** The settings that were chosen. */
  readonly point: string;
  /** The mean of each shown measure, where the arm has it. */
  readonly means: ReadonlyMap<string, Estimate>;
  /** What exact match is more than further supervised training's. */
  readonly difference?: Estimate | undefined;
  /** On how many seeds it is more, equal and less. */
  readonly wins: readonly [more: number, equal: number, less: number];
  /** Examples, and tokens read and learned from, in thousands; the mean over seeds. */
  readonly cost: readonly [examples: number, forward: number, backward: number];
}

/**
 * The rows of a study's table.
 *
 * @param plan The plan.
 * @param results What came of it.
 * @param measure What differences are taken of.
 * @returns The checkpoint, then the arms.
 */
export function studyRows(
  plan: StudyPlan,
  results: StudyResults,
  measure = "exact_match",
): readonly StudyRow[] {
  const baseline = measuresBySeed(results, BASELINE, measure);
  return [BASE, ...plan.arms.map(({ name }) => name)].map((arm) => {
    const own = measuresBySeed(results, arm, measure);
    const means = shownMeasures.flatMap(({ measure }): [string, Estimate][] => {
      const values = [...measuresBySeed(results, arm, measure).values()];
      return values.length === 0 ? [] : [[measure, estimateOf(values)]];
    });
    const differences = [...own].flatMap(([seed, value]) => {
      const other = baseline.get(seed);
      return other === undefined ? [] : [value - other];
    });
    const count = (is: (difference: number) => boolean) => differences.filter(is).length;
    const point = results.chosen[arm] ?? "";
    const costs = results.results.filter((result) => result.arm === arm && result.point === point)
      .map(({ cost }) => cost);
    const meanCost = (of: (cost: typeof costs[number]) => number) =>
      costs.reduce((total, cost) => total + of(cost), 0) / Math.max(costs.length, 1) / 1000;
    return {
      arm,
      point,
      means: new Map(means),
      difference: arm === BASELINE ? undefined : pairedDifference(own, baseline),
      wins: [count((x) => x > 0), count((x) => x === 0), count((x) => x < 0)],
      cost: [
        meanCost(({ examples }) => examples),
        meanCost(({ forwardTokens }) => forwardTokens),
        meanCost(({ backwardTokens }) => backwardTokens),
      ],
    };
  });
}

/** `+0.120 [+0.050, +0.190]`. */
export function showDifference(estimate: Estimate | undefined, digits = 3): string {
  if (estimate === undefined) return "";
  const signed = (value: number) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(digits)}`;
  const { mean, low, high } = estimate;
  return Number.isNaN(low) ? signed(mean) : `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
}

/** `lr 0.001, beta 0.1`. */
function showPoint(point: string): string {
  return point.replaceAll("learningRate-", "lr ").replaceAll("-", " ").replaceAll(",", ", ");
}

/** The cells of a study's table, its head first. */
export function studyCells(rows: readonly StudyRow[]): readonly (readonly string[])[] {
  // Not every task has all measures.
  const shownHere = shownMeasures.filter(({ measure }) =>
    rows.some(({ means }) => means.has(measure))
  );
  const head = [
    "",
    ...shownHere.slice(0, 1).map(({ title }) => title),
    `exact - ${BASELINE}`,
    "wins",
    ...shownHere.slice(1).map(({ title }) => title),
    "k examples",
    "k fwd",
    "k bwd",
    "settings",
  ];
  const cell = ({ means }: StudyRow, { measure, digits }: Shown) =>
    means.get(measure)?.mean.toFixed(digits) ?? "";
  return [
    head,
    ...rows.map((row) => [
      row.arm,
      ...shownHere.slice(0, 1).map((shown) => cell(row, shown)),
      showDifference(row.difference),
      row.arm === BASELINE || row.arm === BASE ? "" : row.wins.join("/"),
      ...shownHere.slice(1).map((shown) => cell(row, shown)),
      ...row.cost.map((count) => count.toFixed(0)),
      showPoint(row.point),
    ]),
  ];
}

/** The table for a terminal. */
export function studyLines(rows: readonly StudyRow[]): string[] {
  return fitTable(studyCells(rows));
}

/** Differences from further supervised training that stand in a document's second table. */
const sideDifferences = ["validation/exact_match", "recovery", "length"] as const;

/** What is shown of every arm beside the table, in a second one: other differences, and kinds. */
function sideCells(plan: StudyPlan, results: StudyResults): readonly (readonly string[])[] {
  const arms = [BASE, ...plan.arms.map(({ name }) => name)];
  const known = new Set(
    results.results.filter(({ arm }) => arms.includes(arm))
      .flatMap(({ measures }) => Object.keys(measures)),
  );
  const differences = sideDifferences.filter((measure) => known.has(measure));
  const means = ["nll", ...[...known].filter((name) => name.startsWith("exact_match/"))];
  const bySeed = (arm: string, measure: string) => measuresBySeed(results, arm, measure);
  const mean = (values: readonly number[]) =>
    values.length === 0 ? "" : estimateOf(values).mean.toFixed(3);
  return [
    [
      "",
      ...differences.map((measure) => `${measure.replace(/\/.*$/, "")} - ${BASELINE}`),
      ...means.map((measure) => measure.replace(/^.*\//, "")),
    ],
    ...arms.map((arm) => [
      arm,
      ...differences.map((measure) =>
        arm === BASELINE
          ? ""
          : showDifference(pairedDifference(bySeed(arm, measure), bySeed(BASELINE, measure)))
      ),
      ...means.map((measure) => mean([...bySeed(arm, measure).values()])),
    ]),
  ];
}

/** The settings tried of each arm, a line each: exact match on the validation data that decided. */
export function studyTried(plan: StudyPlan, results: StudyResults): string[] {
  const chosenBy = seedsOf(plan).slice(0, plan.selectionSeeds);
  return plan.arms.map(({ name }) => {
    const tried = Map.groupBy(
      results.results.filter(({ arm, seed }) => arm === name && chosenBy.includes(seed)),
      ({ point }) => point,
    );
    const scores = [...tried].map(([point, ofPoint]) => {
      const values = ofPoint.map(({ measures }) => measures["validation/exact_match"] ?? NaN);
      return `${showPoint(point)}: ${estimateOf(values).mean.toFixed(3)}`;
    });
    return `${name}: ${scores.join("; ")}`;
  });
}

/** A table for a document: the head, a line, the rows. */
function markdown([head = [], ...body]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => i === 0 ? "---" : "--:")), ...body.map(line)]
    .join("\n");
}

/** The tables for a document: the one that is printed, and what stands beside it. */
export function studyMarkdown(plan: StudyPlan, results: StudyResults): string {
  const tables = [studyCells(studyRows(plan, results)), sideCells(plan, results)];
  return tables.map(markdown).join("\n\n");
}

/** The runs of a study, an arm's chosen settings a line, with the exact match of each seed. */
export function studyRuns(plan: StudyPlan, results: StudyResults): string[] {
  const seeds = seedsOf(plan);
  return [BASE, ...Object.keys(results.chosen)].map((arm) => {
    const matches = measuresBySeed(results, arm, "exact_match");
    const runs = [`runs/${arm}`, results.chosen[arm] ?? "", "seed-N"].filter((part) => part !== "");
    const values = seeds.map((seed) => matches.get(seed)?.toFixed(3) ?? "none");
    return `\`${runs.join("/")}\`: ${values.join(", ")}`;
  });
}

/** Remarks beside the table: measures of single kinds of questions, and of preferences. */
export function studyRemarks(plan: StudyPlan, results: StudyResults): string[] {
  const perSeed = (arm: string, measure: string) => [
    ...measuresBySeed(results, arm, measure).values(),
  ];
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(3)).join(", ");
  const many = "exact_match/pick";
  const baseline = measuresBySeed(results, BASELINE, many);
  const measure = baseline.size > 0 ? many : "exact_match";
  const where = baseline.size > 0 ? "on pick, which has many correct answers" : "on the test";
  const against = measuresBySeed(results, BASELINE, measure);
  const early = measuresBySeed(results, "sft-early", measure);
  const { noise = 0 } = plan.shared;
  const rewarded = plan.arms.filter(({ name }) => ["ppo", "grpo", "rloo"].includes(name));
  return [
    ...(noise === 0 ? [] : [
      `${noise} of the training answers are wrong, the same ones for all arms. In their pairs the ` +
      `wrong answer is the chosen one. Verifiers, validation data and the test have no noise; ` +
      `mistaught is the exact match on the prompts whose training answers are wrong`,
    ]),
    `exact match of the starting checkpoints on validation data: ${
      list(perSeed(BASE, "validation/exact_match"))
    }`,
    ...rewarded.flatMap(({ name }) => {
      const own = measuresBySeed(results, name, measure);
      if (own.size === 0) return [];
      const wins = [...own].filter(([seed, value]) => value > (against.get(seed) ?? Infinity));
      const start = estimateOf(perSeed(BASE, measure));
      return [
        `${name} ${where}: ${
          showDifference(pairedDifference(own, against))
        } over ${BASELINE}, higher ` +
        `on ${wins.length} of ${own.size} seeds (${BASE}: ${start.mean.toFixed(3)}; ` +
        `${name}: ${list([...own.values()])}; ${BASELINE}: ${list([...against.values()])})` +
        (early.size === 0
          ? ""
          : `; ${showDifference(pairedDifference(own, early))} over sft-early`),
      ];
    }),
    ...["dpo", "ipo"].flatMap((name) => {
      const after = perSeed(name, "pairs/margin");
      return after.length === 0 ? [] : [
        `${name}: the margins of held-out pairs rise from ${
          list(perSeed(name, "pairs/margin_before"))
        } to ${list(after)}; the chosen answer has the higher implicit reward in ${
          list(perSeed(name, "pairs/accuracy"))
        }`,
      ];
    }),
    ...[perSeed("reward-model", "pairs/accuracy")].flatMap((accuracies) =>
      accuracies.length === 0
        ? []
        : [`the reward model ranks held-out pairs correctly in ${list(accuracies)}`]
    ),
  ];
}
