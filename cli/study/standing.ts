/**
 * What a study has measured so far, while it is carried out or after it was interrupted.
 *
 * @module
 */

import { isThere } from "../files/folders.ts";
import { extentOf, readRunRecord } from "../report/run_page.ts";
import { runPaths } from "../run/run_paths.ts";
import { BASE, type GridPoint } from "./arms.ts";
import { type ArmGrid, countTrials, gridsOf, seedsOf, type StudyPlan, triedSeeds } from "./plan.ts";
import { primaryOf } from "./primary.ts";
import { bestPoint, type StudyResults } from "./results.ts";
import { readPlan, type SavedStudy } from "./saved_study.ts";
import { placesOf, readTrialResult, type TrialName, type TrialResult } from "./trial.ts";

/** A trial that was begun and is not measured yet. */
export interface BegunTrial extends TrialName {
  /** The last step that was logged. */
  readonly step: number;
  /** The number of its steps. */
  readonly steps: number;
}

/** What a study has measured so far. */
export interface Standing {
  /** The number of trials that were measured. */
  readonly measured: number;
  /** The most trials that the study can take. */
  readonly most: number;
  /** The trials that were begun. */
  readonly begun: readonly BegunTrial[];
}

/** A study that is not finished. */
export interface UnfinishedStudy extends SavedStudy {
  /** How far it is. */
  readonly standing: Standing;
}

/** The trials of a study by arm: each point of its grid on every seed. */
function trialsOf(plan: StudyPlan, { arm, grid }: ArmGrid): readonly TrialName[] {
  return grid.flatMap(({ name: point }) =>
    seedsOf({ ...plan, seeds: arm.seeds ?? plan.seeds })
      .map((seed) => ({ arm: arm.name, point, seed }))
  );
}

/**
 * The point of an arm's grid that is the best so far. Points are compared on the same seeds, so only
 * those that were measured on all of them are.
 */
function bestSoFar(
  plan: StudyPlan,
  { arm, grid }: ArmGrid,
  results: readonly TrialResult[],
): GridPoint | undefined {
  const [only, ...others] = grid;
  if (others.length === 0) return only;
  const seeds = seedsOf(plan).slice(0, triedSeeds(plan, { arm, grid }));
  const tried = grid.map((point) => ({
    point,
    results: results.filter((result) =>
      result.arm === arm.name && result.point === point.name && seeds.includes(result.seed)
    ),
  }));
  return bestPoint(
    tried.filter(({ results }) => results.length === seeds.length),
    primaryOf(plan),
  );
}

/** How far a trial is that has no result; undefined if it was not begun. */
async function begunTrial(folder: string, trial: TrialName): Promise<BegunTrial | undefined> {
  const run = `${folder}/${placesOf(trial).run}`;
  const { metrics, samples } = runPaths(run);
  // A run that has just begun has not written all of its files.
  const isLogged = await isThere(metrics) && await isThere(samples);
  if (!isLogged) return undefined;
  const { done: step, total: steps } = extentOf(await readRunRecord(run));
  return { ...trial, step, steps };
}

/**
 * Reads what a study has measured so far. The settings of an arm are the best of those that were
 * measured.
 *
 * @param folder The folder of the study.
 * @returns The study.
 * @throws {UserError} If a file of the study was changed.
 */
export async function readUnfinished(folder: string): Promise<UnfinishedStudy> {
  const { command = "deno task compare", ...plan } = await readPlan(folder);
  const grids = gridsOf(plan);
  const trials = [
    ...seedsOf(plan).map((seed) => ({ arm: BASE, point: "", seed })),
    ...grids.flatMap((own) => trialsOf(plan, own)),
  ];
  const results: TrialResult[] = [];
  const begun: BegunTrial[] = [];
  for (const trial of trials) {
    const result = await readTrialResult(folder, trial);
    if (result !== undefined) {
      results.push(result);
      continue;
    }
    const own = await begunTrial(folder, trial);
    if (own !== undefined) begun.push(own);
  }
  const chosen = grids.flatMap((own): [string, string][] => {
    const best = bestSoFar(plan, own, results);
    return best === undefined ? [] : [[own.arm.name, best.name]];
  });
  const found: StudyResults = { chosen: Object.fromEntries(chosen), results };
  const standing = { measured: results.length, most: countTrials(plan), begun };
  return { command, plan, results: found, standing };
}
