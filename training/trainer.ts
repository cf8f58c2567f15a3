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
import type { LanguageModel, Tokenizer } from "@unitune/models";
import { addCost, type Cost, noCost } from "./cost.ts";
import { DeviceFailedError, DivergedError } from "./errors.ts";
import { createEvaluator, type Evaluator, readScalars } from "./evaluation.ts";
import type { Measured, TrainingEvent } from "./events.ts";
import type { Learner } from "./learner.ts";
import { copyModels, type Models } from "./models.ts";
import type { Split } from "./splits.ts";
import type { KeptSteps, Store, StoredCheckpoint } from "./store.ts";
import { type Agenda, agendaOf, type Intervals, type Timetable, timetableOf } from "./timetable.ts";

/** One stage of a run. */
export interface StagePlan {
  /** Its steps. */
  readonly steps: number;
  /** Whether it asks the models that it starts from until its end. */
  readonly looksBack: boolean;
  /** Makes what learns in it from the models that it starts from, which stay as they are. */
  learner(start: Models): Promise<Learner>;
  /** Reads the models that other runs lend to it. */
  lent(): Promise<Omit<Models, "policy">>;
}

/** A run that is to be carried out. */
export interface TrainingPlan extends Intervals {
  /** Its stages, at least one, in order. */
  readonly stages: readonly StagePlan[];
  /** The models that it starts from. */
  start(): Models;
  /** The policy. */
  readonly model: LanguageModel;
  /** The policy's tokenizer. */
  readonly tokenizer: Tokenizer;
  /** What it is evaluated on: the first during training, all of them before and after a stage. */
  readonly splits: readonly Split[];
  /** Where it computes. */
  readonly device: Device;
  /** Where it keeps its checkpoints. */
  readonly store: Store;
  /** Stops it after the step that it is at, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Milliseconds after which the event loop gets its turn, so that signals are heard. */
const TURN_MS = 50;

/** Validation sequences that a model has to predict before it is saved. */
const PROBES = 64;

/** Of as many steps as lie between two lines of metrics, those whose answers are shown. */
const ROLLOUT_STEPS = 4;

/**
 * Carries out a run, from the last checkpoint of its store on. Whatever interrupts it, in whatever
 * stage, the next call goes on, and it ends with the same bits as a run that is not interrupted.
 *
 * It waits for whoever takes an event before it goes on: what is written down for an event is there
 * when a later checkpoint is saved.
 *
 * @param plan The run.
 * @returns Its events, in order; none where all steps are done. It stops where nobody takes them.
 * @throws {UserError} Where the metrics known before a stage's first step have other values.
 * @throws {DivergedError} Where the loss or the gradient is no longer finite.
 * @throws {DeviceFailedError} Where the device fails, or its memory does not suffice.
 */
export async function* train(plan: TrainingPlan): AsyncGenerator<TrainingEvent, void, void> {
  const timetable = timetableOf(plan.stages);
  const agenda = agendaOf(timetable, plan);
  const kept = keptSteps(plan.stages, timetable, agenda);
  const saved = await plan.store.open(kept);
  const position: Position = { step: saved?.step ?? 0, cost: saved?.cost ?? noCost, saved };
  const known = { step: position.step, saved: saved?.step };
  try {
    for await (const event of runStages({ ...plan, timetable, agenda, kept }, position)) {
      known.step = event.step;
      if (event.kind === "saved") known.saved = event.step;
      yield event;
    }
  } catch (error) {
    if (!isDeviceFailure(error)) throw error;
    throw new DeviceFailedError(error, known);
  }
}

/** Whether a device is to blame, rather than what it was told to compute. */
function isDeviceFailure(error: unknown): error is Error {
  return error instanceof OutOfMemoryError || error instanceof WebGpuFailedError ||
    error instanceof WebGpuLimitError;
}

/** The checkpoints that a run keeps: a stage that needs nothing of its start does without that. */
function keptSteps(
  stages: readonly StagePlan[],
  { starts }: Timetable,
  { isSaved }: Agenda,
): KeptSteps {
  const isFirstNeeded = stages[0]?.looksBack ?? false;
  return {
    isRegular: isSaved,
    isStart: (step) => step === 0 ? isFirstNeeded : starts.includes(step),
  };
}

/** A plan with what follows from it. */
interface Run extends TrainingPlan {
  readonly timetable: Timetable;
  readonly agenda: Agenda;
  readonly kept: KeptSteps;
}

/** How far a run is. */
interface Position {
  /** Steps done. */
  readonly step: number;
  /** What they have cost. */
  readonly cost: Cost;
  /** The latest checkpoint. */
  readonly saved: StoredCheckpoint | undefined;
}

/** A step whose metrics were not read yet. */
interface UnreadStep {
  readonly step: number;
  readonly cost: Cost;
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/** How far a stage is. */
interface StagePosition extends Position {
  /** The learner's state. */
  readonly state: unknown;
  readonly unread: readonly UnreadStep[];
}

/** A stage that is carried out. */
interface StageRun extends Run {
  /** Its number, from 0. */
  readonly stage: number;
  /** The steps before it. */
  readonly begin: number;
  /** The steps before the next one. */
  readonly end: number;
  readonly learner: Learner;
  readonly evaluator: Evaluator;
  /** The models that it starts from. */
  readonly from: Models;
}

/** Part of a run: its events, and what it comes to. */
type Part<T> = AsyncGenerator<TrainingEvent, T, void>;

/** The stages that are left, in order. */
async function* runStages(run: Run, start: Position): Part<void> {
  const { stages, timetable: { starts }, model, tokenizer, device, signal } = run;
  using evaluator = createEvaluator(model, tokenizer, device);
  let position = start;
  for (const [stage, { steps }] of stages.entries()) {
    const begin = starts[stage] ?? 0;
    const end = begin + steps;
    // Even a run that is stopped at once leaves where it starts from.
    const isStopped = signal?.aborted === true && position.saved !== undefined;
    if (position.step >= end || isStopped) continue;
    position = yield* runStage({ ...run, stage, begin, end, evaluator }, position);
  }
}

/** One stage, to its end or to an interruption. */
async function* runStage(
  run: Omit<StageRun, "learner" | "from">,
  { step, cost, saved }: Position,
): Part<Position> {
  const { stage, begin, end, signal } = run;
  const plan = run.stages[stage];
  if (plan === undefined) throw new RangeError(`train: there is no stage ${stage}`);
  yield { kind: "phase", phase: "preparing", step, stage };
  const from = await startOf(run, { step, saved });
  using learner = await plan.learner(from);
  for (const text of learner.notes) yield { kind: "note", text, step, stage };
  const fresh = learner.init();
  const state = saved !== undefined && step > begin ? await saved.state(fresh) : fresh;
  const own: StageRun = { ...run, learner, from };

  let at: StagePosition = { step, cost, saved, state, unread: [] };
  if (saved === undefined) {
    yield* evaluate(own, at, run.splits);
    at = yield* save(own, at);
  }
  yield { kind: "stage", step, stage };
  let turn = performance.now();
  while (at.step < end && !signal?.aborted) {
    at = yield* takeStep(own, at);
    if (performance.now() - turn > TURN_MS) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      turn = performance.now();
    }
  }
  if (at.saved === undefined || at.saved.step < at.step) {
    yield* readSteps(own, at);
    at = yield* save(own, at);
  }
  return at;
}

/** The models that a stage starts from, from wherever they are to be had. */
async function startOf(
  { stages, stage, begin, store, kept, start }: Omit<StageRun, "learner" | "from">,
  { step, saved }: Pick<Position, "step" | "saved">,
): Promise<Models> {
  if (saved === undefined) return await handOn(await copyModels(start()), stages[stage]);
  const isForgotten = step > begin && !kept.isStart(begin);
  return await (isForgotten ? saved : await store.at(begin)).models();
}

/** The models that are handed on to a stage, and those that other runs lend to it. */
async function handOn(
  { policy, rewardModel }: Models,
  stage: StagePlan | undefined,
): Promise<Models> {
  return { policy, ...rewardModel && { rewardModel }, ...await stage?.lent() };
}

/** One step, and what is due after it. */
async function* takeStep(run: StageRun, before: StagePosition): Part<StagePosition> {
  const { learner, agenda, stage, begin, splits, loggingSteps } = run;
  const { state, metrics, samples, cost: own } = await learner.step(
    before.state,
    before.step - begin,
  );
  const step = before.step + 1;
  // What was computed for the stage is counted when it is first used.
  const spent = before.step === begin ? addCost(before.cost, learner.setUp) : before.cost;
  const cost = addCost(spent, own);
  const unread = [...before.unread, { step, metrics, cost }];
  let at: StagePosition = { ...before, step, cost, state, unread };
  if (isShown(samples.length, step - begin, loggingSteps)) {
    yield { kind: "rollouts", samples, step, stage };
  }
  const [isEvaluated, isSaved] = [agenda.isEvaluated(step), agenda.isSaved(step)];
  const isRead = agenda.isLogged(step) || isEvaluated || isSaved;
  if (isRead) {
    const measured = yield* readSteps(run, at);
    at = { ...at, unread: [] };
    yield { kind: "step", measured, step, stage };
  } else {
    yield { kind: "step", step, stage };
  }
  if (isEvaluated) yield* evaluate(run, at, agenda.isEnd(step) ? splits : splits.slice(0, 1));
  return isSaved ? yield* save(run, at) : at;
}

/**
 * Whether answers that a step was trained on are shown: those of the first steps of a stage, and
 * about as often as metrics are. It depends on the step alone, so that a resumed run shows the same.
 */
function isShown(sampled: number, step: number, loggingSteps: number): boolean {
  return sampled > 0 && (step - 1) % loggingSteps < Math.min(loggingSteps, ROLLOUT_STEPS);
}

/** Reads what the steps since the last time have measured. */
async function* readSteps(
  { learner, agenda, stage, begin }: StageRun,
  { unread, saved }: StagePosition,
): Part<Measured> {
  const steps = await Promise.all(unread.map(async ({ step, cost, metrics }) => ({
    step,
    cost,
    metrics: await readScalars(metrics),
  })));
  for (const { step, cost, metrics } of steps) {
    const { loss = NaN, grad_norm: norm = NaN } = metrics;
    requireFinite({ loss, "gradient's norm": norm }, { step, saved });
    if (!agenda.isLogged(step)) continue;
    yield { kind: "metrics", epoch: learner.epoch(step - begin), metrics, cost, step, stage };
  }
  return measuredBy(steps.map(({ metrics }) => metrics));
}

/** What some steps have measured: the last loss, and the mean of their rewards. */
function measuredBy(steps: readonly Readonly<Record<string, number>>[]): Measured {
  const rewards = steps.flatMap(({ reward = NaN }) => Number.isNaN(reward) ? [] : [reward]);
  const reward = rewards.reduce((total, one) => total + one, 0) / rewards.length;
  return { loss: steps.at(-1)?.loss, ...(rewards.length > 0 && { reward }) };
}

/** Evaluates the policy on some splits, and asks the objective about the first. */
async function* evaluate(
  { learner, evaluator, stage }: StageRun,
  { step, state, saved }: StagePosition,
  splits: readonly Split[],
): Part<void> {
  const { policy } = learner.models(state);
  for (const [i, split] of splits.entries()) {
    yield { kind: "phase", phase: "evaluating", split: split.name, step, stage };
    const report = await evaluator.evaluate(policy, split);
    const { eval_loss: loss } = report.metrics;
    if (loss !== undefined) requireFinite({ [`loss on ${split.name}`]: loss }, { step, saved });
    const more = i === 0 ? await learner.validate(state) : {};
    const metrics = { ...report.metrics, ...more };
    yield { kind: "evaluation", report: { ...report, metrics }, step, stage };
  }
}

/** Saves a checkpoint of a model that still predicts something. */
async function* save(run: StageRun, at: StagePosition): Part<StagePosition> {
  const { stages, stage, begin, end, learner, evaluator, from, store, splits } = run;
  const { step, cost, state, saved } = at;
  yield { kind: "phase", phase: "saving", step, stage };
  // Where a stage begins, a checkpoint holds all that it starts from, whatever becomes of other runs.
  const models = step === begin
    ? from
    : await handOn(learner.models(state), step === end ? stages[stage + 1] : undefined);
  // A step's loss is that of the weights before it: those after it may be beyond repair.
  const probes = splits[0]?.sequences.slice(0, PROBES) ?? [];
  if (probes.length > 0) {
    const loss = await evaluator.loss(models.policy, probes);
    requireFinite({ "validation loss": loss }, { step, saved });
  }
  const stored = await store.save({ step, cost, models, state });
  yield { kind: "saved", step, stage };
  return { ...at, saved: stored };
}

/** Refuses to go on with quantities that are no finite numbers. */
function requireFinite(
  quantities: Readonly<Record<string, number>>,
  { step, saved }: Pick<Position, "step" | "saved">,
): void {
  if (Object.values(quantities).every(Number.isFinite)) return;
  throw new DivergedError(quantities, { step, saved: saved?.step });
}
