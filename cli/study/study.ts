/**
 * A study: arms that train one checkpoint further, on the same prompts and answers, for the same
 * number of steps or tokens, each with the best of its tried settings, over several seeds. Each trial,
 * an arm with some settings and a seed, is a run of its own. A trial that was measured is not
 * repeated, be its result in the study's folder or in a file of compact results (`compact.ts`).
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
  settingTable,
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
import { type Arm, type ArmStage, BASE, gridOf, type GridPoint } from "./arms.ts";
import type { CompactResults } from "./compact.ts";
import {
  type Asked,
  isTrialResult,
  placesOf,
  readTrialResult,
  type Trial,
  type TrialResult,
} from "./trial.ts";
import { type HandMaker, ownHands, startWorkers } from "./workers.ts";

/** The plan of a study. */
export interface StudyPlan extends Asked {
  /** The title of its page (default: that of the study of objectives). */
  readonly title?: string;
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
  /** Trainings beside the arms that are not compared: of teachers and of judges, a run a seed. */
  readonly helpers: readonly Helper[];
  /** What the study claims of its arms, before they are trained (default: nothing). */
  readonly claims?: readonly StudyClaim[];
  /** The learning rates to try. */
  readonly rates: readonly number[];
  /** Whether to try all values of an arm's own settings, or only the first of each. */
  readonly isWholeGrid: boolean;
  /** The tasks, of which each seed has one, in turn (default: all seeds have those of the settings). */
  readonly tasks?: readonly string[];
  /** The settings of the training that makes the checkpoint. */
  readonly base: GivenSettings;
  /** The settings that all arms share. */
  readonly shared: GivenSettings;
}

/** A claim that is tested: one arm has more of a measure than another. */
export interface StudyClaim {
  /** The arm. */
  readonly arm: string;
  /** The arm that it is compared with. */
  readonly against: string;
  /** The measure. */
  readonly measure: string;
  /** What it would mean, in a few words. */
  readonly meaning: string;
}

/** A training beside the arms. */
export interface Helper extends Arm {
  /** Whether it starts from a new model, and not from the checkpoint (default: it does not). */
  readonly isNew?: boolean;
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
  /** The results of trials that are finished, wherever they were carried out (default: none). */
  readonly compact?: CompactResults;
  /** Whether a further trial may begin (default: always). */
  readonly mayBegin?: () => boolean;
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
export function countTrials(plan: StudyPlan): number {
  return [...countsOf(plan).values()].reduce((total, count) => total + count, 0);
}

/**
 * The trials of the checkpoint, of each helper and of each arm.
 *
 * @param plan The plan.
 * @returns Their numbers by name.
 */
export function countsOf(plan: StudyPlan): ReadonlyMap<string, number> {
  const { seeds } = plan;
  return new Map([
    [BASE, seeds] as const,
    ...gridsOf(plan).map((own) => {
      const { arm, grid } = own;
      const tried = triedSeeds(plan, own);
      return [arm.name, grid.length * tried + (arm.seeds ?? seeds) - tried] as const;
    }),
  ]);
}

/** The one point of a grid of settings that are not tried. */
const FIXED: GridPoint = { name: "as-it-is", settings: {} };

/** An arm with the settings to try. */
export interface ArmGrid {
  /** The arm, or the helper. */
  readonly arm: Helper;
  /** The points, of which the best on validation data is chosen. */
  readonly grid: readonly GridPoint[];
}

/**
 * The arms of a study with their grids.
 *
 * @param plan The plan.
 * @returns The helpers and the arms. The helpers are the first: their trials take longest, so no
 * worker waits for them at the end.
 */
export function gridsOf(
  { arms, helpers, rates, isWholeGrid }: Pick<
    StudyPlan,
    "arms" | "helpers" | "rates" | "isWholeGrid"
  >,
): readonly ArmGrid[] {
  return [
    ...helpers.map((arm) => ({ arm, grid: [FIXED] })),
    ...arms.map((arm) => ({ arm, grid: gridOf(arm, rates, isWholeGrid) })),
  ];
}

/**
 * The number of seeds on which every point of a grid is tried; the best goes on to the others.
 *
 * @param plan The plan.
 * @param own The arm and its grid.
 * @returns The number; all seeds of the arm where there is nothing to choose.
 */
export function triedSeeds(
  { seeds, selectionSeeds }: Pick<StudyPlan, "seeds" | "selectionSeeds">,
  { arm, grid: { length } }: ArmGrid,
): number {
  return length === 1 ? arm.seeds ?? seeds : selectionSeeds;
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

/** The reason why a trial does not begin: no further one may. */
const postponed: unique symbol = Symbol("postponed");

/**
 * Carries out a study, or the remaining trials of one. A trial starts as soon as its checkpoint
 * exists and a worker is free. The results depend on neither the order nor the number of workers. A
 * checkpoint or a teacher whose result is known from elsewhere is trained only for a trial that starts
 * from it.
 *
 * @param study The study.
 * @returns The results; undefined if the study was interrupted, or no further trial may begin.
 * @throws {UserError} If the folder holds another study, or a run fails.
 */
export async function carryOutStudy(study: StudyRun): Promise<StudyResults | undefined> {
  const { folder, plan, command, device, hands = ownHands(1), progress, signal } = study;
  const { compact, mayBegin = () => true } = study;
  using _claim = await keepPlan(folder, plan, command);
  await using workers = startWorkers({
    ...{ hands, device, folder, asked: askedOf(plan), signal },
    onChange: (running) => progress.phase(describe(running)),
  });
  let done = 0;
  const settled = new Map<string, Promise<TrialResult>>();

  const carryOut = async (trial: Trial): Promise<TrialResult> => {
    const known = await readTrialResult(folder, trial);
    const { result, time } = known === undefined
      ? await workers.carryOut(trial, () => {
        if (!mayBegin()) throw postponed;
      })
      : { result: known, time: { seconds: 0 } };
    // A run that is there again for others to start from: the first result of a trial stays.
    if (compact?.get(trial) !== undefined) return result;
    await compact?.add(trial, result, time);
    done++;
    // Results from before say nothing about the duration of the rest.
    if (known === undefined) progress.update(done);
    return result;
  };

  /** The result of a trial whose run is in the folder. */
  const run = (trial: Trial): Promise<TrialResult> => {
    const { run: place } = placesOf(trial);
    const settling = settled.get(place) ?? carryOut(trial);
    settled.set(place, settling);
    return settling;
  };

  /** The result of a trial, wherever it was carried out; `needed` are the runs that it starts from. */
  const settle = async (trial: Trial, needed: readonly Trial[]): Promise<TrialResult> => {
    const known = compact?.get(trial);
    if (known !== undefined) {
      done++;
      return known;
    }
    await Promise.all(needed.map(run));
    return await run(trial);
  };

  const trials = trialsOf(plan, folder);
  const seeds = seedsOf(plan);

  const settleAll = (arm: Helper, point: GridPoint, of: readonly number[]) =>
    Promise.all(of.map((seed) => settle(trials.of(arm, point, seed), trials.needs(arm, seed))));

  /** Tries every point on the first seeds, then the best of them on the others. */
  const settleArm = async ({ arm, grid }: ArmGrid): Promise<ArmResults> => {
    const own = seeds.slice(0, arm.seeds ?? plan.seeds);
    const first = triedSeeds(plan, { arm, grid });
    const tried = await Promise.all(grid.map(async (point) => ({
      point,
      results: await settleAll(arm, point, own.slice(0, first)),
    })));
    const best = bestPoint(tried);
    if (best === undefined) throw new RangeError(`${arm.name}: a grid without points`);
    const others = await settleAll(arm, best, own.slice(first));
    const results = [...tried.flatMap(({ results }) => results), ...others];
    return { arm: arm.name, chosen: best.name, results };
  };

  try {
    const [checkpoints, settled] = await Promise.all([
      Promise.all(seeds.map((seed) => settle(trials.base(seed), []))),
      Promise.all(gridsOf(plan).map(settleArm)),
    ]);
    const { length: helpers } = plan.helpers;
    const arms = [...settled.slice(helpers), ...settled.slice(0, helpers)];
    const all: StudyResults = {
      chosen: Object.fromEntries(arms.map(({ arm, chosen }) => [arm, chosen])),
      results: [...checkpoints, ...arms.flatMap(({ results }) => results)],
    };
    await writeFileAtomically(studyPaths(folder).results, `${JSON.stringify(all, null, 1)}\n`);
    return all;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    if (error !== postponed) throw error;
    // What has begun is finished, and its result kept.
    const rest = await Promise.allSettled(settled.values());
    const failure = rest.find((one) => one.status === "rejected" && one.reason !== postponed);
    if (failure?.status === "rejected" && !signal.aborted) throw failure.reason;
    return undefined;
  }
}

/**
 * Where the stages of an arm end: budgets count from the start of the run, and steps from that of the
 * stage.
 */
function extentsOf(
  { tokenBudget, steps = settingTable.steps.default }: GivenSettings,
  before: readonly ArmStage[],
): { readonly extents: readonly GivenSettings[]; readonly last: GivenSettings } {
  const shares = before.map(({ share }) => share);
  const upTo = (i: number) => shares.slice(0, i + 1).reduce((total, share) => total + share, 0);
  return {
    extents: shares.map((share, i) =>
      tokenBudget === undefined
        ? { steps: Math.round(share * steps) }
        : { tokenBudget: Math.round(upTo(i) * tokenBudget) }
    ),
    last: before.length === 0 || tokenBudget !== undefined
      ? {}
      : { steps: Math.round((1 - upTo(before.length)) * steps) },
  };
}

/** The trials of a study. */
interface StudyTrials {
  /** The training of the checkpoint of a seed. */
  base(seed: number): Trial;
  /** An arm with some settings, or a helper. */
  of(arm: Helper, point: GridPoint, seed: number): Trial;
  /** The trials whose models such a trial starts from. */
  needs(arm: Helper, seed: number): readonly Trial[];
}

/**
 * The trials of a study in a folder.
 *
 * @param plan The plan.
 * @param folder The folder.
 * @returns What makes them.
 */
export function trialsOf(plan: StudyPlan, folder: string): StudyTrials {
  const written = (given: GivenSettings) => writtenSettings(trainSettings({ ...quiet, ...given }));
  /** The data of a seed. */
  const dataOf = (seed: number): GivenSettings => {
    const tasks = plan.tasks?.[seed % plan.tasks.length];
    return { dataSeed: seed, ...tasks !== undefined && { tasks } };
  };
  const base = (seed: number): Trial => ({
    ...{ arm: BASE, point: "", seed },
    stages: [written({ ...plan.base, ...dataOf(seed), seed })],
  });
  const placeOf = (trial: Pick<Trial, "arm" | "point" | "seed">) =>
    `${folder}/${placesOf(trial).run}`;
  /** The helper that a name stands for. */
  const helperNamed = (name: string): Helper => {
    const helper = plan.helpers.find((one) => one.name === name);
    if (helper === undefined) throw new RangeError(`a study without the helper ${name}`);
    return helper;
  };
  const of = (arm: Helper, point: GridPoint, seed: number): Trial => {
    const { name, settings, before = [], teacher, isNew = false } = arm;
    const lent = teacher === undefined
      ? {}
      : { teacher: placeOf({ arm: teacher, point: FIXED.name, seed }) };
    const shared = isNew ? plan.base : plan.shared;
    const start = isNew ? {} : { from: placeOf({ arm: BASE, point: "", seed }) };
    const stage = (own: GivenSettings) =>
      written({ ...shared, ...own, ...lent, ...start, ...dataOf(seed), seed: ARM_SEED + seed });
    const { extents, last } = extentsOf(shared, before);
    return {
      ...{ arm: name, point: point.name, seed },
      stages: [
        ...before.map(({ settings: own }, i) => stage({ ...own, ...extents[i] })),
        stage({ ...last, ...settings, ...point.settings }),
      ],
    };
  };
  return {
    base,
    of,
    needs: ({ isNew = false, teacher }, seed) => [
      ...isNew ? [] : [base(seed)],
      ...teacher === undefined ? [] : [of(helperNamed(teacher), FIXED, seed)],
    ],
  };
}

/** The questions of a plan. */
const askedOf = ({ samples, probed = 0, projected = 0 }: Asked): Asked => ({
  samples,
  probed,
  projected,
});

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
  const { helpers, probed = 0, projected = 0 } = value;
  const counts = [seeds, selectionSeeds, firstSeed, samples, probed, projected];
  return [arms, helpers].every((list) => Array.isArray(list) && list.every(isArm)) &&
    Array.isArray(rates) &&
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
