/**
 * One trial of a study: a run that is carried out and then measured. The measures are written to a
 * file, which is all that the study reads of a trial.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { type Cost, type GivenSettings, trainSettings, UserError } from "@unitune/training";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { isThere, makeFolder } from "../files/folders.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import { prepare } from "../data/prepare.ts";
import { readJson } from "../files/read.ts";
import { readStart } from "../run/base.ts";
import { runConfig } from "../run/run_config.ts";
import { holdRun, startRun } from "../run/run_folder.ts";
import { runPaths } from "../run/run_paths.ts";
import { readBase } from "../run/trained.ts";
import { carryOut } from "../run/carry_out.ts";
import { type Asked, askingFor, evaluatedBy, measuresOf } from "./examination.ts";
import type { Measures } from "./measures.ts";

/** A trial: an arm with some settings and a seed. */
export interface Trial {
  /** The name of the arm; `base` for the checkpoint. */
  readonly arm: string;
  /** The point of the arm's grid; empty for the checkpoint. */
  readonly point: string;
  /** The seed. */
  readonly seed: number;
  /** All settings of each stage, as a file keeps them: they may go to another thread. */
  readonly stages: readonly GivenSettings[];
}

/** The result of a trial. */
export interface TrialResult {
  /** The name of the arm; `base` for the checkpoint. */
  readonly arm: string;
  /** The point of the arm's grid. */
  readonly point: string;
  /** The seed. */
  readonly seed: number;
  /** The folder of its run in the folder of the study. */
  readonly run: string;
  /** The measures of the model. */
  readonly measures: Measures;
  /** The cost of the training from the checkpoint on. */
  readonly cost: Cost;
  /** The digest of the model's file of weights. */
  readonly weights: string;
}

/** What names a trial. */
export type TrialName = Pick<Trial, "arm" | "point" | "seed">;

/**
 * The places of a trial in the folder of the study.
 *
 * @param trial The trial.
 * @returns The folder of its run, and that of its measures with the name of the file in it.
 */
export function placesOf({ arm, point, seed }: TrialName) {
  const place = [arm, ...(point === "" ? [] : [point])].join("/");
  return { run: `runs/${place}/seed-${seed}`, measures: `measures/${place}`, file: `seed-${seed}` };
}

/**
 * Reads the result of a trial.
 *
 * @param folder The folder of the study.
 * @param trial The trial.
 * @returns The result; undefined if the trial is not finished.
 * @throws {UserError} If the file does not hold a result.
 */
export async function readTrialResult(
  folder: string,
  trial: TrialName,
): Promise<TrialResult | undefined> {
  const { measures, file } = placesOf(trial);
  const path = `${folder}/${measures}/${file}.json`;
  if (!await isThere(path)) return undefined;
  const known = await readJson(path);
  if (isTrialResult(known)) return known;
  throw new UserError(`${path} does not hold a result: remove it, and the trial is measured again`);
}

/** Tells whether a value from a file is the result of a trial. */
export function isTrialResult(value: unknown): value is TrialResult {
  if (!isRecord(value)) return false;
  const { arm, point, seed, run, measures, cost } = value;
  return [arm, point, run].every((text) => typeof text === "string") && isNatural(seed) &&
    isRecord(measures) && Object.values(measures).every(isMeasure) && isRecord(cost) &&
    [cost.examples, cost.forwardTokens, cost.backwardTokens].every(isNumber);
}

/** A measure in JSON, which has null for NaN. */
function isMeasure(value: unknown): boolean {
  return value === null || isNumber(value);
}

/** The file of a checkpoint that holds the weights of a model of a study's size. */
const WEIGHTS = "model.safetensors";

/** A trial to carry out. */
export interface TrialRun {
  /** The trial. */
  readonly trial: Trial;
  /** The folder of the study. */
  readonly folder: string;
  /** The questions that are asked. */
  readonly asked: Asked;
  /** The device to compute on. */
  readonly device: Device;
  /** Stops the trial after its current step. */
  readonly signal: AbortSignal;
}

/**
 * Carries out a trial, resuming its run if there is one: trains, measures, and writes the result.
 *
 * @param run The trial.
 * @returns Whether it is finished, so that its result can be read.
 * @throws {UserError} If the run fails.
 */
export async function carryOutTrial(run: TrialRun): Promise<boolean> {
  const { trial, folder, asked, device, signal } = run;
  const { arm, point, seed } = trial;
  const stages = trial.stages.map((own) => trainSettings(own));
  const [first] = stages;
  const places = placesOf(trial);
  const base = first?.from === undefined ? undefined : await readBase(first.from);
  const start = base ?? (first && await readStart(first, { device }));
  const prepared = await prepare(askingFor(asked, stages), start);
  const runFolder = `${folder}/${places.run}`;
  using held = await isThere(runPaths(runFolder).config)
    ? await holdRun(runFolder)
    : await startRun(runFolder, arm, runConfig(stages, prepared));
  const { isComplete, checkpoint } = await carryOut({
    folder: runFolder,
    held,
    stages,
    prepared: evaluatedBy(asked, prepared, stages),
    device,
    signal,
    ...start?.models && { start: start.models },
  });
  if (!isComplete) return false;

  const { models: { policy } } = await readBase(runFolder);
  const measures = await measuresOf({
    ...{ arm, seed, asked, stages, prepared, policy, base, device },
    run: runFolder,
  });
  const { cost } = checkpoint.position;
  const { [WEIGHTS]: weights = "" } = checkpoint.files;
  const result: TrialResult = { arm, point, seed, run: places.run, measures, cost, weights };
  const measured = `${folder}/${places.measures}`;
  await makeFolder(measured);
  await writeFileAtomically(
    `${measured}/${places.file}.json`,
    `${JSON.stringify(result, null, 1)}\n`,
  );
  return true;
}
