/**
 * A study: arms that train one checkpoint further, on the same prompts and answers, for the same
 * number of steps, each with the best of its tried settings, over several seeds. Each trial, an arm
 * with some settings and a seed, is a run of its own. A trial that was measured is not repeated.
 *
 * ```text
 * study.json                                the plan
 * runs/base/seed-0/                         the checkpoint that all arms of a seed start from
 * runs/dpo/learningRate-0.001,beta-0.1/seed-0/
 * measures/...                              the measures of each run, under the same names
 * results.json, study.md, report.html       the results
 * ```
 *
 * @module
 */

import {
  type GivenSettings,
  type TrainSettings,
  trainSettings,
  UserError,
  writtenSettings,
} from "@unitune/training";
import { type Claim, claimFolder, holdFolder } from "../files/claims.ts";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { isThere } from "../files/folders.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import type { ProgressReporter } from "../terminal/progress.ts";
import { readJson } from "../files/read.ts";
import { type Arm, BASE, gridOf, type GridPoint, rewardModelArm } from "./arms.ts";
import { isTrialResult, readTrialResult, type Trial, type TrialResult } from "./trial.ts";
import { type HandMaker, ownHands, startWorkers } from "./workers.ts";

/** The plan of a study. */
export interface StudyPlan {
  /** The first seed (default 0). */
  readonly firstSeed?: number;
  /** The number of seeds. */
  readonly seeds: number;
  /**
   * The number of seeds, from the first on, whose validation data chooses the settings of an arm.
   */
  readonly selectionSeeds: number;
  /** The arms. */
  readonly arms: readonly Arm[];
  /** The learning rates to try. */
  readonly rates: readonly number[];
  /** Whether to try all values of an arm's own settings, or only the first of each. */
  readonly isWholeGrid: boolean;
  /** The settings of the training that makes the checkpoint. */
  readonly base: GivenSettings;
  /** The settings that all arms share. */
  readonly shared: GivenSettings;
  /** The number of sampled answers to each question of the test. */
  readonly samples: number;
}

/** The results of a study. */
export interface StudyResults {
  /** The point of each arm's grid that is the best on validation data. */
  readonly chosen: Readonly<Record<string, string>>;
  /** The results of all trials, including those of settings that were not chosen. */
  readonly results: readonly TrialResult[];
}

/** A study to carry out. */
export interface StudyRun {
  /** The folder of the study. */
  readonly folder: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The command that the user typed, which the folder keeps. */
  readonly command?: string;
  /** The name of the device. */
  readonly device: TrainSettings["device"];
  /** What carries out trials, each one at a time (default: one worker). */
  readonly hands?: readonly HandMaker[];
  /** Shows the progress. */
  readonly progress: ProgressReporter;
  /** Stops the trials after their current steps. */
  readonly signal: AbortSignal;
}

/** Settings of all runs: no evaluations on the way, few checkpoints, metrics now and then. */
const quiet = { evalSteps: 1_000_000, saveSteps: 250, loggingSteps: 20 };

/** Added to the seed of an arm's run: its rows come in another order than the checkpoint's. */
const ARM_SEED = 1000;

/** The most seeds of a study: a plan that was edited must not fill the memory. */
export const MOST_SEEDS = 10_000;

/** The largest first seed of a study: all seeds after it are exact integers. */
export const LAST_FIRST_SEED = 2 ** 31 - 1;

/**
 * The seeds of a study.
 *
 * @param plan The plan.
 * @returns The seeds, in order.
 *
 * @example
 * ```ts
 * import { seedsOf } from "./study.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(seedsOf({ firstSeed: 100, seeds: 3 }), [100, 101, 102]);
 * ```
 */
export function seedsOf(
  { firstSeed = 0, seeds }: Pick<StudyPlan, "firstSeed" | "seeds">,
): readonly number[] {
  return Array.from({ length: seeds }, (_, i) => firstSeed + i);
}

/**
 * The most trials that a study can take.
 *
 * @param plan The plan.
 * @returns The number of trials.
 */
export function countTrials(
  { arms, rates, isWholeGrid, seeds, selectionSeeds }: StudyPlan,
): number {
  const tried = arms.reduce((total, arm) => total + gridOf(arm, rates, isWholeGrid).length, 0);
  return 2 * seeds + tried * selectionSeeds + arms.length * (seeds - selectionSeeds);
}

/** The one point of a grid of settings that are not tried. */
const FIXED: GridPoint = { name: "as-it-is", settings: {} };

/** An arm with the settings to try. */
export interface ArmGrid {
  /** The arm. */
  readonly arm: Arm;
  /** The points, of which the best on validation data is chosen. */
  readonly grid: readonly GridPoint[];
}

/**
 * The arms of a study with their grids.
 *
 * @param plan The plan.
 * @returns The arms. The reward model is the first: its trials take longest, so no worker waits for
 * them at the end.
 */
export function gridsOf(
  { arms, rates, isWholeGrid }: Pick<StudyPlan, "arms" | "rates" | "isWholeGrid">,
): readonly ArmGrid[] {
  return [
    { arm: rewardModelArm, grid: [FIXED] },
    ...arms.map((arm) => ({ arm, grid: gridOf(arm, rates, isWholeGrid) })),
  ];
}

/**
 * The number of seeds on which every point of a grid is tried; the best goes on to the others.
 *
 * @param plan The plan.
 * @param grid The grid.
 * @returns The number; all seeds where there is nothing to choose.
 */
export function triedSeeds(
  { seeds, selectionSeeds }: Pick<StudyPlan, "seeds" | "selectionSeeds">,
  { length }: readonly GridPoint[],
): number {
  return length === 1 ? seeds : selectionSeeds;
}

/** The results of a point of a grid on some seeds. */
interface TriedPoint {
  readonly point: GridPoint;
  readonly results: readonly TrialResult[];
}

/**
 * The point of a grid that is the best on validation data; of equally good ones, the first.
 *
 * @param tried The points with their results.
 * @returns The point; undefined without points.
 */
export function bestPoint(tried: readonly TriedPoint[]): GridPoint | undefined {
  const [best] = tried.map(({ point, results }) => ({ point, score: validationScore(results) }))
    .toSorted((a, b) => b.score - a.score);
  return best?.point;
}

/** The results of one arm. */
interface ArmResults {
  readonly arm: string;
  readonly chosen: string;
  readonly results: readonly TrialResult[];
}

/**
 * Carries out a study, or the remaining trials of one. A trial starts as soon as its checkpoint
 * exists and a worker is free. The results depend on neither the order nor the number of workers.
 *
 * @param study The study.
 * @returns The results; undefined if the study was interrupted.
 * @throws {UserError} If the folder holds another study, or a run fails.
 */
export async function carryOutStudy(study: StudyRun): Promise<StudyResults | undefined> {
  const { folder, plan, command, device, hands = ownHands(1), progress, signal } = study;
  using _claim = await keepPlan(folder, plan, command);
  await using workers = startWorkers({
    ...{ hands, device, folder, samples: plan.samples, signal },
    onChange: (running) => progress.phase(describe(running)),
  });
  let done = 0;

  const settle = async (trial: Trial): Promise<TrialResult> => {
    const known = await readTrialResult(folder, trial);
    const result = known ?? await workers.carryOut(trial);
    done++;
    // Results from before say nothing about the duration of the rest.
    if (known === undefined) progress.update(done);
    return result;
  };

  const starts = seedsOf(plan).map((seed) => ({
    seed,
    base: settle({
      ...{ arm: BASE, point: "", seed },
      settings: writtenSettings(trainSettings({ ...quiet, ...plan.base, seed, dataSeed: seed })),
    }),
  }));

  const settleAll = (arm: Arm, point: GridPoint, from: typeof starts) =>
    Promise.all(from.map(async ({ seed, base }) => {
      const settings = trainSettings({
        ...quiet,
        ...plan.shared,
        ...arm.settings,
        ...point.settings,
        from: `${folder}/${(await base).run}`,
        seed: ARM_SEED + seed,
        dataSeed: seed,
      });
      const written = writtenSettings(settings);
      return await settle({ arm: arm.name, point: point.name, seed, settings: written });
    }));

  /** Tries every point on the first seeds, then the best of them on the others. */
  const settleArm = async ({ arm, grid }: ArmGrid): Promise<ArmResults> => {
    const first = triedSeeds(plan, grid);
    const tried = await Promise.all(grid.map(async (point) => ({
      point,
      results: await settleAll(arm, point, starts.slice(0, first)),
    })));
    const best = bestPoint(tried);
    if (best === undefined) throw new RangeError(`${arm.name}: a grid without points`);
    const others = await settleAll(arm, best, starts.slice(first));
    const results = [...tried.flatMap(({ results }) => results), ...others];
    return { arm: arm.name, chosen: best.name, results };
  };

  try {
    const [checkpoints, settled] = await Promise.all([
      Promise.all(starts.map(({ base }) => base)),
      Promise.all(gridsOf(plan).map(settleArm)),
    ]);
    const arms = [...settled.slice(1), ...settled.slice(0, 1)];
    const all: StudyResults = {
      chosen: Object.fromEntries(arms.map(({ arm, chosen }) => [arm, chosen])),
      results: [...checkpoints, ...arms.flatMap(({ results }) => results)],
    };
    await writeFileAtomically(studyPaths(folder).results, `${JSON.stringify(all, null, 1)}\n`);
    return all;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/** The sum of exact match on validation data. */
function validationScore(results: readonly TrialResult[]): number {
  return results.reduce(
    (total, { measures }) => total + (measures["validation/exact_match"] ?? 0),
    0,
  );
}

/** The running trials in a few words: `ppo, seed 3, and 1 more`. */
function describe([first, ...others]: readonly Trial[]): string {
  if (first === undefined) return "waiting";
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return `${first.arm}, seed ${first.seed}${more}`;
}

/** The files of a study. */
const studyPaths = (folder: string) => ({
  plan: `${folder}/study.json`,
  results: `${folder}/results.json`,
});

/** A study that was read from its folder. */
export interface SavedStudy {
  /** The command that began it. */
  readonly command: string;
  /** The plan. */
  readonly plan: StudyPlan;
  /** The results. */
  readonly results: StudyResults;
}

/** Tells whether a folder holds a study. */
export function holdsStudy(folder: string): Promise<boolean> {
  return isThere(studyPaths(folder).plan);
}

/** Tells whether the study in a folder is finished. */
export function isStudyFinished(folder: string): Promise<boolean> {
  return isThere(studyPaths(folder).results);
}

/**
 * Reads a study that is finished.
 *
 * @param folder The folder of the study.
 * @returns The study.
 * @throws {UserError} If the study is not finished, or one of its files was changed.
 */
export async function readStudy(folder: string): Promise<SavedStudy> {
  const paths = studyPaths(folder);
  const { command = "deno task compare", ...plan } = await readPlan(folder);
  if (!await isStudyFinished(folder)) {
    throw new UserError(
      `the study in ${folder} is not finished: resume it by ${command}, or add --watch to see it as ` +
        `it is`,
    );
  }
  const results = await readJson(paths.results);
  if (isStudyResults(results)) return { command, plan, results };
  throw new UserError(`${paths.results} is not a study's results: it was changed`);
}

/**
 * Reads the plan of a study, and the command that began it.
 *
 * @param folder The folder of the study.
 * @returns The plan.
 * @throws {UserError} If it was changed.
 */
export async function readPlan(
  folder: string,
): Promise<StudyPlan & { readonly command?: string }> {
  const { plan: path } = studyPaths(folder);
  const plan = await readJson(path);
  if (isPlan(plan)) return plan;
  throw new UserError(`${path} is not a study's plan: it was changed`);
}

function isPlan(value: unknown): value is StudyPlan & { readonly command?: string } {
  if (!isRecord(value)) return false;
  const { arms, seeds, selectionSeeds, firstSeed = 0, rates, base, shared, samples, command } =
    value;
  const counts = [seeds, selectionSeeds, firstSeed, samples];
  return Array.isArray(arms) && arms.every(isArm) && Array.isArray(rates) &&
    rates.every(isNumber) &&
    counts.every(isNatural) && Number(seeds) <= MOST_SEEDS &&
    Number(firstSeed) <= LAST_FIRST_SEED && isRecord(base) && isRecord(shared) &&
    (command === undefined || typeof command === "string");
}

function isArm(value: unknown): boolean {
  return isRecord(value) && typeof value.name === "string" && isRecord(value.settings);
}

function isStudyResults(value: unknown): value is StudyResults {
  if (!isRecord(value)) return false;
  const { chosen, results } = value;
  return isRecord(chosen) && Object.values(chosen).every((point) => typeof point === "string") &&
    Array.isArray(results) && results.every(isTrialResult);
}

/** The purpose for which a study claims its folder. */
const studyUse = {
  what: "study",
  names: ["study.json", "results.json", "study.md", "report.html", "runs", "measures"],
  others: ["config.json"],
} as const;

/** Claims a folder and writes the plan, or checks that the study there has the same plan. */
async function keepPlan(
  folder: string,
  plan: StudyPlan,
  command: string | undefined,
): Promise<Claim> {
  if (!await holdsStudy(folder)) {
    const claim = await claimFolder(folder, studyUse);
    try {
      const text = `${JSON.stringify({ command, ...plan }, null, 1)}\n`;
      await writeFileAtomically(studyPaths(folder).plan, text);
      return claim;
    } catch (error) {
      await claim.discard();
      claim[Symbol.dispose]();
      throw error;
    }
  }
  // A folder that is no study gets no lock.
  await readPlan(folder);
  const claim = await holdFolder(folder);
  try {
    const { command: begunBy, ...begun } = await readPlan(folder);
    if (JSON.stringify(begun) === JSON.stringify(plan)) return claim;
    throw new UserError(
      `${folder} holds another study: resume it by ${
        begunBy ?? "the command that began it"
      }, or give --out`,
    );
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
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
