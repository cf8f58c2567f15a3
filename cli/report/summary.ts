/**
 * Summaries of evaluations: a line during the run, and at its end tables and sample answers.
 *
 * @module
 */

import { type Answer, shortened, type SplitReport } from "@unitune/training";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
import { columnWidths, WIDTH, wrapWords } from "../terminal/layout.ts";

/** An evaluation, as a line of `metrics.jsonl` records it. */
export interface EvaluationLine {
  /** The number of optimizer steps before it. */
  readonly step: number;
  /** The name of the split. */
  readonly split: string;
  /** The metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Reads the evaluations of a run.
 *
 * @param path The path of its `metrics.jsonl`.
 * @returns The evaluations, in order.
 * @throws {UserError} If the file cannot be read.
 */
export async function readEvaluations(path: string): Promise<EvaluationLine[]> {
  return evaluationsIn(await readJsonLines(path));
}

/**
 * The evaluations among the lines of a `metrics.jsonl`.
 *
 * @param lines The lines.
 * @returns The evaluations, in order.
 *
 * @example
 * ```ts
 * import { evaluationsIn } from "./summary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = [{ step: 1, loss: 2 }, { step: 1, split: "validation", eval_loss: 3 }];
 * assertEquals(evaluationsIn(lines), [
 *   { step: 1, split: "validation", metrics: { eval_loss: 3 } },
 * ]);
 * ```
 */
export function evaluationsIn(lines: readonly JsonLine[]): EvaluationLine[] {
  return lines.flatMap(({ split, ...line }) => {
    if (typeof split !== "string") return [];
    const { step = 0, ...metrics } = numbersIn(line);
    return [{ step, split, metrics }];
  });
}

/** A logged training step, as a line of `metrics.jsonl` records it. */
export type StepLine = Omit<EvaluationLine, "split">;

/**
 * The logged training steps among the lines of a `metrics.jsonl`.
 *
 * @param lines The lines.
 * @returns The steps, in order.
 *
 * @example
 * ```ts
 * import { stepsIn } from "./summary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const lines = [{ step: 1, loss: 2 }, { step: 1, split: "validation", eval_loss: 3 }];
 * assertEquals(stepsIn(lines), [{ step: 1, metrics: { loss: 2 } }]);
 * ```
 */
export function stepsIn(lines: readonly JsonLine[]): StepLine[] {
  return lines.flatMap((line) => {
    const { step, ...metrics } = numbersIn(line);
    return "split" in line || step === undefined ? [] : [{ step, metrics }];
  });
}

/** The entries of a line that are finite numbers. */
function numbersIn(line: JsonLine): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(line).filter((entry): entry is [string, number] =>
      typeof entry[1] === "number" && Number.isFinite(entry[1])
    ),
  );
}

/** A metric in a table. */
export interface MetricColumn {
  /** The name of the metric. */
  readonly metric: string;
  /** The heading of its column. */
  readonly title: string;
  /** The number of decimals. */
  readonly digits: number;
  /** Whether only tables at the end show it (default false). */
  readonly isDetail?: boolean;
}

/** The main metrics of an evaluation. */
export const mainMetrics: readonly MetricColumn[] = [
  { metric: "eval_loss", title: "loss", digits: 4 },
  { metric: "eval_mean_token_accuracy", title: "token accuracy", digits: 3 },
  { metric: "eval_exact_match", title: "exact match", digits: 3 },
  { metric: "eval_rewards/step_accuracies", title: "step accuracy", digits: 3 },
  { metric: "eval_forced_exact_match", title: "forced", digits: 3, isDetail: true },
  { metric: "eval_exact_match_gap", title: "gap", digits: 3, isDetail: true },
];

/**
 * Describes an evaluation on one line.
 *
 * @param report The evaluation.
 * @returns The name of the split and its main metrics.
 *
 * @example
 * ```ts
 * import { describeReport } from "./summary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const report = { split: "validation", metrics: { eval_loss: 1.5, eval_entropy: 1 }, answers: [] };
 * assertEquals(describeReport(report), "validation: loss 1.5000");
 * ```
 */
export function describeReport({ split, metrics }: SplitReport): string {
  const shown = mainMetrics.flatMap(({ metric, title, digits, isDetail = false }) => {
    const value = metrics[metric];
    return value === undefined || isDetail ? [] : [`${title} ${value.toFixed(digits)}`];
  });
  return `${split}: ${shown.length === 0 ? "no right answers to compare with" : shown.join(", ")}`;
}

/** A moment at which every split of a run is evaluated. */
export interface Moment {
  /** The number of optimizer steps before it. */
  readonly step: number;
  /** The name in a table: `before`, `after`, `after dpo`. */
  readonly name: string;
}

/** What the name and the place of a stage follow from. */
export interface StageSettings {
  /** The objective. */
  readonly objective: { readonly name: string };
  /** The number of optimizer steps. */
  readonly steps: number;
}

/** A stage, which has the steps after `begin` up to `end`. */
export interface StageSpan {
  /** The name: its objective, and its number where several stages have the same objective. */
  readonly name: string;
  /** The number of optimizer steps before it. */
  readonly begin: number;
  /** The number of optimizer steps at its end. */
  readonly end: number;
}

/**
 * The stages of a run, with their names and steps.
 *
 * @param stages The settings of each stage.
 * @returns The stages.
 *
 * @example
 * ```ts
 * import { spansOf } from "./summary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const [sft, dpo] = [{ objective: { name: "sft" }, steps: 9 }, { objective: { name: "dpo" }, steps: 3 }];
 * assertEquals(spansOf([sft, dpo]), [
 *   { name: "sft", begin: 0, end: 9 },
 *   { name: "dpo", begin: 9, end: 12 },
 * ]);
 * assertEquals(spansOf([sft, sft]).map(({ name }) => name), ["stage 1, sft", "stage 2, sft"]);
 * ```
 */
export function spansOf(stages: readonly StageSettings[]): readonly StageSpan[] {
  let end = 0;
  return stages.map(({ objective: { name: objective }, steps }, i) => {
    const begin = end;
    end += steps;
    const isShared = stages.some((other, j) => j !== i && other.objective.name === objective);
    return { name: isShared ? `stage ${i + 1}, ${objective}` : objective, begin, end };
  });
}

/**
 * The start of a run and the end of each of its stages.
 *
 * @param stages The settings of each stage.
 * @returns The moments. Several stages are named by their objectives, and stages with the same
 * objective by their numbers as well.
 *
 * @example
 * ```ts
 * import { momentsOf } from "./summary.ts";
 * import { trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const stages = [trainSettings({ steps: 9 }), trainSettings({ objective: "dpo", steps: 3 })];
 * assertEquals(momentsOf(stages), [
 *   { step: 0, name: "before" },
 *   { step: 9, name: "after sft" },
 *   { step: 12, name: "after dpo" },
 * ]);
 * ```
 */
export function momentsOf(stages: readonly StageSettings[]): readonly Moment[] {
  const ends = spansOf(stages).map(({ name, end }) => ({
    step: end,
    name: stages.length === 1 ? "after" : `after ${name}`,
  }));
  return [{ step: 0, name: "before" }, ...ends];
}

/** The cells of a table, row by row, the headings first; none if there is nothing to show. */
export type TableCells = readonly (readonly string[])[];

/**
 * The table of the main metrics of each split at some moments.
 *
 * @param evaluations The evaluations of the run.
 * @param moments The moments, such as the start of the run and the ends of its stages.
 * @returns The cells, one row for each split and moment.
 *
 * @example
 * ```ts
 * import { mainCells } from "./summary.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const at = (step: number, loss: number) => ({
 *   step,
 *   split: "held-out",
 *   metrics: { eval_loss: loss },
 * });
 * const moments = [{ step: 0, name: "before" }, { step: 8, name: "after" }];
 * assertEquals(mainCells([at(0, 3), at(4, 2), at(8, 1)], moments), [
 *   ["", "loss"],
 *   ["held-out, before", "3.0000"],
 *   ["held-out, after", "1.0000"],
 * ]);
 * ```
 */
export function mainCells(
  evaluations: readonly EvaluationLine[],
  moments: readonly Moment[],
): TableCells {
  const shown = mainMetrics.filter(({ metric }) =>
    evaluations.some(({ metrics }) => metrics[metric] !== undefined)
  );
  return comparison("", shown, evaluations, moments);
}

/** The beginning of the names of exact match of one kind of question. */
const KIND = "eval_exact_match/";

/**
 * The kinds of questions whose exact match was measured.
 *
 * @param evaluations The evaluations of the run.
 * @returns The kinds.
 */
export function kindsOf(evaluations: readonly EvaluationLine[]): readonly string[] {
  const names = new Set(evaluations.flatMap(({ metrics }) => Object.keys(metrics)));
  return [...names].flatMap((name) => name.startsWith(KIND) ? [name.slice(KIND.length)] : []);
}

/**
 * The table of exact match for each kind of question at some moments.
 *
 * @param evaluations The evaluations of the run.
 * @param moments The moments, such as the start of the run and the ends of its stages.
 * @returns The cells, one row for each split and moment; none if the questions have no kinds.
 */
export function kindCells(
  evaluations: readonly EvaluationLine[],
  moments: readonly Moment[],
): TableCells {
  const shown = kindsOf(evaluations).map((kind) => ({
    metric: `${KIND}${kind}`,
    title: kind,
    digits: 2,
  }));
  return comparison("exact match", shown, evaluations, moments);
}

/** The cells of a table with a row for each split and moment, and a column for each metric. */
function comparison(
  title: string,
  shown: readonly MetricColumn[],
  evaluations: readonly EvaluationLine[],
  moments: readonly Moment[],
): TableCells {
  if (shown.length === 0) return [];
  const splits = [...new Set(evaluations.map(({ split }) => split))]
    .toSorted((a, b) => a.localeCompare(b));
  const rows = splits.flatMap((split) =>
    moments.flatMap(({ step, name }) => {
      const metrics = evaluations.find((one) => one.split === split && one.step === step)?.metrics;
      return metrics === undefined ? [] : [[
        `${split}, ${name}`,
        ...shown.map(({ metric, digits }) => metrics[metric]?.toFixed(digits) ?? ""),
      ]];
    })
  );
  return [[title, ...shown.map((column) => column.title)], ...rows];
}

/** The most answers that are shown: of each of several kinds, and of a single kind. */
const SHOWN = { ofEach: 2, ofOne: 6 } as const;

/**
 * Shows the first answers to each kind of question.
 *
 * @param answers The answers.
 * @returns The lines.
 */
export function sampleLines(answers: readonly Answer[]): string[] {
  const kinds = Map.groupBy(answers, ({ question }) => question.kind);
  const limit = kinds.size === 1 ? SHOWN.ofOne : SHOWN.ofEach;
  const shown = [...kinds.values()].flatMap((own) => own.slice(0, limit));
  const judged = shown.filter(({ isRight }) => isRight !== undefined);
  if (judged.length < shown.length) return shown.flatMap(continuationLines);
  const rows = judged.map(({ question, text, isRight }) => [
    brief(question.prompt, LONGEST.prompt),
    "->",
    brief(text, LONGEST.answer),
    isRight ? "right" : `wrong, e.g. ${brief(question.gold, LONGEST.answer)}`,
  ]);
  const widths = columnWidths(rows);
  return rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? NaN)).join("  ").trimEnd()
  );
}

/** A text and, after `>>`, its continuation by the model. */
function continuationLines({ question, text }: Answer): string[] {
  const lines = `${question.prompt}>>${text}`.trimEnd().split("\n");
  return [...lines.flatMap((line) => wrapWords(line, WIDTH)), "---"];
}

/** The most characters of each text, so that a prompt and two answers fit on a line. */
const LONGEST = { prompt: 24, answer: 18 } as const;

/** A text on one line, shortened. */
function brief(text: string, longest: number): string {
  const oneLine = text.replaceAll(/\s+/g, " ");
  return shortened(oneLine, longest);
}
