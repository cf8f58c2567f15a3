/**
 * One training of a study: a run of its own that is carried out and then measured. What was measured
 * is written down, and is all that the study reads of it.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { gpt } from "@unitune/models";
import { type Cost, UserError } from "@unitune/training";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { isThere, makeFolder } from "../files/folders.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import { prepare } from "../data/prepare.ts";
import { readEvaluations } from "../report/summary.ts";
import { readJson } from "../files/read.ts";
import { holdRun, runConfig, runPaths, startRun } from "../run/run_folder.ts";
import type { TrainSettings } from "../flags/settings.ts";
import { readBase } from "../run/trained.ts";
import { carryOut } from "../run/carry_out.ts";
import { createExaminer, type Measures } from "./measures.ts";

/** What is trained. */
export interface Training {
  /** The arm; `base` for the checkpoint. */
  readonly arm: string;
  /** The point of its grid; empty for the checkpoint. */
  readonly point: string;
  /** The seed. */
  readonly seed: number;
  /** All settings. */
  readonly settings: TrainSettings;
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

/** Where a training has its run, and what was measured of it, in the study's folder. */
function placesOf({ arm, point, seed }: Training) {
  const place = [arm, ...(point === "" ? [] : [point])].join("/");
  return { run: `runs/${place}/seed-${seed}`, measures: `measures/${place}`, file: `seed-${seed}` };
}

/**
 * Reads what was measured of a training.
 *
 * @param folder The study's folder.
 * @param training The training.
 * @returns The result; undefined where it has not been carried out, or not to its end.
 * @throws {UserError} If the file is none of a result.
 */
export async function readResult(folder: string, training: Training): Promise<Result | undefined> {
  const { measures, file } = placesOf(training);
  const path = `${folder}/${measures}/${file}.json`;
  if (!await isThere(path)) return undefined;
  const known = await readJson(path);
  if (isResult(known)) return known;
  throw new UserError(`${path} is no result: remove it, and what it holds is measured again`);
}

/** Whether a value of a file is the result of a training. */
export function isResult(value: unknown): value is Result {
  if (!isRecord(value)) return false;
  const { arm, point, seed, run, measures, cost } = value;
  return [arm, point, run].every((text) => typeof text === "string") && isNatural(seed) &&
    isRecord(measures) && Object.values(measures).every(isMeasure) && isRecord(cost) &&
    [cost.examples, cost.forwardTokens, cost.backwardTokens].every(isNumber);
}

/** JSON writes null for a measure that is not a number. */
function isMeasure(value: unknown): boolean {
  return value === null || isNumber(value);
}

/** What {@linkcode carryOutTraining} is told. */
export interface TrainingRun {
  /** What is trained. */
  readonly training: Training;
  /** The study's folder. */
  readonly folder: string;
  /** Samples for each question of the test. */
  readonly samples: number;
  /** Where to compute. */
  readonly device: Device;
  /** Stops it after the step that it is at. */
  readonly signal: AbortSignal;
}

/**
 * Trains, or goes on where it was stopped; measures, and writes down what was measured.
 *
 * @param run What is trained, and where.
 * @returns Whether it came to its end; what was measured is there to be read if so.
 * @throws {UserError} Where the run fails.
 */
export async function carryOutTraining(run: TrainingRun): Promise<boolean> {
  const { training, folder, samples, device, signal } = run;
  const { arm, point, seed, settings } = training;
  const places = placesOf(training);
  const base = settings.from === undefined ? undefined : await readBase(settings.from);
  const prepared = await prepare(settings, base);
  const runFolder = `${folder}/${places.run}`;
  using held = await isThere(runPaths(runFolder).config)
    ? await holdRun(runFolder)
    : await startRun(runFolder, arm, runConfig(settings, prepared));
  const { isComplete, checkpoint } = await carryOut({
    folder: runFolder,
    held,
    stages: [settings],
    prepared,
    device,
    signal,
    ...(base !== undefined && { start: base.models }),
  });
  if (!isComplete) return false;

  const { models: { policy } } = await readBase(runFolder);
  const [validation] = prepared.splits;
  if (validation === undefined) throw new RangeError("a study without validation data");
  const test = [...prepared.test, ...prepared.mistaught];
  const examination = { validation, test, samples, seed };
  using examiner = createExaminer(examination, gpt(prepared.config), prepared.tokenizer, device);
  const measures = {
    ...await examiner.validate(policy),
    ...await examiner.examine(policy, base?.models.policy ?? policy),
    ...await preferences(runFolder),
  };
  const { cost } = checkpoint.position;
  const result: Result = { arm, point, seed, run: places.run, measures, cost };
  const measured = `${folder}/${places.measures}`;
  await makeFolder(measured);
  await writeFileAtomically(
    `${measured}/${places.file}.json`,
    `${JSON.stringify(result, null, 1)}\n`,
  );
  return true;
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
