/**
 * A training run: steps, evaluations and checkpoints, until the last step or an interruption.
 *
 * @module
 */

import { type Device, type Tensor, WebGpuFailedError, WebGpuLimitError } from "@unitune/core";
import { UserError } from "./errors.ts";
import { createEvaluator, readScalars, type SplitReport } from "./evaluation.ts";
import { openJournal } from "./journal.ts";
import { createLearner } from "./learner.ts";
import type { Prepared } from "./prepare.ts";
import { type ProgressReporter, silentProgress } from "./progress.ts";
import { describeReport } from "./report.ts";
import {
  latestCheckpoint,
  lockRun,
  saveCheckpoint,
  type SavedCheckpoint,
  tidyCheckpoints,
} from "./run_folder.ts";
import type { TrainSettings } from "./settings.ts";
import { checkpointFiles, readState } from "./trained.ts";

/** A run that is to be carried out. */
export interface Run {
  /** Its folder, as {@linkcode createRun} made it. */
  readonly folder: string;
  /** Its settings. */
  readonly settings: TrainSettings;
  /** What it trains and evaluates on. */
  readonly prepared: Prepared;
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

/**
 * Carries out a run, from its last checkpoint on if it has one. Whatever interrupts it, the next call
 * goes on, and it ends with the same bytes as a run that is not interrupted.
 *
 * @param run The run.
 * @returns How it ended.
 * @throws {UserError} If the loss is no longer a number, the device fails, a file cannot be written,
 * or another process has the run; the checkpoints stay as they are.
 *
 * @example
 * ```ts
 * import { createRun, openDevice, prepare, runConfig, train, trainSettings } from "@unitune/cli";
 * import { assert } from "@std/assert";
 *
 * const settings = trainSettings({ steps: 2, batchSize: 1, layers: 1, heads: 1, width: 8 });
 * const prepared = await prepare(settings);
 * const out = await Deno.makeTempDir();
 * const folder = await createRun(out, settings.objective, runConfig(settings, prepared));
 * using device = await openDevice(settings.device);
 * const { isComplete } = await train({ folder, settings, prepared, device });
 * assert(isComplete);
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function train(run: Run): Promise<RunResult> {
  const { folder, settings, prepared, device, progress = silentProgress, signal } = run;
  const { steps, loggingSteps, evalSteps, saveSteps, batchSize, gradientAccumulation } = settings;
  const { source, splits, tokenizer } = prepared;
  const isDue = (step: number, every: number) => step % every === 0 || step === steps;

  using _lock = await lockRun(folder);
  await tidyCheckpoints(folder, settings);
  const checkpoint = await latestCheckpoint(folder);
  using journal = await openJournal(folder, checkpoint?.position);
  using learner = createLearner(settings, prepared, device);
  using evaluator = createEvaluator(learner.model, tokenizer, device);

  const fresh = learner.init();
  let state = checkpoint === undefined ? fresh : await readState(checkpoint, fresh);
  let done = checkpoint?.position.step ?? 0;
  let saved = checkpoint;
  let unread: { readonly step: number; readonly metrics: Readonly<Record<string, Tensor>> }[] = [];
  let reports: readonly SplitReport[] = [];

  const refuseNonFinite = (step: number, values: Readonly<Record<string, number>>) => {
    if (Object.values(values).every(Number.isFinite)) return;
    throw divergence(folder, step, values, saved);
  };

  /** Reads and writes down what the steps since the last time have measured. */
  const readSteps = async () => {
    const read = await Promise.all(unread.map(async ({ step, metrics }) => ({
      step,
      values: await readScalars(metrics),
    })));
    unread = [];
    for (const { step, values } of read) {
      const { loss = NaN, grad_norm: norm = NaN } = values;
      refuseNonFinite(step, { loss, "gradient's norm": norm });
      if (!isDue(step, loggingSteps)) continue;
      const epoch = source.epoch(step * batchSize * gradientAccumulation);
      await journal.addStep(step, { epoch, ...values });
    }
    return read.at(-1)?.values.loss;
  };

  const evaluate = async (count: number) => {
    const given: SplitReport[] = [];
    for (const split of splits.slice(0, count)) {
      progress.phase(`evaluating on ${split.name}`);
      const report = await evaluator.evaluate(state.params, split);
      refuseNonFinite(done, { [`loss on ${split.name}`]: report.metrics.eval_loss ?? NaN });
      await journal.addReport(done, report);
      progress.print(`step ${done}/${steps} · ${describeReport(report)}`);
      given.push(report);
    }
    return given;
  };

  const save = async (): Promise<SavedCheckpoint> => {
    progress.phase("saving");
    // A step's loss is that of the weights before it: those after it may be beyond repair.
    const probes = splits[0]?.sequences.slice(0, PROBES) ?? [];
    refuseNonFinite(done, { "validation loss": await evaluator.loss(state.params, probes) });
    const files = await checkpointFiles(learner.model, tokenizer, state);
    saved = await saveCheckpoint(folder, await journal.mark(done), files);
    await tidyCheckpoints(folder, settings);
    return saved;
  };

  try {
    if (saved === undefined) {
      await evaluate(splits.length);
      saved = await save();
    }
    progress.update(done);
    let turn = performance.now();
    while (done < steps && !signal?.aborted) {
      const result = learner.step(state, done);
      state = result.state;
      done++;
      unread.push({ step: done, metrics: result.metrics });
      const isEvaluated = isDue(done, evalSteps);
      const isSaved = isDue(done, saveSteps);
      const isRead = isDue(done, loggingSteps) || isEvaluated || isSaved;
      progress.update(done, isRead ? await readSteps() : undefined);
      if (isEvaluated) reports = await evaluate(done === steps ? splits.length : 1);
      if (isSaved) await save();
      if (performance.now() - turn > TURN_MS) {
        await new Promise((resolve) => setTimeout(resolve, 0));
        turn = performance.now();
      }
    }
    if (saved.position.step < done) {
      await readSteps();
      saved = await save();
    }
  } catch (error) {
    throw deviceFailure(error, folder, done, saved) ?? error;
  }
  const isComplete = done === steps;
  return { isComplete, checkpoint: saved, reports: isComplete ? reports : [] };
}

/** Why a run stops whose device cannot go on, and how to go on with it; nothing for other errors. */
function deviceFailure(
  error: unknown,
  folder: string,
  step: number,
  saved: SavedCheckpoint | undefined,
): UserError | undefined {
  if (!(error instanceof WebGpuFailedError || error instanceof WebGpuLimitError)) return undefined;
  const left = saved === undefined ? "" : `; the last good checkpoint is ${saved.path}`;
  return new UserError(
    `training stopped at step ${step}: ${error.message}${left}. Go on with: train --resume ` +
      `${folder}, on another device with --device wasm`,
    { cause: error },
  );
}

/** Why a run stops that has lost its way, and what is left. */
function divergence(
  folder: string,
  step: number,
  values: Readonly<Record<string, number>>,
  saved: SavedCheckpoint | undefined,
): UserError {
  const facts = Object.entries(values).map(([name, value]) => `the ${name} is ${value}`);
  const left = saved === undefined ? "" : `; the last good checkpoint is ${saved.path}`;
  return new UserError(
    `training stopped at step ${step}, where ${facts.join(" and ")}${left}. A lower rate usually ` +
      `helps: train --config ${folder}/config.json --learning-rate X`,
  );
}
