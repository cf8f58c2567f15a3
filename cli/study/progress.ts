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
import type { StudyPlan } from "./plan.ts";
import { chosenResults, type StudyResults } from "./results.ts";

/** A validation of a run: where it was, and its exact match. */
interface Validation {
  /** Steps, or tokens. */
  readonly x: number;
  /** The fraction of prompts that were answered exactly. */
  readonly match: number;
}

/** The points of a curve over tokens, which all arms and seeds have in common. */
const POINTS = 9;

/** The validations of a run by their steps. */
function bySteps(lines: readonly JsonLine[]): readonly Validation[] {
  return evaluationsIn(lines).flatMap(({ step, split, metrics: { eval_exact_match: match } }) =>
    split === "held-out" && match !== undefined ? [{ x: step, match }] : []
  );
}

/** The validations of a run by the tokens that it had cost; those whose cost was not logged are left out. */
function byTokens(lines: readonly JsonLine[]): readonly Validation[] {
  const costs = new Map([
    [0, 0],
    ...stepsIn(lines).map(({ step, metrics }): [number, number] => [
      step,
      tokenCost({
        examples: 0,
        forwardTokens: metrics["cost/forward_tokens"] ?? NaN,
        backwardTokens: metrics["cost/backward_tokens"] ?? NaN,
      }),
    ]),
  ]);
  return bySteps(lines).flatMap(({ x: step, match }) => {
    const x = costs.get(step) ?? NaN;
    return Number.isFinite(x) ? [{ x, match }] : [];
  });
}

/**
 * The exact match between two validations, on the line through them; that of the last one behind it.
 *
 * @param validations The validations of a run, by growing x.
 * @param x The place.
 * @returns The exact match; NaN without validations.
 *
 * @example
 * ```ts
 * import { matchAt } from "./progress.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const validations = [{ x: 0, match: 0 }, { x: 10, match: 0.5 }];
 * assertEquals([0, 5, 10, 11].map((x) => matchAt(validations, x)), [0, 0.25, 0.5, 0.5]);
 * ```
 */
export function matchAt(validations: readonly Validation[], x: number): number {
  const next = validations.findIndex((validation) => validation.x >= x);
  const [before, after] = [validations[next - 1], validations[next]];
  if (after === undefined) return validations.at(-1)?.match ?? NaN;
  if (before === undefined) return after.match;
  const part = (x - before.x) / (after.x - before.x);
  return before.match + part * (after.match - before.match);
}

/** The mean of some runs at a place, with its interval. */
function pointOf(x: number, matches: readonly number[]): Curve["points"][number] {
  const { mean, low, high } = estimateOf(matches);
  return Number.isNaN(low) ? { x, y: mean } : { x, y: mean, low, high };
}

/**
 * The curve of an arm: the mean over seeds of exact match on validation data, with its interval. In
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
  { shared: { tokenBudget } }: StudyPlan,
  results: StudyResults,
  arm: string,
): Promise<Curve> {
  const runs = await Promise.all(
    chosenResults(results, arm).map(({ run }) =>
      readJsonLines(runPaths(`${folder}/${run}`).metrics)
    ),
  );
  if (tokenBudget === undefined) {
    const all = Map.groupBy(runs.flatMap(bySteps), ({ x }) => x);
    const points = [...all].map(([x, own]) => pointOf(x, own.map(({ match }) => match)));
    return { name: arm, points };
  }
  const validations = runs.map(byTokens).filter(({ length }) => length > 0);
  if (validations.length === 0) return { name: arm, points: [] };
  const points = Array.from({ length: POINTS }, (_, i) => {
    const x = i / (POINTS - 1) * tokenBudget;
    return pointOf(x / 1e6, validations.map((own) => matchAt(own, x)));
  });
  return { name: arm, points };
}
