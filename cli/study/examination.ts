/**
 * What is measured of a trial of a study, and on which questions.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import { modelOf } from "@unitune/objectives";
import {
  longestRow,
  objectiveOptions,
  type PreparedRun,
  type Question,
  type Split,
  type TrainSettings,
} from "@unitune/training";
import type { Prepared } from "../data/prepare.ts";
import { readEvaluations } from "../report/summary.ts";
import { runPaths } from "../run/run_paths.ts";
import { readBase, readTeacher, type TrainedBase } from "../run/trained.ts";
import { BASE } from "./arms.ts";
import { comparedOnGold } from "./exposure/compared.ts";
import { createExcessProbe } from "./exposure/excess.ts";
import { createProbe, exposureMeasures, type Probe } from "./exposure/probe.ts";
import { createExaminer, type Examination, type Measures } from "./measures.ts";

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

/**
 * The settings by which the data of a run is prepared: a better model judges more answers than
 * evaluations of the run ask for.
 *
 * @param asked The questions of the study.
 * @param stages The settings of the run.
 * @returns The settings.
 */
export function askingFor(
  { judge, probed = 0 }: Asked,
  stages: readonly TrainSettings[],
): readonly TrainSettings[] {
  if (judge === undefined) return stages;
  return stages.map((stage) => ({ ...stage, evalAnswers: 2 * probed }));
}

/**
 * The data of a run as its evaluations see it.
 *
 * @param asked The questions of the study.
 * @param prepared The data, prepared by {@linkcode askingFor}.
 * @param stages The settings of the run.
 * @returns The data with as many questions as the settings of the run say.
 */
export function evaluatedBy(
  { judge }: Asked,
  prepared: Prepared,
  [stage]: readonly TrainSettings[],
): Prepared {
  if (judge === undefined) return prepared;
  const splits = prepared.splits.map((split) => ({
    ...split,
    questions: split.questions.slice(0, stage?.evalAnswers),
  }));
  return { ...prepared, splits };
}

/** A trial that was trained. */
export interface TrainedTrial {
  /** The name of its arm. */
  readonly arm: string;
  /** Its seed. */
  readonly seed: number;
  /** The questions of the study. */
  readonly asked: Asked;
  /** The settings of its stages. */
  readonly stages: readonly TrainSettings[];
  /** Its data, prepared by {@linkcode askingFor}. */
  readonly prepared: Prepared;
  /** The parameters of its model. */
  readonly policy: unknown;
  /** The checkpoint that it started from; undefined of a checkpoint. */
  readonly base: TrainedBase | undefined;
  /** The folder of its run. */
  readonly run: string;
  /** The device to compute on. */
  readonly device: Device;
}

/**
 * Measures a trial.
 *
 * @param trial The trial.
 * @returns All measures that its study asks for.
 * @throws {UserError} If a model that it needs cannot be read.
 */
export async function measuresOf(trial: TrainedTrial): Promise<Measures> {
  const { seed, asked: { samples, probed = 0, projected = 0, judge }, prepared } = trial;
  const { policy, base, run, device } = trial;
  const examination = { ...examinedSplits(prepared), samples, seed };
  const { validation, test: [{ questions }] } = examination;
  using examiner = createExaminer(examination, prepared.model, prepared.tokenizer, device);
  using probe = createProbe(prepared.model, prepared.tokenizer, device);
  // Of one seed, all arms are asked the same questions, with the same mistakes forced on them.
  const some = questions.slice(0, probed);
  return {
    ...judge === undefined && await examiner.validate(policy),
    ...await examiner.examine(policy, base?.models.policy ?? policy),
    ...await exposureMeasures(probe, policy, some, seed),
    ...judge !== undefined && await excess(judge, trial, {
      test: some,
      validation: validation.questions.slice(0, probed),
    }),
    ...await gradients(trial, probe, questions.slice(0, projected)),
    ...await preferences(run),
  };
}

/** The measures by a better model, on the test and on validation data. */
async function excess(
  judge: string,
  { prepared, policy, device, seed }: TrainedTrial,
  { test, validation }: Readonly<Record<"test" | "validation", readonly Question[]>>,
): Promise<Measures> {
  const { model, tokenizer } = prepared;
  const better = await readTeacher(judge, prepared, longestRow(model.config.context));
  using probe = createExcessProbe(model, better, tokenizer, device);
  const chosenBy = await probe.measure(policy, validation, seed);
  return {
    ...await probe.measure(policy, test, seed),
    ...Object.fromEntries(
      Object.entries(chosenBy).map(([name, value]) => [`validation/${name}`, value]),
    ),
  };
}

/**
 * Gradients at one point, the checkpoint: there those of objectives that need no other model, and in
 * an arm whose own answers a teacher judges that of its objective, where it starts.
 */
async function gradients(
  { arm, seed, stages, policy, base }: TrainedTrial,
  probe: Probe,
  questions: readonly Question[],
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
