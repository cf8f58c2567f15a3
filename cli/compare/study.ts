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

import type { Device } from "@unitune/core";
import { gpt } from "@unitune/models";
import type { Cost } from "../cost.ts";
import { UserError } from "../errors.ts";
import { isThere, makeFolder, writeFileAtomically } from "../files.ts";
import { prepare } from "../prepare.ts";
import type { ProgressReporter } from "../progress.ts";
import { readEvaluations } from "../report.ts";
import { createRun, readJson, runConfig, runPaths } from "../run_folder.ts";
import { type TrainSettings, trainSettings } from "../settings.ts";
import { readBase } from "../trained.ts";
import { train } from "../trainer.ts";
import { type Arm, gridOf, type GridPoint, rewardModelArm } from "./arms.ts";
import { createExaminer, type Measures } from "./measures.ts";

/** What a study does. */
export interface StudyPlan {
  /** Seeds, from 0. */
  readonly seeds: number;
  /** The seeds, from 0, that the best settings of an arm are chosen by, on validation data. */
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

/** What was measured of one training. */
export interface Result {
  /** The arm; `base` for the checkpoint. */
  readonly arm: string;
  /** The point of its grid. */
  readonly point: string;
  /** The seed. */
  readonly seed: number;
  /** Its run's folder, in the study's. */
  readonly run: string;
  /** What was measured. */
  readonly measures: Measures;
  /** What it has cost, beyond the checkpoint. */
  readonly cost: Cost;
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
  /** Where to compute. */
  readonly device: Device;
  /** Where its progress is shown. */
  readonly progress: ProgressReporter;
  /** Stops it after the step that it is at. */
  readonly signal: AbortSignal;
}

/** One training of a study. */
interface Training {
  readonly arm: string;
  readonly point: string;
  readonly seed: number;
  readonly settings: TrainSettings;
}

const BASE = "base";

/** The settings of runs in a study: nothing on the way, one checkpoint, metrics now and then. */
const quiet = { evalSteps: 1_000_000, saveSteps: 250, loggingSteps: 20 };

/** The seed of an arm's order of rows: another than the checkpoint's, so that rows are not repeated. */
const ARM_SEED = 1000;

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

/**
 * Carries out a study, or what is left of it.
 *
 * @param study The study.
 * @returns What came of it; undefined where it was interrupted.
 * @throws {UserError} Where the folder holds another study, or a run fails.
 */
export async function carryOutStudy(study: StudyRun): Promise<StudyResults | undefined> {
  const { folder, plan, device, progress, signal } = study;
  await keepPlan(folder, plan);
  const results: Result[] = [];
  const baseOf = (seed: number) => `${folder}/runs/${BASE}/seed-${seed}`;
  let done = 0;

  const settle = async (training: Training): Promise<Result | undefined> => {
    progress.phase(`${training.arm} ${training.point}, seed ${training.seed}`);
    const result = await carryOutTraining(training, folder, plan, device, signal);
    if (result === undefined) return undefined;
    results.push(result);
    progress.update(++done);
    return result;
  };
  const armTraining = (arm: Arm, { name, settings }: GridPoint, seed: number): Training => ({
    arm: arm.name,
    point: name,
    seed,
    settings: trainSettings({
      ...quiet,
      ...plan.shared,
      ...arm.settings,
      ...settings,
      from: baseOf(seed),
      seed: ARM_SEED + seed,
      dataSeed: seed,
    }),
  });

  for (let seed = 0; seed < plan.seeds; seed++) {
    const settings = trainSettings({ ...quiet, ...plan.base, seed, dataSeed: seed });
    if (await settle({ arm: BASE, point: "", seed, settings }) === undefined) return undefined;
  }
  const chosen: Record<string, string> = {};
  for (const arm of [...plan.arms, rewardModelArm]) {
    const isJudge = arm === rewardModelArm;
    const grid = isJudge
      ? [{ name: "as-it-is", settings: {} }]
      : gridOf(arm, plan.rates, plan.isWholeGrid);
    const scores: { readonly point: GridPoint; readonly score: number }[] = [];
    for (const point of grid) {
      let score = 0;
      for (let seed = 0; seed < plan.selectionSeeds; seed++) {
        const result = await settle(armTraining(arm, point, seed));
        if (result === undefined) return undefined;
        score += result.measures["validation/exact_match"] ?? 0;
      }
      scores.push({ point, score });
    }
    // The first of equals.
    const best = scores.toSorted((a, b) => b.score - a.score)[0]?.point;
    if (best === undefined) continue;
    chosen[arm.name] = best.name;
    for (let seed = plan.selectionSeeds; seed < plan.seeds; seed++) {
      if (await settle(armTraining(arm, best, seed)) === undefined) return undefined;
    }
  }
  const all = { chosen, results };
  await writeFileAtomically(`${folder}/results.json`, `${JSON.stringify(all, null, 1)}\n`);
  return all;
}

/** Writes the plan down, or sees that it is the one that was begun. */
async function keepPlan(folder: string, plan: StudyPlan): Promise<void> {
  await makeFolder(folder);
  const path = `${folder}/study.json`;
  const text = `${JSON.stringify(plan, null, 1)}\n`;
  if (await isThere(path)) {
    if (JSON.stringify(await readJson(path)) === JSON.stringify(JSON.parse(text))) return;
    throw new UserError(
      `${folder} holds another study: go on with it by the command that began it, or give --out`,
    );
  }
  await writeFileAtomically(path, text);
}

/** Trains and measures; what was measured before is read. */
async function carryOutTraining(
  { arm, point, seed, settings }: Training,
  folder: string,
  plan: StudyPlan,
  device: Device,
  signal: AbortSignal,
): Promise<Result | undefined> {
  const place = [arm, ...(point === "" ? [] : [point])].join("/");
  const run = `runs/${place}/seed-${seed}`;
  const measured = `${folder}/measures/${place}`;
  const path = `${measured}/seed-${seed}.json`;
  if (await isThere(path)) {
    const known = await readJson(path);
    if (isResult(known)) return known;
    throw new UserError(`${path} is no result: remove it, and what it holds is measured again`);
  }
  if (signal.aborted) return undefined;
  const base = settings.from === undefined ? undefined : await readBase(settings.from);
  const prepared = await prepare(settings, base);
  const runFolder = `${folder}/${run}`;
  if (!await isThere(runPaths(runFolder).config)) {
    await createRun(runFolder, arm, runConfig(settings, prepared));
  }
  const { isComplete, checkpoint } = await train({
    folder: runFolder,
    stages: [settings],
    prepared,
    device,
    signal,
    ...(base !== undefined && { start: base.models }),
  });
  if (!isComplete) return undefined;

  const { models: { policy } } = await readBase(runFolder);
  const [validation] = prepared.splits;
  if (validation === undefined) throw new RangeError("a study without validation data");
  const examination = { validation, test: prepared.test, samples: plan.samples, seed };
  using examiner = createExaminer(examination, gpt(prepared.config), prepared.tokenizer, device);
  const measures = {
    ...await examiner.validate(policy),
    ...await examiner.examine(policy, base?.models.policy ?? policy),
    ...await preferences(runFolder),
  };
  const result = { arm, point, seed, run, measures, cost: checkpoint.position.cost };
  await makeFolder(measured);
  await writeFileAtomically(path, `${JSON.stringify(result, null, 1)}\n`);
  return result;
}

/** How preferences between answers that were kept aside went, at the start and at the end. */
async function preferences(run: string): Promise<Measures> {
  const lines = (await readEvaluations(runPaths(run).metrics)).filter(({ metrics }) =>
    "eval_rewards/accuracies" in metrics
  );
  const [first, last] = [lines.at(0)?.metrics, lines.at(-1)?.metrics];
  if (first === undefined || last === undefined) return {};
  return {
    "pairs/accuracy": last["eval_rewards/accuracies"] ?? NaN,
    "pairs/margin_before": first["eval_rewards/margins"] ?? NaN,
    "pairs/margin": last["eval_rewards/margins"] ?? NaN,
  };
}

function isResult(value: unknown): value is Result {
  return typeof value === "object" && value !== null && "arm" in value && "measures" in value &&
    "cost" in value && "seed" in value;
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
        value === undefined ? [] : [[seed, value]]
      ),
  );
}
