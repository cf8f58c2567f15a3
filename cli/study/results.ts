/**
 * The results of a study: those of all its trials, and the settings that were chosen by them.
 *
 * @module
 */

import { isRecord } from "../files/guards.ts";
import type { GridPoint } from "./arms.ts";
import { gainOf, type PrimaryMeasure, validationOf } from "./primary.ts";
import { isTrialResult, type TrialResult } from "./trial.ts";

/** The results of a study. */
export interface StudyResults {
  /** The point of each arm's grid that is the best on validation data. */
  readonly chosen: Readonly<Record<string, string>>;
  /** The results of all trials, including those of settings that were not chosen. */
  readonly results: readonly TrialResult[];
}

/** The results of an arm's chosen settings. */
export function chosenResults(
  { chosen, results }: StudyResults,
  arm: string,
): readonly TrialResult[] {
  return results.filter((result) => result.arm === arm && result.point === (chosen[arm] ?? ""));
}

/** A measure of an arm's chosen settings, by seed. */
export function measuresBySeed(
  results: StudyResults,
  arm: string,
  measure: string,
): ReadonlyMap<number, number> {
  return new Map(
    chosenResults(results, arm)
      .flatMap(({ seed, measures: { [measure]: value } }): [number, number][] =>
        Number.isFinite(value) && value !== undefined ? [[seed, value]] : []
      ),
  );
}

export function isStudyResults(value: unknown): value is StudyResults {
  if (!isRecord(value)) return false;
  const { chosen, results } = value;
  return isRecord(chosen) && Object.values(chosen).every((point) => typeof point === "string") &&
    Array.isArray(results) && results.every(isTrialResult);
}

/** The results of a point of a grid on some seeds. */
interface TriedPoint {
  readonly point: GridPoint;
  readonly results: readonly TrialResult[];
}

/** The sum of a measure on validation data: the larger, the better. What was not measured is the worst. */
function validationScore(results: readonly TrialResult[], primary: PrimaryMeasure): number {
  const worst = primary.isLess ? Infinity : 0;
  const name = validationOf(primary);
  const total = results.reduce((sum, { measures }) => sum + (measures[name] ?? worst), 0);
  return gainOf(primary, total);
}

/**
 * The point of a grid that is the best on validation data; of equally good ones, the first.
 *
 * @param tried The points with their results.
 * @param primary The measure that decides.
 * @returns The point; undefined without points.
 */
export function bestPoint(
  tried: readonly TriedPoint[],
  primary: PrimaryMeasure,
): GridPoint | undefined {
  const [best] = tried.map(({ point, results }) => ({
    point,
    score: validationScore(results, primary),
  })).toSorted((a, b) => b.score - a.score);
  return best?.point;
}
