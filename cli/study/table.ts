/**
 * The results of a study as tables: means over seeds, and differences from further supervised
 * training, each with its interval.
 *
 * @module
 */

import { meaningOf } from "../report/glossary.ts";
import { fitTable } from "../terminal/layout.ts";
import { BASE, BASELINE, rewardModelArm } from "./arms.ts";
import { type Estimate, estimateOf, pairedDifference } from "./statistics.ts";
import { seedsOf, type StudyPlan } from "./plan.ts";
import { type PrimaryMeasure, primaryOf, validationOf } from "./primary.ts";
import { chosenResults, measuresBySeed, type StudyResults } from "./results.ts";

/** A table with its title, and a sentence on its numbers. */
export interface StudyTable {
  /** The title. */
  readonly title: string;
  /** The cells, the headings first. */
  readonly cells: readonly (readonly string[])[];
  /** What the numbers are. */
  readonly note: string;
}

/** What a column tells of an arm. */
export type ColumnGroup = "results" | "exposure" | "elsewhere" | "cost";

/** A measure in the table. */
export interface Shown {
  /** The measure. */
  readonly measure: string;
  /** The heading of the column. */
  readonly title: string;
  /** The number of decimals. */
  readonly digits: number;
  /** What it tells of an arm. */
  readonly group: ColumnGroup;
}

/** The measures in the table. */
export const shownMeasures: readonly Shown[] = [
  { measure: "exact_match", title: "exact", digits: 3, group: "results" },
  { measure: "mean@k", title: "mean@k", digits: 3, group: "results" },
  { measure: "pass@k", title: "pass@k", digits: 3, group: "results" },
  { measure: "gap", title: "gap", digits: 3, group: "results" },
  { measure: "recovery", title: "recovery", digits: 3, group: "results" },
  { measure: "token_gap", title: "token gap", digits: 3, group: "exposure" },
  { measure: "step_gap", title: "step gap", digits: 3, group: "exposure" },
  { measure: "step_recovery", title: "step recovery", digits: 3, group: "exposure" },
  { measure: "state_distance", title: "state distance", digits: 3, group: "exposure" },
  { measure: "reached_share", title: "reached", digits: 3, group: "exposure" },
  { measure: "gold_kl", title: "gold KL", digits: 3, group: "exposure" },
  { measure: "own_kl", title: "own KL", digits: 3, group: "exposure" },
  { measure: "excess_error", title: "excess", digits: 3, group: "exposure" },
  { measure: "longer/exact_match", title: "longer", digits: 3, group: "elsewhere" },
  { measure: "reformatted/exact_match", title: "reformatted", digits: 3, group: "elsewhere" },
  { measure: "mistaught/exact_match", title: "mistaught", digits: 3, group: "elsewhere" },
  { measure: "kl_to_start", title: "KL", digits: 3, group: "elsewhere" },
  { measure: "sampled_entropy", title: "entropy", digits: 2, group: "elsewhere" },
  { measure: "length", title: "length", digits: 2, group: "elsewhere" },
];

/** A row of the table: an arm. */
export interface StudyRow {
  /** The arm. */
  readonly arm: string;
  /** The name of the chosen settings. */
  readonly point: string;
  /** The mean of each measure that the arm has. */
  readonly means: ReadonlyMap<string, Estimate>;
  /** The difference of the deciding measure from further supervised training. */
  readonly difference?: Estimate | undefined;
  /** The number of seeds on which that measure is higher, equal and lower. */
  readonly wins: readonly [more: number, equal: number, less: number];
  /** Means over seeds in thousands: examples, tokens forward and tokens backward. */
  readonly cost: readonly [examples: number, forward: number, backward: number];
}

/**
 * The rows of a study's table.
 *
 * @param plan The plan.
 * @param results The results.
 * @returns A row for the checkpoint, then one for each arm.
 */
export function studyRows(plan: StudyPlan, results: StudyResults): readonly StudyRow[] {
  const { measure } = primaryOf(plan);
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
    const costs = chosenResults(results, arm).map(({ cost }) => cost);
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
  const signed = (value: number) => {
    const size = Math.abs(value).toFixed(digits);
    return `${value < 0 && Number(size) > 0 ? "-" : "+"}${size}`;
  };
  const { mean, low, high } = estimate;
  return Number.isNaN(low) ? signed(mean) : `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
}

/** The settings of a point of a grid: `lr 0.001, beta 0.1`. */
export function showPoint(point: string): string {
  return point.replaceAll("learningRate-", "lr ").replaceAll("-", " ").replaceAll(",", ", ");
}

/** A column of the table. */
export interface StudyColumn {
  /** The heading. */
  readonly title: string;
  /** Its definition. */
  readonly meaning: string;
  /** What it tells of an arm. */
  readonly group: ColumnGroup;
  /** Its cell in the row of an arm. */
  cell(row: StudyRow): string;
}

/** The column with the means of a measure. */
function measureColumn({ measure, title, digits, group }: Shown): StudyColumn {
  return {
    ...{ title, group },
    meaning: meaningOf(measure)?.meaning ?? "",
    cell: ({ means }) => means.get(measure)?.mean.toFixed(digits) ?? "",
  };
}

/** The columns that compare the deciding measure with that of further supervised training. */
const comparisonColumns = (title: string): readonly StudyColumn[] => [
  {
    title: `${title} - ${BASELINE}`,
    meaning: `mean over seeds of ${title} less that of ${BASELINE} with the same seed, and its ` +
      `95 % interval`,
    group: "results",
    cell: ({ difference }) => showDifference(difference),
  },
  {
    title: "wins",
    meaning: `number of seeds on which ${title} is higher than, equal to and lower than that of ` +
      BASELINE,
    group: "results",
    cell: ({ arm, wins, difference }) =>
      arm === BASE || difference === undefined ? "" : wins.join("/"),
  },
];

/** The columns with the cost and the settings of an arm. */
const costColumns: readonly StudyColumn[] = [
  ...[
    { title: "k examples", meaning: "rows with a backward pass, in thousands" },
    { title: "k fwd", meaning: "tokens that any model has read or written, in thousands" },
    { title: "k bwd", meaning: "tokens with a backward pass, in thousands" },
  ].map((column, i): StudyColumn => ({
    ...column,
    group: "cost",
    cell: ({ cost, means }) => means.size === 0 ? "" : (cost[i] ?? NaN).toFixed(0),
  })),
  {
    title: "settings",
    meaning: "of those that were tried, the best on validation data",
    group: "cost",
    cell: ({ point }) => showPoint(point),
  },
];

/**
 * The columns of a study's table, the measure that decides first. Some measures exist only for some
 * tasks.
 */
export function studyColumns(
  rows: readonly StudyRow[],
  { measure: deciding, title } = primaryOf({}),
): readonly StudyColumn[] {
  const there = shownMeasures
    .filter(({ measure }) => rows.some(({ means }) => means.has(measure)));
  const [decides, others] = [
    there.filter(({ measure }) => measure === deciding),
    there.filter(({ measure }) => measure !== deciding),
  ];
  return [
    ...decides.map((shown) => ({ ...measureColumn(shown), group: "results" as const })),
    ...comparisonColumns(title),
    ...others.map(measureColumn),
    ...costColumns,
  ];
}

/** The cells of some columns of a study's table, the headings first. */
export function cellsOf(
  rows: readonly StudyRow[],
  columns: readonly StudyColumn[],
): readonly (readonly string[])[] {
  return [
    ["", ...columns.map(({ title }) => title)],
    ...rows.map((row) => [row.arm, ...columns.map((column) => column.cell(row))]),
  ];
}

/** The cells of a study's table, the headings first. */
function studyCells(
  rows: readonly StudyRow[],
  primary?: PrimaryMeasure,
): readonly (readonly string[])[] {
  return cellsOf(rows, studyColumns(rows, primary));
}

/** The table for a terminal. */
export function studyLines(rows: readonly StudyRow[], primary?: PrimaryMeasure): string[] {
  return fitTable(studyCells(rows, primary));
}

/** The differences from further supervised training in the second table. */
const sideDifferences = (primary: PrimaryMeasure) => [
  { measure: validationOf(primary), title: "validation" },
  { measure: "recovery", title: "recovery" },
  { measure: "length", title: "length" },
];

/** The beginning of the names of exact match of one kind of question. */
const KIND = "exact_match/";

/** The cells of the second table: further differences, and exact match of each kind of question. */
function sideCells(plan: StudyPlan, results: StudyResults): readonly (readonly string[])[] {
  const arms = [BASE, ...plan.arms.map(({ name }) => name)];
  const known = new Set(
    results.results.filter(({ arm }) => arms.includes(arm))
      .flatMap(({ measures }) => Object.keys(measures)),
  );
  const differences = sideDifferences(primaryOf(plan)).filter(({ measure }) => known.has(measure));
  const kinds = [...known].filter((measure) => measure.startsWith(KIND))
    .map((measure) => ({ measure, title: measure.slice(KIND.length) }));
  const means = [{ measure: "nll", title: "nll" }, ...kinds];
  const bySeed = (arm: string, measure: string) => measuresBySeed(results, arm, measure);
  const mean = (values: readonly number[]) =>
    values.length === 0 ? "" : estimateOf(values).mean.toFixed(3);
  return [
    [
      "",
      ...differences.map(({ title }) => `${title} - ${BASELINE}`),
      ...means.map(({ title }) => title),
    ],
    ...arms.map((arm) => [
      arm,
      ...differences.map(({ measure }) =>
        arm === BASELINE
          ? ""
          : showDifference(pairedDifference(bySeed(arm, measure), bySeed(BASELINE, measure)))
      ),
      ...means.map(({ measure }) => mean([...bySeed(arm, measure).values()])),
    ]),
  ];
}

/** A line for each arm: its tried settings, with the measure of the validation data that chose. */
export function studyTried(plan: StudyPlan, results: StudyResults): string[] {
  const validation = validationOf(primaryOf(plan));
  const chosenBy = seedsOf(plan).slice(0, plan.selectionSeeds);
  return plan.arms.map(({ name }) => {
    const tried = Map.groupBy(
      results.results.filter(({ arm, seed }) => arm === name && chosenBy.includes(seed)),
      ({ point }) => point,
    );
    const scores = [...tried].map(([point, ofPoint]) => {
      const values = ofPoint.map(({ measures }) => measures[validation] ?? NaN);
      return `${showPoint(point)}: ${estimateOf(values).mean.toFixed(3)}`;
    });
    return `${name}: ${scores.join("; ")}`;
  });
}

/**
 * A table in Markdown.
 *
 * @param rows The cells, the headings first.
 * @returns The lines.
 */
export function markdownTable([head = [], ...body]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => i === 0 ? "---" : "--:")), ...body.map(line)]
    .join("\n");
}

/** Both tables of a study in Markdown. */
export function studyMarkdown(plan: StudyPlan, results: StudyResults): string {
  const tables = [
    studyCells(studyRows(plan, results), primaryOf(plan)),
    sideCells(plan, results),
  ];
  return tables.map(markdownTable).join("\n\n");
}

/** A line for each arm: the runs of its chosen settings, with the deciding measure of each seed. */
export function studyRuns(plan: StudyPlan, results: StudyResults): string[] {
  const { measure } = primaryOf(plan);
  const seeds = seedsOf(plan);
  return [BASE, ...Object.keys(results.chosen)].map((arm) => {
    const measured = measuresBySeed(results, arm, measure);
    const runs = [`runs/${arm}`, results.chosen[arm] ?? "", "seed-N"].filter((part) => part !== "");
    const values = seeds.map((seed) => measured.get(seed)?.toFixed(3) ?? "none");
    return `\`${runs.join("/")}\`: ${values.join(", ")}`;
  });
}

/** Sentences beside the table, on single kinds of questions and on preferences. */
export function studyRemarks(plan: StudyPlan, results: StudyResults): string[] {
  const primary = primaryOf(plan);
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
    ...[perSeed(BASE, validationOf(primary))].flatMap((measured) =>
      measured.length === 0
        ? []
        : [`${primary.noun} of the starting checkpoints on validation data: ${list(measured)}`]
    ),
    ...rewarded.flatMap(({ name }) => {
      const own = measuresBySeed(results, name, measure);
      const difference = pairedDifference(own, against);
      if (difference === undefined) return [];
      const wins = [...own].filter(([seed, value]) => value > (against.get(seed) ?? Infinity));
      const start = estimateOf(perSeed(BASE, measure));
      return [
        `${name} ${where}: ${showDifference(difference)} over ${BASELINE}, higher ` +
        `on ${wins.length} of ${own.size} seeds (${BASE}: ${start.mean.toFixed(3)}; ` +
        `${name}: ${list([...own.values()])}; ${BASELINE}: ${list([...against.values()])})` +
        (early.size === 0
          ? ""
          : `; ${showDifference(pairedDifference(own, early))} over sft-early`),
      ];
    }),
    ...plan.arms.flatMap(({ name }) => {
      const after = perSeed(name, "pairs/margin");
      return after.length === 0 ? [] : [
        `${name}: the margins of held-out pairs rise from ${
          list(perSeed(name, "pairs/margin_before"))
        } to ${list(after)}; the chosen answer has the higher implicit reward in ${
          list(perSeed(name, "pairs/accuracy"))
        }`,
      ];
    }),
    ...[perSeed(rewardModelArm.name, "pairs/accuracy")].flatMap((accuracies) =>
      accuracies.length === 0
        ? []
        : [`the reward model ranks held-out pairs correctly in ${list(accuracies)}`]
    ),
  ];
}
