/**
 * A training run: steps, evaluations and checkpoints, until the last step or an interruption.
 *
 * @module
 */

import {
  type Device,
  OutOfMemoryError,
  type Tensor,
  WebGpuFailedError,
  WebGpuLimitError,
} from "@unitune/core";
import { gpt } from "@unitune/models";
import {
  addCost,
  copyTree,
  type Cost,
  createEvaluator,
  type Models,
  needsReference,
  noCost,
  readScalars,
  type SplitReport,
  UserError,
} from "@unitune/training";
import { FileError } from "../files/file_error.ts";
import { openJournal } from "./journal.ts";
import { createLearner, initialModels, type Learner } from "./learner.ts";
import type { Prepared } from "../data/prepare.ts";
import { type Measured, type ProgressReporter, silentProgress } from "../terminal/progress.ts";
import { asksTeacher, describeObjective, recipeOf } from "./recipes.ts";
import { describeReport } from "../report/summary.ts";
import {
  checkpointAt,
  goBackTo,
  type HeldRun,
  holdRun,
  type KeptSteps,
  saveCheckpoint,
  type SavedCheckpoint,
  tidyCheckpoints,
} from "./run_folder.ts";
import type { TrainSettings } from "../flags/settings.ts";
import { taskCommand } from "../terminal/shell.ts";
import { checkpointFiles, lentModels, readModels, readState } from "./trained.ts";

/** A run that is to be carried out. */
export interface Run {
  /** Its folder, as {@linkcode createRun} made it. */
  readonly folder: string;
  /** The run as this process has it already; it is taken for the time of the training unless told. */
  readonly held?: HeldRun;
  /** The settings of its stages, at least one, in order. */
  readonly stages: readonly TrainSettings[];
  /** What it trains and evaluates on. */
  readonly prepared: Prepared;
  /** The models that it starts from; new ones unless told. */
  readonly start?: Models;
  /** Where it computes. */
  readonly device: Device;
  /** Where its progress is shown; nowhere without. */
  readonly progress?: ProgressReporter;
  /** Stops the run after the step that it is at, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** How a run ended. */
export interface RunResult {
  /** Whether all steps were done. */
  readonly isComplete: boolean;
  /** The last checkpoint. */
  readonly checkpoint: SavedCheckpoint;
  /** The evaluations at the end, of all splits; none after an interruption. */
  readonly reports: readonly SplitReport[];
}

/** Milliseconds after which the event loop gets its turn, so that signals are heard. */
const TURN_MS = 50;

/** Validation sequences that a model has to predict before it is saved. */
const PROBES = 64;

/** When the stages of a run begin, and when it ends. */
export interface Timetable {
  /** Steps before each stage. */
  readonly starts: readonly number[];
  /** Steps in all. */
  readonly total: number;
}

/**
 * When the stages of a run begin, and when it ends.
 *
 * @param stages The settings of each stage.
 * @returns Steps since the start of the run.
 *
 * @example
 * ```ts
 * import { timetableOf, trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const stages = [trainSettings({ steps: 9 }), trainSettings({ steps: 3 })];
 * assertEquals(timetableOf(stages), { starts: [0, 9], total: 12 });
 * ```
 */
export function timetableOf(stages: readonly Pick<TrainSettings, "steps">[]): Timetable {
  const ends = stages.map((_, i) =>
    stages.slice(0, i + 1).reduce((total, { steps }) => total + steps, 0)
  );
  return { starts: [0, ...ends.slice(0, -1)], total: ends.at(-1) ?? 0 };
}

/** Whether a stage looks back at the models that it started from. */
function looksBack(settings: TrainSettings): boolean {
  return recipeOf(settings).group !== "demonstrations" || asksTeacher(settings) ||
    needsReference(describeObjective(settings));
}

/**
 * Carries out a run, from its last checkpoint on if it has one. Whatever interrupts it, in whatever
 * stage, the next call goes on, and it ends with the same bytes as a run that is not interrupted.
 *
 * @param run The run.
 * @returns How it ended.
 * @throws {UserError} If what has to hold at a stage's start does not, the loss is no longer a
 * number, the device fails, a file cannot be written, or another process has the run; the
 * checkpoints stay as they are. Of a run that was new and has not come to its first step nothing
 * stays, unless it may come further another time.
 *
 * @example
 * ```ts
 * import { createRun, openDevice, prepare, runConfig, train, trainSettings } from "@unitune/cli";
 * import { assert } from "@std/assert";
 *
 * const tiny = { steps: 2, batchSize: 2, layers: 1, heads: 1, width: 8 };
 * const stages = [trainSettings(tiny), trainSettings({ ...tiny, objective: "dpo" })];
 * const prepared = await prepare(stages);
 * const out = await Deno.makeTempDir();
 * const folder = await createRun(out, "sft-dpo", runConfig(stages, prepared));
 * using device = await openDevice("wasm");
 * const { isComplete } = await train({ folder, stages, prepared, device });
 * assert(isComplete);
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function train(run: Run): Promise<RunResult> {
  const { folder, stages, prepared, device, progress = silentProgress, signal } = run;
  const { splits, tokenizer, config } = prepared;
  const { starts, total } = timetableOf(stages);
  const [first] = stages;
  if (first === undefined) throw new RangeError("train: a run has at least one stage");
  const { loggingSteps, evalSteps, saveSteps } = first;
  const isEnd = (step: number) => step === total || starts.includes(step);
  const isDue = (step: number, every: number) => step % every === 0 || isEnd(step);
  const kept: KeptSteps = {
    isRegular: (step) => isDue(step, saveSteps),
    isStart: (step) => step === 0 ? looksBack(first) : starts.includes(step),
  };
  const model = gpt(config);

  const held = run.held ?? await holdRun(folder);
  // Who has given it to this training keeps it.
  using _own = run.held === undefined ? held : undefined;
  let { saved } = held;
  if (saved !== undefined) await goBackTo(folder, saved);
  await tidyCheckpoints(folder, kept);
  using journal = await openJournal(folder, saved?.position);
  using evaluator = createEvaluator(model, tokenizer, device);
  let done = saved?.position.step ?? 0;
  let cost = saved?.position.cost ?? noCost;
  let reports: readonly SplitReport[] = [];

  const refuseNonFinite = (step: number, values: Readonly<Record<string, number>>) => {
    if (Object.values(values).every(Number.isFinite)) return;
    throw divergence(folder, step, values, saved);
  };

  /** What a stage starts from: the models that are handed on to it, and those of other runs. */
  const startOf = async (stage: number, { policy, rewardModel }: Models): Promise<Models> => {
    const settings = stages[stage];
    return {
      policy,
      ...rewardModel && { rewardModel },
      ...settings && await lentModels(stage, settings, prepared),
    };
  };

  /** One stage, to its end or to an interruption. */
  const runStage = async (stage: number, settings: TrainSettings) => {
    const begin = starts[stage] ?? 0;
    const name = stages.length === 1 ? undefined : settings.objective;
    const isOver = () => done === begin + settings.steps;
    // A stage that needs nothing of its start does without that checkpoint.
    const isForgotten = saved !== undefined && done > begin && !kept.isStart(begin);
    const start = saved === undefined
      ? await startOf(stage, await copyTree(run.start ?? initialModels(first, prepared)))
      : await readModels(isForgotten ? saved : await checkpointAt(folder, begin), config);
    progress.phase("preparing");
    using learner: Learner = await createLearner({ settings, stage, prepared, start, device });
    for (const note of learner.notes) {
      progress.print(stages.length === 1 ? note : `stage ${stage + 1}: ${note}`);
    }
    const fresh = learner.init();
    let state = saved !== undefined && done > begin ? await readState(saved, fresh) : fresh;
    let unread: {
      readonly step: number;
      readonly metrics: Readonly<Record<string, Tensor>>;
      readonly cost: Cost;
    }[] = [];

    /** Reads and writes down what the steps since the last time have measured. */
    const readSteps = async () => {
      const read = await Promise.all(unread.map(async ({ step, metrics, cost }) => ({
        step,
        cost,
        values: await readScalars(metrics),
      })));
      unread = [];
      for (const { step, cost, values } of read) {
        const { loss = NaN, grad_norm: norm = NaN } = values;
        refuseNonFinite(step, { loss, "gradient's norm": norm });
        if (!isDue(step, loggingSteps)) continue;
        const epoch = learner.epoch(step - begin);
        await journal.addStep(step, { epoch, ...values, ...costMetrics(cost) }, name);
      }
      return measuredBy(read.map(({ values }) => values));
    };

    const evaluate = async (count: number) => {
      const given: SplitReport[] = [];
      const { policy } = learner.models(state);
      for (const [i, split] of splits.slice(0, count).entries()) {
        progress.phase(`evaluating on ${split.name}`);
        const report = await evaluator.evaluate(policy, split);
        const { eval_loss: loss } = report.metrics;
        if (loss !== undefined) refuseNonFinite(done, { [`loss on ${split.name}`]: loss });
        const more = i === 0 ? await learner.validate(state) : {};
        const whole = { ...report, metrics: { ...report.metrics, ...more } };
        await journal.addReport(done, whole, name);
        progress.print(`step ${done}/${total} · ${describeReport(whole)}`);
        given.push(whole);
      }
      return given;
    };

    const save = async (): Promise<SavedCheckpoint> => {
      progress.phase("saving");
      // Where a stage begins, a checkpoint holds all that it starts from, whatever becomes of other
      // runs.
      const models = done === begin
        ? start
        : await startOf(isOver() ? stage + 1 : stages.length, learner.models(state));
      // A step's loss is that of the weights before it: those after it may be beyond repair.
      const probes = splits[0]?.sequences.slice(0, PROBES) ?? [];
      if (probes.length > 0) {
        refuseNonFinite(done, { "validation loss": await evaluator.loss(models.policy, probes) });
      }
      const files = await checkpointFiles(model, tokenizer, models, state);
      saved = await saveCheckpoint(folder, held.config, await journal.mark(done, cost), files);
      await tidyCheckpoints(folder, kept);
      return saved;
    };

    if (saved === undefined) {
      await evaluate(splits.length);
      await save();
    }
    // What the stage before has measured is not this one's.
    progress.update(done, {});
    let turn = performance.now();
    while (!isOver() && !signal?.aborted) {
      const result = await learner.step(state, done - begin);
      state = result.state;
      // What was computed for the stage is counted when it is first used.
      if (done === begin) cost = addCost(cost, learner.setUp);
      cost = addCost(cost, result.cost);
      done++;
      unread.push({ step: done, metrics: result.metrics, cost });
      const isEvaluated = isDue(done, evalSteps);
      const isSaved = isDue(done, saveSteps);
      const isRead = isDue(done, loggingSteps) || isEvaluated || isSaved;
      if (isWritten(result.samples.length, done - begin, loggingSteps)) {
        await journal.addRollouts(done, result.samples, name);
      }
      progress.update(done, isRead ? await readSteps() : undefined);
      if (isEvaluated) reports = await evaluate(isEnd(done) ? splits.length : 1);
      if (isSaved) await save();
      if (performance.now() - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
    }
    if (saved === undefined || saved.position.step < done) {
      await readSteps();
      await save();
    }
  };

  try {
    for (const [stage, settings] of stages.entries()) {
      const end = (starts[stage] ?? 0) + settings.steps;
      // Even a run that is stopped at once leaves where it starts from.
      const isStopped = signal?.aborted === true && saved !== undefined;
      if (done < end && !isStopped) await runStage(stage, settings);
    }
  } catch (error) {
    const failure = deviceFailure(error, folder, done, saved) ?? error;
    if (done === 0 && !mayPass(error)) await held.discard();
    throw failure;
  }
  if (saved === undefined) throw new RangeError("train: a run ended without a checkpoint");
  const isComplete = done === total;
  return { isComplete, checkpoint: saved, reports: isComplete ? reports : [] };
}

/** Whether what went wrong may go well another time, or on another device. */
function mayPass(error: unknown): boolean {
  return error instanceof FileError || error instanceof WebGpuFailedError ||
    error instanceof WebGpuLimitError;
}

/** Why a run stops whose device cannot go on, and how to go on with it; nothing for other errors. */
function deviceFailure(
  error: unknown,
  folder: string,
  step: number,
  saved: SavedCheckpoint | undefined,
): UserError | undefined {
  if (error instanceof OutOfMemoryError) {
    return new UserError(`training stopped at step ${step}: ${error.message}`, { cause: error });
  }
  if (!(error instanceof WebGpuFailedError || error instanceof WebGpuLimitError)) return undefined;
  const left = saved === undefined ? "" : `; the last good checkpoint is ${saved.path}`;
  return new UserError(
    `training stopped at step ${step}: ${error.message}${left}. Go on, on another device with ` +
      `--device wasm, by`,
    { cause: error, command: taskCommand("train", { resume: folder }) },
  );
}

/** What some steps have measured: the last loss, and the mean of their rewards. */
function measuredBy(steps: readonly Readonly<Record<string, number>>[]): Measured {
  const rewards = steps.flatMap(({ reward = NaN }) => Number.isNaN(reward) ? [] : [reward]);
  const reward = rewards.reduce((total, one) => total + one, 0) / rewards.length;
  return { loss: steps.at(-1)?.loss, ...(rewards.length > 0 && { reward }) };
}

/** Costs under their names in `metrics.jsonl`. */
function costMetrics({ examples, forwardTokens, backwardTokens }: Cost): Record<string, number> {
  return {
    "cost/examples": examples,
    "cost/forward_tokens": forwardTokens,
    "cost/backward_tokens": backwardTokens,
  };
}

/**
 * Whether answers that a step was trained on are written down: those of the first steps of a stage,
 * and about as often as metrics are. It depends on the step alone, so that a resumed run writes the
 * same.
 */
function isWritten(sampled: number, step: number, loggingSteps: number): boolean {
  return sampled > 0 && (step - 1) % loggingSteps < Math.min(loggingSteps, ROLLOUT_STEPS);
}

/** Of as many steps as lie between two lines of metrics, those whose answers are written down. */
const ROLLOUT_STEPS = 4;

/** Why a run stops that has lost its way, and what is left. */
function divergence(
  folder: string,
  step: number,
  values: Readonly<Record<string, number>>,
  saved: SavedCheckpoint | undefined,
): UserError {
  const facts = Object.entries(values).map(([name, value]) => `the ${name} is ${value}`);
  const happened = `training stopped at step ${step}, where ${facts.join(" and ")}`;
  if (step === 0) {
    return new UserError(`${happened}: the model that it starts from is broken, take another`);
  }
  const left = saved === undefined ? "" : `; the last good checkpoint is ${saved.path}`;
  return new UserError(
    `${happened}${left}. A lower rate usually helps:`,
    { command: `${taskCommand("train", { config: `${folder}/config.json` })} --learning-rate X` },
  );
}
