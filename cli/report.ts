/**
 * What a run tells: a line for each evaluation; at the end a table of before and after, and samples.
 *
 * @module
 */

import { fileError } from "./errors.ts";
import type { Answer, SplitReport } from "./evaluation.ts";
import { shortened } from "./graphemes.ts";
import { longest } from "./longest.ts";

/** An evaluation, as `metrics.jsonl` has it. */
export interface EvaluationLine {
  /** Optimizer steps done. */
  readonly step: number;
  /** The split. */
  readonly split: string;
  /** Numbers by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/**
 * Reads a run's evaluations.
 *
 * @param path The run's `metrics.jsonl`.
 * @returns The evaluations, in order.
 * @throws {UserError} If the file cannot be read.
 */
export async function readEvaluations(path: string): Promise<EvaluationLine[]> {
  try {
    return evaluationsIn(await Deno.readTextFile(path));
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * The evaluations among the lines of a `metrics.jsonl`.
 *
 * @param text The file.
 * @returns The evaluations, in order.
 *
 * @example
 * ```ts
 * import { evaluationsIn } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const text = `{"step":1,"loss":2}\n{"step":1,"split":"validation","eval_loss":3}\n`;
 * assertEquals(evaluationsIn(text), [
 *   { step: 1, split: "validation", metrics: { eval_loss: 3 } },
 * ]);
 * ```
 */
export function evaluationsIn(text: string): EvaluationLine[] {
  return text.split("\n").flatMap((line) => {
    const parsed: unknown = line === "" ? undefined : JSON.parse(line);
    if (typeof parsed !== "object" || parsed === null || !("split" in parsed)) return [];
    const { split } = parsed;
    const numbers = Object.entries(parsed).filter((entry): entry is [string, number] =>
      typeof entry[1] === "number"
    );
    const { step = 0, ...metrics } = Object.fromEntries(numbers);
    return typeof split === "string" ? [{ step, split, metrics }] : [];
  });
}

/** How a metric is shown. */
interface Column {
  readonly metric: string;
  readonly title: string;
  readonly digits: number;
  /** Only in the table at the end. */
  readonly isDetail?: boolean;
}

const columns: readonly Column[] = [
  { metric: "eval_loss", title: "loss", digits: 4 },
  { metric: "eval_mean_token_accuracy", title: "token accuracy", digits: 3 },
  { metric: "eval_exact_match", title: "exact match", digits: 3 },
  { metric: "eval_forced_exact_match", title: "teacher-forced", digits: 3, isDetail: true },
  { metric: "eval_exact_match_gap", title: "gap", digits: 3, isDetail: true },
];

/**
 * An evaluation on one line.
 *
 * @param report The evaluation.
 * @returns The split and its main numbers.
 *
 * @example
 * ```ts
 * import { describeReport } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const report = { split: "validation", metrics: { eval_loss: 1.5, eval_entropy: 1 }, answers: [] };
 * assertEquals(describeReport(report), "validation: loss 1.5000");
 * ```
 */
export function describeReport({ split, metrics }: SplitReport): string {
  const shown = columns.flatMap(({ metric, title, digits, isDetail = false }) => {
    const value = metrics[metric];
    return value === undefined || isDetail ? [] : [`${title} ${value.toFixed(digits)}`];
  });
  return `${split}: ${shown.join(", ")}`;
}

/**
 * Rows of cells, padded so that columns line up: the first to the left, the others to the right.
 *
 * @param rows The cells.
 * @returns The lines.
 *
 * @example
 * ```ts
 * import { alignTable } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(alignTable([["", "loss"], ["after", "0.5"]]), ["       loss", "after   0.5"]);
 * ```
 */
export function alignTable(rows: readonly (readonly string[])[]): string[] {
  const widths = columnWidths(rows);
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
      .join("  ").trimEnd()
  );
}

function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const count = longest(rows, (row) => row.length);
  return Array.from(
    { length: count },
    (_, i) => longest(rows, (row) => row[i]?.length ?? 0),
  );
}

/**
 * The table of splits before and after training.
 *
 * @param evaluations The run's evaluations.
 * @param lastStep Its last step.
 * @returns The lines.
 */
export function beforeAndAfter(
  evaluations: readonly EvaluationLine[],
  lastStep: number,
): string[] {
  const shown = columns.filter(({ metric }) =>
    evaluations.some(({ metrics }) => metrics[metric] !== undefined)
  );
  return comparison("", shown, evaluations, lastStep);
}

/** What the metrics of a kind of question begin with. */
const KIND = "eval_exact_match/";

/**
 * Exact match by kind of question before and after training, where there are several kinds.
 *
 * @param evaluations The run's evaluations.
 * @param lastStep Its last step.
 * @returns The lines; none where there are no kinds.
 */
export function matchByKind(evaluations: readonly EvaluationLine[], lastStep: number): string[] {
  const names = evaluations.flatMap(({ metrics }) => Object.keys(metrics));
  const kinds = [...new Set(names)].filter((name) => name.startsWith(KIND));
  if (kinds.length === 0) return [];
  const shown = kinds.map((metric) => ({ metric, title: metric.slice(KIND.length), digits: 2 }));
  return comparison("exact match", shown, evaluations, lastStep);
}

/** A line for each split before and after training, a column for each metric. */
function comparison(
  title: string,
  shown: readonly Column[],
  evaluations: readonly EvaluationLine[],
  lastStep: number,
): string[] {
  const rows = evaluations
    .filter(({ step }) => step === 0 || step === lastStep)
    .toSorted((a, b) => a.split.localeCompare(b.split) || a.step - b.step)
    .map(({ step, split, metrics }) => [
      `${split}, ${step === 0 ? "before" : "after"}`,
      ...shown.map(({ metric, digits }) => metrics[metric]?.toFixed(digits) ?? ""),
    ]);
  return alignTable([[title, ...shown.map((column) => column.title)], ...rows]);
}

/** Answers of a kind that are shown, where there are several kinds and where there is one. */
const SHOWN = { ofEach: 2, ofOne: 6 } as const;

/**
 * Some answers of each kind, right and wrong ones as they come.
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
    brief(question.prompt),
    "->",
    brief(text),
    isRight ? "right" : `wrong, e.g. ${brief(question.gold)}`,
  ]);
  const widths = columnWidths(rows);
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd());
}

/** A text and how the model goes on with it, from `>>` on. */
function continuationLines({ question, text }: Answer): string[] {
  return [...`${question.prompt}>>${text}`.trimEnd().split("\n"), "---"];
}

/** A text on one line of at most 40 characters. */
function brief(text: string): string {
  const oneLine = text.replaceAll(/\s+/g, " ");
  return shortened(oneLine, 40);
}
