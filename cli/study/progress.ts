/**
 * How the arms of a study come along: exact match on validation data while they train.
 *
 * @module
 */

import { tokenCost } from "@unitune/training";
import { type JsonLine, readJsonLines } from "../files/json_lines.ts";
import type { Curve } from "../report/plot.ts";
import { evaluationsIn, stepsIn } from "../report/summary.ts";
import { runPaths } from "../run/run_paths.ts";
import { estimateOf } from "./statistics.ts";
import { type StudyPlan, validationSplit } from "./plan.ts";
import { primaryOf } from "./primary.ts";
import { chosenResults, type StudyResults } from "./results.ts";

/** A validation of a run: where it was, and what it measured. */
interface Validation {
  /** Steps, or tokens. */
  readonly x: number;
  /** The measure. */
  readonly y: number;
}

/** The data and the metric of a curve. */
interface Drawn {
  /** The name of the validation data. */
  readonly name: string;
  /** The metric. */
  readonly metric: string;
}

/** The points of a curve over tokens, which all arms and seeds have in common. */
const POINTS = 9;

/** The validations of a run by their steps. */
function bySteps(lines: readonly JsonLine[], { name, metric }: Drawn): readonly Validation[] {
  return evaluationsIn(lines).flatMap(({ step, split, metrics: { [metric]: y } }) =>
    split === name && y !== undefined ? [{ x: step, y }] : []
  );
}

/** The validations of a run by the tokens that it had cost; those whose cost was not logged are left out. */
function byTokens(lines: readonly JsonLine[], drawn: Drawn): readonly Validation[] {
  const costs = new Map([
    [0, 0],
    ...stepsIn(lines).map(({ step, metrics }): [number, number] => [
      step,
      tokenCost({
        forwardTokens: metrics["cost/forward_tokens"] ?? NaN,
        backwardTokens: metrics["cost/backward_tokens"] ?? NaN,
      }),
    ]),
  ]);
  return bySteps(lines, drawn).flatMap(({ x: step, y }) => {
    const x = costs.get(step) ?? NaN;
    return Number.isFinite(x) ? [{ x, y }] : [];
  });
}

/**
 * The measure between two validations, on the line through them; that of the last one behind it.
 *
 * @param validations The validations of a run, by growing x.
 * @param x The place.
 * @returns The measure; NaN without validations.
 *
 * @example
 * ```ts
 * import { measureAt } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const validations = [{ x: 0, y: 0 }, { x: 10, y: 0.5 }];
 * assertEquals([0, 5, 10, 11].map((x) => measureAt(validations, x)), [0, 0.25, 0.5, 0.5]);
 * ```
 */
export function measureAt(validations: readonly Validation[], x: number): number {
  const next = validations.findIndex((validation) => validation.x >= x);
  const [before, after] = [validations[next - 1], validations[next]];
  if (after === undefined) return validations.at(-1)?.y ?? NaN;
  if (before === undefined) return after.y;
  const part = (x - before.x) / (after.x - before.x);
  return before.y + part * (after.y - before.y);
}

/** The mean of some runs at a place, with its interval. */
function pointOf(x: number, values: readonly number[]): Curve["points"][number] {
  const { mean, low, high } = estimateOf(values);
  return Number.isNaN(low) ? { x, y: mean } : { x, y: mean, low, high };
}

/**
 * The curve of an arm: the mean over seeds of a metric of validation data, with its interval. In
 * a study whose arms end at a cost in tokens the curve is over millions of tokens, and between its
 * validations a run is taken to be on the line through them; otherwise it is over steps.
 *
 * @param folder The folder of the study.
 * @param plan The plan.
 * @param results The results.
 * @param arm The name of the arm.
 * @returns The curve.
 * @throws {UserError} If the metrics of a run cannot be read.
 */
export async function progressOf(
  folder: string,
  plan: StudyPlan,
  results: StudyResults,
  arm: string,
): Promise<Curve> {
  const runs = await Promise.all(
    chosenResults(results, arm).map(({ run }) =>
      readJsonLines(runPaths(`${folder}/${run}`).metrics)
    ),
  );
  const { shared: { tokenBudget } } = plan;
  const drawn = { name: validationSplit(plan), metric: primaryOf(plan).curve.metric };
  if (tokenBudget === undefined) {
    const all = Map.groupBy(runs.flatMap((lines) => bySteps(lines, drawn)), ({ x }) => x);
    const points = [...all].map(([x, own]) => pointOf(x, own.map(({ y }) => y)));
    return { name: arm, points };
  }
  const validations = runs.map((lines) => byTokens(lines, drawn))
    .filter(({ length }) => length > 0);
  if (validations.length === 0) return { name: arm, points: [] };
  const points = Array.from({ length: POINTS }, (_, i) => {
    const x = i / (POINTS - 1) * tokenBudget;
    return pointOf(x / 1e6, validations.map((own) => measureAt(own, x)));
  });
  return { name: arm, points };
}
