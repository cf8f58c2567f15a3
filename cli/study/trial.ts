/**
 * One trial of a study: a run that is carried out and then measured. The measures are written to a
 * file, which is all that the study reads of a trial.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { modelOf } from "@unitune/objectives";
import {
  type Cost,
  type GivenSettings,
  longestRow,
  objectiveOptions,
  type PreparedRun,
  type Question,
  type Split,
  type TrainSettings,
  trainSettings,
  UserError,
} from "@unitune/training";
import { isNatural, isNumber, isRecord } from "../files/guards.ts";
import { isThere, makeFolder } from "../files/folders.ts";
import { writeFileAtomically } from "../files/atomic.ts";
import { prepare, type Prepared } from "../data/prepare.ts";
import { readEvaluations } from "../report/summary.ts";
import { readJson } from "../files/read.ts";
import { runConfig } from "../run/run_config.ts";
import { holdRun, startRun } from "../run/run_folder.ts";
import { runPaths } from "../run/run_paths.ts";
import { readStart } from "../run/base.ts";
import { readBase, readTeacher, type TrainedBase } from "../run/trained.ts";
import { carryOut } from "../run/carry_out.ts";
import { BASE } from "./arms.ts";
import { comparedOnGold } from "./exposure/compared.ts";
import { createExcessProbe } from "./exposure/excess.ts";
import { createProbe, exposureMeasures, type Probe } from "./exposure/probe.ts";
import { createExaminer, type Examination, type Measures } from "./measures.ts";

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

/** The questions by which trials are measured. */
export interface Asked {
  /** The number of sampled answers to each question of the test. */
  readonly samples: number;
  /** The most questions of the test by which exposure is measured (default 0: it is not). */
  readonly probed?: number;
  /**
   * The most questions on which gradients are compared, at the checkpoint from which all arms start
   * (default 0: they are not).
   */
  readonly projected?: number;
  /**
   * The run of a better model with the same tokens, by which exposure is measured where no world says
   * what is right (default: there is none).
   */
  readonly judge?: string;
}

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
  const { trial, folder, asked: { samples, probed = 0, projected = 0, judge }, device, signal } =
    run;
  const { arm, point, seed } = trial;
  const stages = trial.stages.map((own) => trainSettings(own));
  const [first] = stages;
  const places = placesOf(trial);
  const base = first?.from === undefined ? undefined : await readBase(first.from);
  const pretrained = first === undefined || base !== undefined
    ? undefined
    : await readStart(first, { device });
  const start = base ?? pretrained;
  // A better model judges more answers than evaluations of the run ask for.
  const asking = (stage: TrainSettings) =>
    judge === undefined ? stage : { ...stage, evalAnswers: 2 * probed };
  const prepared = await prepare(stages.map(asking), start);
  const runFolder = `${folder}/${places.run}`;
  using held = await isThere(runPaths(runFolder).config)
    ? await holdRun(runFolder)
    : await startRun(runFolder, arm, runConfig(stages, prepared));
  const { isComplete, checkpoint } = await carryOut({
    folder: runFolder,
    held,
    stages,
    prepared: judge === undefined ? prepared : evaluatedBy(prepared, first?.evalAnswers),
    device,
    signal,
    ...start?.models && { start: start.models },
  });
  if (!isComplete) return false;

  const { models: { policy } } = await readBase(runFolder);
  const examination = { ...examinedSplits(prepared), samples, seed };
  const { validation, test: [{ questions: asked }] } = examination;
  using examiner = createExaminer(examination, prepared.model, prepared.tokenizer, device);
  using probe = createProbe(prepared.model, prepared.tokenizer, device);
  // Of one seed, all arms are asked the same questions, with the same mistakes forced on them.
  const questions = asked.slice(0, probed);
  const measures = {
    ...judge === undefined && await examiner.validate(policy),
    ...await examiner.examine(policy, base?.models.policy ?? policy),
    ...await exposureMeasures(probe, policy, questions, seed),
    ...judge !== undefined && await excess(judge, {
      ...{ prepared, policy, device, seed, questions },
      validation: validation.questions.slice(0, probed),
    }),
    ...await gradients(run, {
      probe,
      stages,
      questions: asked.slice(0, projected),
      policy,
      base,
    }),
    ...await preferences(runFolder),
  };
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

/** The splits by which a model of a study is measured. */
type ExaminedSplits = Pick<Examination, "validation"> & {
  readonly test: readonly [Split, ...Split[]];
};

/**
 * The validation data, on which settings are chosen, and the test. Rows of files have no test: there,
 * every other question of the validation data is of the test, and the choice sees the rest.
 */
function examinedSplits({ splits, test, mistaught }: PreparedRun): ExaminedSplits {
  const [validation] = splits;
  if (validation === undefined) throw new RangeError("a study without validation data");
  const [first, ...others] = test;
  if (first !== undefined) return { validation, test: [first, ...others, ...mistaught] };
  const half = (name: string, parity: number): Split => {
    const questions = validation.questions.filter((_, i) => i % 2 === parity);
    return { name, questions, sequences: questions.map(({ sequence }) => sequence), notes: [] };
  };
  return { validation: half(validation.name, 0), test: [half("test", 1)] };
}

/** A run whose evaluations ask fewer questions. */
function evaluatedBy(prepared: Prepared, evalAnswers: number | undefined): Prepared {
  const splits = prepared.splits.map((split) => ({
    ...split,
    questions: split.questions.slice(0, evalAnswers),
  }));
  return { ...prepared, splits };
}

/** What is measured by a better model. */
interface ExcessQuestion {
  readonly prepared: PreparedRun;
  readonly policy: unknown;
  readonly device: Device;
  readonly seed: number;
  readonly questions: readonly Question[];
  readonly validation: readonly Question[];
}

/** The measures by a better model, on the test and on validation data. */
async function excess(
  judge: string,
  { prepared, policy, device, seed, questions, validation }: ExcessQuestion,
): Promise<Measures> {
  const { model, tokenizer } = prepared;
  const better = await readTeacher(judge, prepared, longestRow(model.config.context));
  using probe = createExcessProbe(model, better, tokenizer, device);
  const chosenBy = await probe.measure(policy, validation, seed);
  return {
    ...await probe.measure(policy, questions, seed),
    ...Object.fromEntries(
      Object.entries(chosenBy).map(([name, value]) => [`validation/${name}`, value]),
    ),
  };
}

/** What gradients are compared by. */
interface GradientQuestion {
  readonly probe: Probe;
  readonly stages: readonly TrainSettings[];
  readonly questions: readonly Question[];
  readonly policy: unknown;
  readonly base: TrainedBase | undefined;
}

/**
 * Gradients at one point, the checkpoint: there those of objectives that need no other model, and in
 * an arm whose own answers a teacher judges that of its objective, where it starts.
 */
async function gradients(
  { trial: { arm, seed } }: TrialRun,
  { probe, stages, questions, policy, base }: GradientQuestion,
): Promise<Measures> {
  if (questions.length === 0) return {};
  if (arm === BASE) {
    return await probe.projections(policy, questions, { demonstrations: comparedOnGold }, seed);
  }
  const last = stages.at(-1);
  const lender = last?.teacher;
  if (base === undefined || last === undefined || lender === undefined) return {};
  const { objective: entry } = last;
  if (entry.data !== "rollouts" || entry.reference !== "none") return {};
  const { model, models } = await readBase(lender);
  const teacher = modelOf(model, models.policy);
  const own = entry.make(objectiveOptions(last), { teacher });
  return await probe.projections(base.models.policy, questions, { rollouts: { [arm]: own } }, seed);
}

/** The measures of held-out pairs, at the start and at the end of a run. */
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
