/**
 * A study: arms that go on from one checkpoint, on the same prompts and answers, for as many steps;
 * each with the best of what is tried of it; over several seeds. Each training is a run of its own,
 * and what was done is not done again.
 *
 * ```text
 * study.json                                the plan
 * runs/base/seed-0/                         the checkpoint that all arms of a seed start from
 * runs/dpo/learningRate-0.001,beta-0.1/seed-0/
 * measures/...                              what was measured of each, by the same names
 * results.json, study.md, report.html       what came of it
 * ```
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { type Claim, claimFolder, holdFolder } from "../files/claims.ts";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { isThere } from "../files/folders.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import type { ProgressReporter } from "../terminal/progress.ts";
import { readJson } from "../files/read.ts";
import { type TrainSettings, trainSettings } from "../flags/settings.ts";
import { type Arm, BASE, gridOf, type GridPoint, rewardModelArm } from "./arms.ts";
import { isResult, readResult, type Result, type Training } from "./training.ts";
import { startWorkers } from "./workers.ts";

/** What a study does. */
export interface StudyPlan {
  /** The first seed; 0 unless told. */
  readonly firstSeed?: number;
  /** Seeds, from the first one on. */
  readonly seeds: number;
  /** The first so many of them choose the best settings of an arm, on validation data. */
  readonly selectionSeeds: number;
  /** The arms. */
  readonly arms: readonly Arm[];
  /** The learning rates that are tried. */
  readonly rates: readonly number[];
  /** Whether an arm's own settings are tried as well. */
  readonly isWholeGrid: boolean;
  /** The settings of the checkpoint's training. */
  readonly base: Partial<TrainSettings>;
  /** The settings of all arms. */
  readonly shared: Partial<TrainSettings>;
  /** Samples for each question of the test. */
  readonly samples: number;
}

/** What came of a study. */
export interface StudyResults {
  /** The point of each arm's grid that was the best on validation data. */
  readonly chosen: Readonly<Record<string, string>>;
  /** Every training, those that were only tried included. */
  readonly results: readonly Result[];
}

/** What {@linkcode carryOutStudy} is told. */
export interface StudyRun {
  /** Its folder. */
  readonly folder: string;
  /** What it does. */
  readonly plan: StudyPlan;
  /** What somebody types to begin it, kept for those who read its folder. */
  readonly command?: string;
  /** Where to compute, by its name. */
  readonly device: TrainSettings["device"];
  /** How many trainings at a time, each with its share of the processors; 1 unless told. */
  readonly jobs?: number;
  /** Where its progress is shown. */
  readonly progress: ProgressReporter;
  /** Stops it after the steps that it is at. */
  readonly signal: AbortSignal;
}

/** The settings of runs in a study: nothing on the way, one checkpoint, metrics now and then. */
const quiet = { evalSteps: 1_000_000, saveSteps: 250, loggingSteps: 20 };

/** The seed of an arm's order of rows: another than the checkpoint's, so that rows are not repeated. */
const ARM_SEED = 1000;

/** Seeds of a study at most: as many lists are made, also of a plan that was changed. */
export const MOST_SEEDS = 10_000;

/** The first seed of a study at most: those after it are whole numbers that are told apart. */
export const LAST_FIRST_SEED = 2 ** 31 - 1;

/**
 * The seeds of a study.
 *
 * @param plan The plan.
 * @returns The seeds, in order.
 *
 * @example
 * ```ts
 * import { seedsOf } from "@unitune/cli";
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
 * How many trainings a study is, at most.
 *
 * @param plan The plan.
 * @returns The number.
 */
export function countTrainings(
  { arms, rates, isWholeGrid, seeds, selectionSeeds }: StudyPlan,
): number {
  const tried = arms.reduce((total, arm) => total + gridOf(arm, rates, isWholeGrid).length, 0);
  return 2 * seeds + tried * selectionSeeds + arms.length * (seeds - selectionSeeds);
}

/** What came of one arm. */
interface ArmResults {
  readonly arm: string;
  readonly chosen: string;
  readonly results: readonly Result[];
}

/**
 * Carries out a study, or what is left of it: a training as soon as what it starts from is there and
 * a worker is free. The results depend on neither the order nor the number of workers.
 *
 * @param study The study.
 * @returns What came of it; undefined where it was interrupted.
 * @throws {UserError} Where the folder holds another study, or a run fails.
 */
export async function carryOutStudy(study: StudyRun): Promise<StudyResults | undefined> {
  const { folder, plan, command, device, jobs = 1, progress, signal } = study;
  using _claim = await keepPlan(folder, plan, command);
  await using workers = startWorkers({
    ...{ jobs, device, folder, samples: plan.samples, signal },
    onChange: (running) => progress.phase(describe(running)),
  });
  let done = 0;

  const settle = async (training: Training): Promise<Result> => {
    const known = await readResult(folder, training);
    if (known === undefined) await workers.carryOut(training);
    const result = known ?? await readResult(folder, training);
    if (result === undefined) throw new Error(`${training.arm} was not measured`);
    done++;
    // What was done before says nothing of how long the rest takes.
    if (known === undefined) progress.update(done);
    return result;
  };

  const starts = seedsOf(plan).map((seed) => ({
    seed,
    base: settle({
      ...{ arm: BASE, point: "", seed },
      settings: trainSettings({ ...quiet, ...plan.base, seed, dataSeed: seed }),
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
      return await settle({ arm: arm.name, point: point.name, seed, settings });
    }));

  /** Every point on the first seeds, then the best of them on the others. */
  const settleArm = async (arm: Arm, grid: readonly GridPoint[]): Promise<ArmResults> => {
    // A choice of one waits for nothing.
    const first = grid.length === 1 ? plan.seeds : plan.selectionSeeds;
    const tried = await Promise.all(grid.map(async (point) => {
      const results = await settleAll(arm, point, starts.slice(0, first));
      return { point, results, score: validationScore(results) };
    }));
    // The first of equals.
    const [best] = tried.toSorted((a, b) => b.score - a.score);
    if (best === undefined) throw new RangeError(`${arm.name}: a grid without points`);
    const others = await settleAll(arm, best.point, starts.slice(first));
    const results = [...tried.flatMap(({ results }) => results), ...others];
    return { arm: arm.name, chosen: best.point.name, results };
  };

  try {
    const [checkpoints, judge, ...own] = await Promise.all([
      Promise.all(starts.map(({ base }) => base)),
      // The longest first, so that no worker is left waiting for it at the end.
      settleArm(rewardModelArm, [{ name: "as-it-is", settings: {} }]),
      ...plan.arms.map((arm) => settleArm(arm, gridOf(arm, plan.rates, plan.isWholeGrid))),
    ]);
    const arms = [...own, judge];
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

/** Exact match on validation data, added up. */
function validationScore(results: readonly Result[]): number {
  return results.reduce(
    (total, { measures }) => total + (measures["validation/exact_match"] ?? 0),
    0,
  );
}

/** What is being trained, in few words: `ppo, seed 3, and 1 more`. */
function describe([first, ...others]: readonly Training[]): string {
  if (first === undefined) return "waiting";
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  return `${first.arm}, seed ${first.seed}${more}`;
}

/** Where a study keeps its plan and what came of it. */
const studyPaths = (folder: string) => ({
  plan: `${folder}/study.json`,
  results: `${folder}/results.json`,
});

/** A study as its folder has it. */
export interface SavedStudy {
  /** What began it. */
  readonly command: string;
  /** What it does. */
  readonly plan: StudyPlan;
  /** What came of it. */
  readonly results: StudyResults;
}

/** Whether a folder is a study's. */
export function holdsStudy(folder: string): Promise<boolean> {
  return isThere(studyPaths(folder).plan);
}

/**
 * Reads a study that was carried out.
 *
 * @param folder Its folder.
 * @returns The study.
 * @throws {UserError} If it has not come to its end, or files are none of a study.
 */
export async function readStudy(folder: string): Promise<SavedStudy> {
  const paths = studyPaths(folder);
  const { command = "deno task compare", ...plan } = await readPlan(folder);
  if (!await isThere(paths.results)) {
    throw new UserError(`the study in ${folder} is not finished: go on with it by ${command}`);
  }
  const results = await readJson(paths.results);
  if (isStudyResults(results)) return { command, plan, results };
  throw new UserError(`${paths.results} is not a study's results: it was changed`);
}

/** Reads a study's plan, and what began it. */
async function readPlan(folder: string): Promise<StudyPlan & { readonly command?: string }> {
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
    Array.isArray(results) && results.every(isResult);
}

/** What a study's folder is claimed for. */
const studyUse = {
  what: "study",
  names: ["study.json", "results.json", "study.md", "report.html", "runs", "measures"],
  others: ["config.json"],
} as const;

/** Claims a folder and writes the plan down, or sees that it is the one that was begun there. */
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
      `${folder} holds another study: go on with it by ${
        begunBy ?? "the command that began it"
      }, or give --out`,
    );
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
}

/** What was measured of an arm's chosen settings, by seed. */
export function measuresBySeed(
  { chosen, results }: StudyResults,
  arm: string,
  measure: string,
): ReadonlyMap<number, number> {
  return new Map(
    results.filter((result) => result.arm === arm && result.point === (chosen[arm] ?? ""))
      .flatMap(({ seed, measures: { [measure]: value } }): [number, number][] =>
        Number.isFinite(value) && value !== undefined ? [[seed, value]] : []
      ),
  );
}
