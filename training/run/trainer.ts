/**
 * The trainer: the steps, evaluations and checkpoints of a run, as a stream of events.
 *
 * @module
 */

import {
  type Device,
  leavesOf,
  OutOfMemoryError,
  type Tensor,
  WebGpuFailedError,
  WebGpuLimitError,
} from "@unitune/core";
import type { LanguageModel, Tokenizer } from "@unitune/models";
import { alone, type Collective } from "../collective/collective.ts";
import { isAsked } from "../collective/requests.ts";
import { addCost, type Cost, noCost, tokenCost } from "../learner/cost.ts";
import { DeviceFailedError, DivergedError } from "../text/errors.ts";
import {
  createEvaluator,
  type Evaluator,
  type EvaluatorOptions,
  readScalars,
} from "../evaluation.ts";
import type { Measured, TrainingEvent } from "./events.ts";
import type { Learner } from "../learner/learner.ts";
import { hostModels, type Models } from "../learner/models.ts";
import type { Split } from "../data/splits.ts";
import type { KeptSteps, Store, StoredCheckpoint } from "./store.ts";
import { eventTurns } from "../event_loop.ts";
import { type Agenda, agendaOf, type Intervals, type Timetable, timetableOf } from "./timetable.ts";

/** One stage of a run. */
export interface StagePlan {
  /** The number of steps; with a budget, the most. */
  readonly steps: number;
  /**
   * The cost of the run, by {@linkcode tokenCost}, at which the stage ends: its last step is the one
   * that reaches it (default: the stage ends with its steps).
   */
  readonly budget?: number;
  /** Whether the stage needs the models of its start until its end. */
  readonly looksBack: boolean;
  /**
   * Makes the learner from the models of the start, which it does not change, unless it owns the policy
   * among them and may train its very tensors. That policy is outlines where a state was saved.
   */
  learner(start: Models, ownsStart: boolean): Promise<Learner>;
  /** Reads the models that other runs lend to the stage. */
  lent(): Promise<Omit<Models, "policy">>;
}

/** A run to carry out. */
export interface TrainingPlan extends Intervals {
  /** The stages in order, at least one. */
  readonly stages: readonly StagePlan[];
  /** The models of its start. */
  start(): Models;
  /**
   * Whether the policy of the start is the run's own, which is then not in memory beside the one that
   * learns, unless a stage looks back at it (default: it stays as it is).
   */
  readonly ownsStart?: boolean;
  /** The policy. */
  readonly model: LanguageModel;
  /** The tokenizer of the policy. */
  readonly tokenizer: Tokenizer;
  /**
   * The splits: the first is evaluated during training, all of them before and after each stage.
   */
  readonly splits: readonly Split[];
  /** The evaluations' sizes, and the texts that end their answers. */
  readonly evaluation?: EvaluatorOptions;
  /** The device to compute on. */
  readonly device: Device;
  /** The store for the checkpoints. */
  readonly store: Store;
  /** Stops the run after its current step, with a checkpoint (default: nothing does). */
  readonly signal?: AbortSignal;
  /** The processes that train together (default: this one alone). */
  readonly collective?: Collective;
}

/** The validation sequences that a model must predict before it is saved. */
const PROBES = 64;

/** The number of steps of each logging interval whose answers become an event. */
const ROLLOUT_STEPS = 4;

/**
 * Carries out a run, from the latest checkpoint of its store on. After an interruption in any
 * stage, the next call resumes the run, which ends with the same bits as without the interruption.
 *
 * The generator waits for its consumer: whatever the consumer writes for an event is written before
 * a later checkpoint is saved.
 *
 * @param plan The run.
 * @returns The events in order; none if all steps are finished. The run stops with its consumer.
 * @throws {UserError} If a metric that is known before the first step of a stage has another value.
 * @throws {DivergedError} If the loss or the gradient is no longer finite.
 * @throws {DeviceFailedError} If the device fails or has too little memory.
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

/** Tells whether an error is one of the device rather than of its input. */
function isDeviceFailure(error: unknown): error is Error {
  return error instanceof OutOfMemoryError || error instanceof WebGpuFailedError ||
    error instanceof WebGpuLimitError;
}

/** The checkpoints to keep. The start of a stage is kept only if the stage needs its models. */
function keptSteps(
  stages: readonly StagePlan[],
  { starts }: Timetable,
  { isSaved }: Agenda,
): KeptSteps {
  return {
    isRegular: isSaved,
    isStart: (step) => step === 0 ? stages[0]?.looksBack === true : starts.includes(step),
  };
}

/** A plan with its timetable and agenda. */
interface Run extends TrainingPlan {
  readonly timetable: Timetable;
  readonly agenda: Agenda;
  readonly kept: KeptSteps;
}

/** The progress of a run. */
interface Position {
  /** The number of finished steps. */
  readonly step: number;
  /** The cost of these steps. */
  readonly cost: Cost;
  /** The latest checkpoint. */
  readonly saved: StoredCheckpoint | undefined;
}

/** A step whose metrics have not been read. */
interface UnreadStep {
  readonly step: number;
  readonly cost: Cost;
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/** The progress of a stage. */
interface StagePosition extends Position {
  /** The state of the learner. */
  readonly state: unknown;
  readonly unread: readonly UnreadStep[];
  /** The latest step whose model was seen to make finite predictions on the first split. */
  readonly predicted?: number;
}

/** A stage that is carried out. */
interface StageRun extends Run {
  /** The index of the stage, from 0. */
  readonly stage: number;
  /** The number of steps before the stage. */
  readonly begin: number;
  /** The number of steps up to its end. */
  readonly end: number;
  readonly learner: Learner;
  readonly evaluator: Evaluator;
  /** The models of its start. */
  readonly from: Models;
}

/** A part of a run: its events, and its result. */
type Part<T> = AsyncGenerator<TrainingEvent, T, void>;

/** Carries out the remaining stages, in order. */
async function* runStages(run: Run, start: Position): Part<void> {
  const { stages, timetable: { starts }, model, tokenizer, device, evaluation } = run;
  const evaluator = createEvaluator(model, tokenizer, device, evaluation);
  // No `using`, which not every browser reads yet.
  try {
    let position = start;
    for (const [stage, { steps }] of stages.entries()) {
      const begin = starts[stage] ?? 0;
      const end = begin + steps;
      // Saved even if the run is stopped at once.
      if (position.step >= end) continue;
      if (position.saved !== undefined && await isStopped(run)) break;
      position = yield* runStage({ ...run, stage, begin, end, evaluator }, position);
    }
  } finally {
    evaluator[Symbol.dispose]();
  }
}

/** Carries out a stage, to its end or to an interruption. */
async function* runStage(
  run: Omit<StageRun, "learner" | "from">,
  position: Position,
): Part<Position> {
  const { stage } = run;
  const { step } = position;
  const plan = run.stages[stage];
  if (plan === undefined) throw new RangeError(`train: there is no stage ${stage}`);
  yield { kind: "phase", phase: "preparing", step, stage };
  const from = await startOf(run, position);
  const learner = await plan.learner(from, ownsStart(run, position));
  try {
    return yield* runLearner({ ...run, learner, from }, position);
  } finally {
    learner[Symbol.dispose]();
  }
}

/** Carries out the steps of a stage's learner. */
async function* runLearner(run: StageRun, { step, cost, saved }: Position): Part<Position> {
  const { learner, stage, begin, end, splits } = run;
  for (const text of learner.notes) yield { kind: "note", text, step, stage };
  const state = saved !== undefined && step > begin ? await readState(run, saved) : learner.init();

  let at: StagePosition = { step, cost, saved, state, unread: [] };
  if (saved === undefined) {
    at = yield* evaluate(run, at, splits);
    at = yield* save(run, at);
  }
  if (ownsStart(run, { saved })) giveUpStart(run, at.state);
  yield { kind: "stage", step, stage };
  const turn = eventTurns();
  while (at.step < end && !await isStopped(run)) {
    at = yield* takeStep(run, at);
    await turn();
  }
  if (at.saved === undefined || at.saved.step < at.step) {
    yield* readSteps(run, at);
    at = yield* save(run, at);
  }
  return at;
}

/** The state of a learner from a checkpoint: of a shared one, the part of this process. */
async function readState(
  { learner, device }: Pick<StageRun, "learner" | "device">,
  saved: Pick<StoredCheckpoint, "state">,
): Promise<unknown> {
  const like = learner.like();
  const { shared } = learner;
  return shared === undefined
    ? await saved.state(like, { device })
    : shared.own(await saved.state(like, { device, isWanted: shared.isOwn }));
}

/**
 * Whether a stage owns the policy of its start: nothing looks back at it, and it is the run's own, or
 * was read from a checkpoint.
 */
function ownsStart(
  { stages, stage, ownsStart = false }: Pick<StageRun, "stages" | "stage" | "ownsStart">,
  { saved }: Pick<Position, "saved">,
): boolean {
  return stages[stage]?.looksBack === false && (saved !== undefined || ownsStart);
}

/** Gives up the tensors of a policy that is the stage's own, but for those that are trained. */
function giveUpStart({ from }: Pick<StageRun, "from">, state: unknown): void {
  const trained = new Set(leavesOf(state));
  for (const leaf of leavesOf(from.policy)) {
    if (!trained.has(leaf)) leaf[Symbol.dispose]();
  }
}

/** Whether the run is to stop, in this process or another: all of them stop after the same step. */
async function isStopped(
  { signal, collective = alone }: Pick<Run, "signal" | "collective">,
): Promise<boolean> {
  return await isAsked(collective, signal?.aborted === true);
}

/** The models from which a stage starts: those of the checkpoint, if there is one. */
async function startOf(
  run: Omit<StageRun, "learner" | "from">,
  position: Pick<Position, "saved" | "step">,
): Promise<Models> {
  const { stages, stage, begin, store, kept, start, device } = run;
  const { saved, step } = position;
  const isOwn = ownsStart(run, position);
  if (saved === undefined) {
    return await handOn(await hostModels(start(), isOwn ? device : undefined), stages[stage]);
  }
  return await (kept.isStart(begin) ? await store.at(begin) : saved).models({
    // The state has the weights of a stage that goes on.
    isOutline: isOwn && step > begin,
  });
}

/** The models of the stage before, and those that other runs lend. */
async function handOn(
  { teacher: _teacher, ...own }: Models,
  stage: StagePlan | undefined,
): Promise<Models> {
  return { ...own, ...await stage?.lent() };
}

/** Carries out a step, and the work after it. */
async function* takeStep(run: StageRun, before: StagePosition): Part<StagePosition> {
  const { learner, agenda, stage, begin, splits, loggingSteps } = run;
  // The cost of preparations is counted at the first step.
  const spent = before.step === begin ? addCost(before.cost, learner.setUp) : before.cost;
  const { state, metrics, samples, cost: own } = await learner.step(
    before.state,
    before.step - begin,
    spentShare(run, spent),
  );
  const cost = addCost(spent, own);
  // The step that spends the budget has the number of the stage's last: those between are left out.
  const step = isSpent(run, cost) ? run.end : before.step + 1;
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
    yield { kind: "step", measured, cost, step, stage };
  } else {
    yield { kind: "step", cost, step, stage };
  }
  if (isEvaluated) {
    at = yield* evaluate(run, at, agenda.isEnd(step) ? splits : splits.slice(0, 1));
  }
  return isSaved ? yield* save(run, at) : at;
}

/** Whether a cost reaches the budget of a stage. */
function isSpent({ stages, stage }: StageRun, cost: Cost): boolean {
  return tokenCost(cost) >= (stages[stage]?.budget ?? Infinity);
}

/** The share of a stage's budget that is spent, from 0 to 1; undefined without a budget. */
function spentShare({ stages, stage }: StageRun, cost: Cost): number | undefined {
  const budget = stages[stage]?.budget;
  if (budget === undefined) return undefined;
  const before = stages[stage - 1]?.budget ?? 0;
  return Math.min(1, Math.max(0, (tokenCost(cost) - before) / (budget - before)));
}

/**
 * Tells whether the answers of a step become an event: those of the first steps of each logging
 * interval do. It depends only on the step, so that a resumed run has the same events.
 */
function isShown(sampled: number, step: number, loggingSteps: number): boolean {
  return sampled > 0 && (step - 1) % loggingSteps < Math.min(loggingSteps, ROLLOUT_STEPS);
}

/** Reads the metrics of the steps since the last reading. */
async function* readSteps(
  { learner, agenda, stage, begin, collective = alone }: StageRun,
  { unread, saved }: StagePosition,
): Part<Measured> {
  // All processes have the same metrics, and one of them reads, checks and tells.
  if (collective.rank > 0) return {};
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

/**
 * The main metrics of some steps: the last loss, the mean reward and the mean share of answers
 * without one, the last share of padding.
 */
function measuredBy(steps: readonly Readonly<Record<string, number>>[]): Measured {
  const meanOf = (name: "reward" | "unscorable") => {
    const values = steps.flatMap(({ [name]: value = NaN }) => Number.isNaN(value) ? [] : [value]);
    return values.reduce((total, one) => total + one, 0) / values.length;
  };
  const [reward, unscorable] = [meanOf("reward"), meanOf("unscorable")];
  const { loss, padding } = steps.at(-1) ?? {};
  return {
    loss,
    ...(!Number.isNaN(reward) && { reward }),
    ...(unscorable > 0 && { unscorable }),
    ...(padding !== undefined && { padding }),
  };
}

/** Evaluates the policy on some splits, with the metrics of the objective on the first. */
async function* evaluate(
  { learner, evaluator, stage }: StageRun,
  at: StagePosition,
  splits: readonly Split[],
): Part<StagePosition> {
  const { step, state, saved } = at;
  const { policy } = learner.models(state);
  let isPredicted = false;
  for (const [i, split] of splits.entries()) {
    yield { kind: "phase", phase: "evaluating", split: split.name, step, stage };
    const report = await evaluator.evaluate(policy, split);
    const { eval_loss: loss } = report.metrics;
    if (loss !== undefined) requireFinite({ [`loss on ${split.name}`]: loss }, { step, saved });
    if (i === 0) isPredicted = loss !== undefined;
    const more = i === 0 ? await learner.validate(state) : {};
    const metrics = { ...report.metrics, ...more };
    yield { kind: "evaluation", report: { ...report, metrics }, step, stage };
  }
  return isPredicted ? { ...at, predicted: step } : at;
}

/** Saves a checkpoint, if the model still makes finite predictions. */
async function* save(run: StageRun, at: StagePosition): Part<StagePosition> {
  const { stages, stage, begin, end, learner, evaluator, from, store, splits } = run;
  const { step, cost, state, saved } = at;
  yield { kind: "phase", phase: "saving", step, stage };
  // At the start of a stage, the checkpoint also holds the models that other runs lend.
  const models = step === begin
    ? from
    : await handOn(learner.models(state), step === end ? stages[stage + 1] : undefined);
  // The loss of a step is that of the weights before it; those after it may not be finite. An
  // evaluation of them has seen whether they are.
  const probes = splits[0]?.sequences.slice(0, PROBES) ?? [];
  if (probes.length > 0 && at.predicted !== step) {
    // At the start of a stage, the weights that it trains are on the device already.
    const loss = await evaluator.loss(learner.models(state).policy, probes);
    requireFinite({ "validation loss": loss }, { step, saved });
  }
  const whole = learner.shared === undefined ? state : await learner.shared.whole(state);
  const stored = await store.save({ step, cost, models, state: whole });
  yield { kind: "saved", step, stage };
  return { ...at, saved: stored };
}

/** Refuses to continue with quantities that are not finite. */
function requireFinite(
  quantities: Readonly<Record<string, number>>,
  { step, saved }: Pick<Position, "step" | "saved">,
): void {
  if (Object.values(quantities).every(Number.isFinite)) return;
  throw new DivergedError(quantities, { step, saved: saved?.step });
}
