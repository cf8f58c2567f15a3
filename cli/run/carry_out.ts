/**
 * Carries out a training in its run's folder, with its progress shown.
 *
 * @module
 */

import type { Device } from "@unitune/core";
import {
  alone,
  type Collective,
  type Models,
  planOf,
  sharedStore,
  type SplitReport,
  type Store,
  timetableOf,
  train,
  type TrainingPlan,
  type TrainSettings,
} from "@unitune/training";
import type { Prepared } from "../data/prepare.ts";
import { type ProgressReporter, silentProgress } from "../terminal/progress.ts";
import { checkpointAt, type SavedCheckpoint } from "./checkpoints.ts";
import { failureIn, mayPass, placeOf } from "./failure.ts";
import { type HeldRun, holdRun } from "./run_folder.ts";
import { runReader, runStore } from "./run_store.ts";
import { showEvent } from "./shown_event.ts";
import { lentModels } from "./trained.ts";

/** A run that is to be carried out. */
export interface Run {
  /** Its folder, as {@linkcode createRun} made it. */
  readonly folder: string;
  /** The run as this process has it already; by default it is taken for the time of the training. */
  readonly held?: HeldRun;
  /** The settings of its stages, at least one, in order. */
  readonly stages: readonly TrainSettings[];
  /** Its training and evaluation data. */
  readonly prepared: Prepared;
  /** The models that it starts from (default: new ones). */
  readonly start?: Models;
  /**
   * Whether their policy may be given up once the run no longer needs it (default: it stays as it is).
   */
  readonly ownsStart?: boolean;
  /** The device to compute on. */
  readonly device: Device;
  /** Where its progress is shown (default: nowhere). */
  readonly progress?: ProgressReporter;
  /** Stops the run after the step that it is at, with a checkpoint. */
  readonly signal?: AbortSignal;
  /**
   * The processes that carry it out (default: this one alone). The first of them writes the folder,
   * and the others read it.
   */
  readonly collective?: Collective;
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
 * import { carryOut, createRun, openDevice, prepare, runConfig } from "@unitune/cli";
 * import { trainSettings } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const tiny = { steps: 2, batchSize: 2, layers: 1, heads: 1, width: 8 };
 * const stages = [trainSettings(tiny), trainSettings({ ...tiny, objective: "dpo" })];
 * const prepared = await prepare(stages);
 * const out = await Deno.makeTempDir();
 * const folder = await createRun(out, "sft-dpo", runConfig(stages, prepared));
 * using device = await openDevice("wasm");
 * const { isComplete } = await carryOut({ folder, stages, prepared, device });
 * assert(isComplete);
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function carryOut(run: Run): Promise<RunResult> {
  const { folder, stages, prepared, progress = silentProgress, collective = alone } = run;
  if (collective.rank > 0) return await follow(run, collective);
  const held = run.held ?? await holdRun(folder);
  // Who has given it to this training keeps it.
  using _own = run.held === undefined ? held : undefined;
  using store = runStore(held, stages.map(({ objective: { name } }) => name), prepared, {
    hasEvents: stages[0]?.tensorboard === true,
  });
  const { total } = timetableOf(stages);
  let step = held.saved?.position.step ?? 0;
  let last: { readonly step: number; readonly reports: readonly SplitReport[] } | undefined;
  try {
    for await (const event of train(planIn(run, sharedStore(collective, store)))) {
      await store.write(event);
      showEvent(event, { progress, total, isStaged: stages.length > 1 });
      if (event.kind === "step") ({ step } = event);
      if (event.kind !== "evaluation") continue;
      const others = last?.step === event.step ? last.reports : [];
      last = { step: event.step, reports: [...others, event.report] };
    }
  } catch (error) {
    const isAtStart = placeOf(error)?.step ?? step;
    if (isAtStart === 0 && !mayPass(error)) await held.discard();
    throw failureIn(folder, error);
  }
  const checkpoint = store.latest();
  if (checkpoint === undefined) throw new RangeError("carryOut: a run ended without a checkpoint");
  const isComplete = checkpoint.position.step === total;
  return {
    isComplete,
    checkpoint,
    reports: isComplete && last?.step === total ? last.reports : [],
  };
}

/** The plan of a run, for the trainer. */
function planIn(
  { stages, prepared, start, ownsStart, device, signal, collective = alone }: Run,
  store: Store,
): TrainingPlan {
  return planOf({
    ...{ stages, prepared, device, store, collective },
    ...start && { start },
    ...ownsStart !== undefined && { ownsStart },
    lent: (stage, settings) => lentModels(stage, settings, prepared),
    ...signal && { signal },
  });
}

/** Carries out a run in a process after the first, which writes nothing. */
async function follow(run: Run, collective: Collective): Promise<RunResult> {
  const { folder, stages, prepared, held } = run;
  let step = held?.saved?.position.step ?? 0;
  const store = sharedStore(collective, runReader(folder, prepared));
  for await (const event of train(planIn(run, store))) {
    if (event.kind === "saved") ({ step } = event);
  }
  return {
    isComplete: step === timetableOf(stages).total,
    checkpoint: await checkpointAt(folder, step),
    reports: [],
  };
}
