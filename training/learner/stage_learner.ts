/**
 * A learner from its parts: the model in training, the objective and the optimizer as compiled
 * programs, and the feed of their batches.
 *
 * @module
 */

import {
  compile,
  type Device,
  foldKey,
  inFloats,
  key,
  leafPaths,
  leavesOf,
  mapTree,
  onDevice,
  outline,
  splitKey,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  evaluationStep,
  initTrainingState,
  type Model,
  modelOf,
  summarize,
  type TrainingState,
} from "@unitune/objectives";
import type { GradientTransform } from "@unitune/autodiff";
import { type EvaluationMemory, readScalars } from "../evaluation.ts";
import type { Collective } from "../collective/collective.ts";
import { type Owners, ownersOf } from "../collective/owners.ts";
import { gatherTree } from "../collective/trees.ts";
import type { Feed } from "../feeds/feed.ts";
import {
  type AveragedState,
  averageOf,
  followsPolicy,
  resultOf,
  type StageObjective,
} from "./average.ts";
import { checkIdentities, identitiesOf } from "./identities.ts";
import type { Learner, SharedState } from "./learner.ts";
import { hostTree, uploadTree } from "./models.ts";
import { optimizerOf, scheduleOf } from "./optimizer.ts";
import type { TrainSettings } from "../settings.ts";
import {
  keepsActivations,
  memoryLimit,
  requireRoomFor,
  type StepPlan,
  stepPlan,
  totalMemory,
} from "./step_plan.ts";
import { compileSteps, firstOf, sharedSteps, type Steps } from "./steps.ts";
import { showBytes } from "../text/byte_count.ts";
import { message, setting, type UserMessage } from "../text/message.ts";
import { recomputing, type TrainablePolicy, type Trainee } from "./trainee.ts";

/** The parts of a learner. */
export interface LearnerParts<B, E> {
  /** The settings of the stage. */
  readonly settings: TrainSettings;
  /** The stage's number, from 0. */
  readonly stage: number;
  /** The device to compute on. */
  readonly device: Device;
  /** The processes that train together. */
  readonly collective: Collective;
  /** The model in training. */
  readonly trainee: Trainee;
  /** The objective. */
  readonly asking: StageObjective<B>;
  /** The batches. */
  readonly feed: Feed<B, E>;
  /** The metrics of the objective on validation rows (default: none). */
  readonly validation?: Validation;
  /** The memory of the run's evaluations. */
  readonly evaluation: EvaluationMemory;
  /** Parameters that programs beside the step have on the device (default: none). */
  readonly held?: unknown;
  /** Whether only the plan of a step is wanted, for which no tensor needs elements (default: no). */
  readonly isOutline?: boolean;
  /**
   * Whether the learner may train the very tensors that the model has, which are then never in memory
   * twice (default: it trains copies of them).
   */
  readonly ownsStart?: boolean;
  /** More that is known before the first step, for {@linkcode identitiesOf}. */
  readonly startMetrics?: (model: Model, batch: B) => Readonly<Record<string, Tensor>>;
}

/** The metrics of an objective on validation rows. */
export interface Validation extends Disposable {
  /** Metrics by name, for a reference where it follows the policy. */
  metrics(state: AveragedState, reference?: unknown): Promise<Readonly<Record<string, number>>>;
}

/** All that a stage carries from step to step: saved and restored, it goes on the same. */
interface StageState<E> {
  /** Parameters, optimizer, step and key. */
  readonly training: TrainingState<unknown, unknown>;
  /** The experience of the feed. */
  readonly experience: E;
}

/**
 * The learner of a stage. A step is one program for each length of batches; with gradient
 * accumulation it is one for each micro-batch and one for the update. They are compiled when first
 * needed.
 *
 * @param parts Its parts.
 * @returns The learner.
 */
export async function learnerOf<B, E>(parts: LearnerParts<B, E>): Promise<Learner> {
  const { settings, stage, device, collective, trainee, feed, validation } = parts;
  const { objective } = parts.asking;
  const { isOutline = false, ownsStart = false } = parts;
  const whole = optimizerOf(settings, trainee.vocabulary);
  const owners = settings.shardOptimizer && collective.size > 1
    ? ownersOf(trainee.params, collective.size)
    : undefined;
  const optimizer = owners === undefined
    ? whole
    : optimizerOf(settings, trainee.vocabulary, (path) => owners.get(path) === collective.rank);
  const { steps, plan, note } = plannedSteps(parts, optimizer, owners);
  if (!isOutline) {
    requireRoomFor(plan, settings, device);
    device.reserve?.(totalMemory(plan.memory));
  }
  const params = isOutline
    ? trainee.params
    : await hostTree(trainee.params, ownsStart ? device : undefined);
  const average = averageOf(settings);
  const averaged = hasElements(params)
    ? average?.init(await hostTree(inFloats(params)))
    : undefined;
  const first = (params: unknown, optimizer: GradientTransform<unknown>): StageState<E> => ({
    training: initTrainingState(
      params,
      optimizer,
      trainingKey(settings.seed, stage),
      objective.memory,
      average,
    ),
    experience: feed.empty,
  });
  const outlined = (optimizer: GradientTransform<unknown>): StageState<E> =>
    mapTree(first(params, optimizer), outline);
  const like = () => outlined(whole);
  /** The reference at a state, where it follows. */
  const referenceOf = ({ average }: AveragedState) =>
    average === undefined || !followsPolicy(settings)
      ? undefined
      : trainee.models(average.params).policy;
  let isFirst = true;
  const learner: Learner<StageState<E>> = {
    setUp: feed.setUp,
    notes: note === undefined ? feed.notes : [...feed.notes, note],
    plan,
    epoch: feed.epoch,
    init() {
      // Each tensor has storage of its own, which the steps take over.
      const own = averaged === undefined ? {} : { average: uploadTree(averaged, device) };
      const { training, experience } = first(
        ownsStart ? onDevice(params, device) : uploadTree(params, device),
        optimizer,
      );
      return { training: onDevice({ ...training, ...own }, device), experience };
    },
    like,
    ...owners && { shared: sharedState(collective, like(), outlined(optimizer)) },
    async step({ training: trained, experience: before }, index, spent) {
      const training = { ...trained, ...onDevice(clockAt(settings, spent), device) };
      // Every program that reads elements on the host has a copy of them on the device. A state that
      // was restored has all of its own there; later ones have small tensors there only.
      if (isFirst) onDevice(training, device);
      isFirst = false;
      const { batches, first, experience, metrics, samples, cost } = await feed.next(
        training.params,
        before,
        index,
        referenceOf(training),
      );
      if (index === 0) await checkStart(parts, training, batches);
      const result = await steps(training, batches, first);
      return {
        state: { training: result.state, experience },
        metrics: { ...metrics, ...result.metrics },
        samples,
        cost,
      };
    },
    models: ({ training }) => trainee.models(resultOf(settings, training)),
    validate: ({ training }) =>
      validation?.metrics(
        { ...training, params: resultOf(settings, training) },
        referenceOf(training),
      ) ?? Promise.resolve({}),
    [Symbol.dispose]() {
      validation?.[Symbol.dispose]();
      steps[Symbol.dispose]();
      feed[Symbol.dispose]();
    },
  };
  return learner;
}

/** Whether the tensors of a tree are more than outlines. */
function hasElements(tree: unknown): boolean {
  return leavesOf(tree).every(({ cell }) => cell.value.kind !== "outline");
}

/**
 * A state whose optimizer processes share out.
 *
 * @param collective The processes.
 * @param whole The whole state, in outlines.
 * @param own The part of this process, in outlines.
 */
function sharedState<E>(
  collective: Collective,
  whole: StageState<E>,
  own: StageState<E>,
): SharedState<StageState<E>> {
  const ownPaths = leafPaths(own);
  return {
    isOwn: (path) => ownPaths.has(path),
    own: (read) => {
      const leaves = leafPaths(read);
      return mapTree(own, (leaf, path) => leaves.get(path) ?? leaf);
    },
    whole: async ({ training, experience }) => {
      const { optimizer } = whole.training;
      const gathered = await gatherTree(collective, training.optimizer, optimizer);
      return { training: { ...training, optimizer: gathered }, experience };
    },
  };
}

/** The key of a stage's training. */
function trainingKey(seed: number, stage: number): Tensor {
  const [, own = key(seed)] = splitKey(key(seed));
  return stage === 0 ? own : foldKey(own, stage);
}

/** The place on the schedule, in steps, at a share of the budget that is spent. */
function clockAt(
  { steps, tokenBudget }: TrainSettings,
  spent: number = 0,
): Pick<TrainingState<unknown, unknown>, "clock"> {
  return tokenBudget === undefined ? {} : { clock: tensor(spent * steps) };
}

/** Refuses to begin where what is known of the metrics before the first step does not hold. */
async function checkStart<B, E>(
  { settings, device, trainee: { policy }, asking, startMetrics }: LearnerParts<B, E>,
  { params, average }: AveragedState,
  [batch]: readonly B[],
): Promise<void> {
  const identities = identitiesOf(settings);
  if (identities.length === 0 || batch === undefined) return;
  const evaluated = evaluationStep({ policy, ...asking });
  // One program, so that the policy is asked once for all of it.
  const score = compile((state: AveragedState & { readonly step: Tensor }, batch: B) => ({
    ...summarize(evaluated(state, batch)),
    ...startMetrics?.(modelOf(policy, state.params), batch),
  }), { device });
  try {
    const state = { params, ...average && { average }, step: tensor(0, { dtype: "i32" }) };
    const metrics = await readScalars(score(state, batch));
    checkIdentities(settings.objective.name, identities, metrics);
  } finally {
    score[Symbol.dispose]();
  }
}

/** Steps of one stage, which are not compiled yet, and their plan. */
interface PlannedSteps<B> {
  readonly steps: Steps<B>;
  readonly plan: StepPlan;
  /** What the user should know of the plan. */
  readonly note?: UserMessage;
}

/** The steps of a stage; values inside of blocks are computed again where that is set, or needed. */
function plannedSteps<B, E>(
  parts: LearnerParts<B, E>,
  optimizer: GradientTransform<unknown>,
  owners?: Owners,
): PlannedSteps<B> {
  const { settings, device, collective, trainee, asking, feed, held, evaluation } = parts;
  const { gradientAccumulation, batchTokens, checkpointActivations } = settings;
  const accumulates = gradientAccumulation > 1 || batchTokens !== undefined;
  const [learningRate, average] = [scheduleOf(settings), averageOf(settings)];
  // Outlines, none of which stands there twice: an average begins as the parameters themselves.
  const state = mapTree({
    ...initTrainingState(trainee.params, optimizer, key(0), asking.objective.memory, average),
    ...clockAt(settings),
  }, outline);
  const batches = feed.outline();
  const planned = (policy: TrainablePolicy, recomputes: boolean): PlannedSteps<B> => {
    const training = {
      ...{ policy, optimizer, learningRate },
      ...asking,
      ...average && { average },
    };
    const steps = collective.size > 1
      ? sharedSteps(training, state, firstOf(batches), { device, collective, owners })
      : compileSteps(training, accumulates, device);
    const caches = Math.max(evaluation.caches, feed.generationBytes ?? 0);
    const operands = {
      ...{ ...state, held, batch: firstOf(batches), caches },
      predictions: evaluation.predictions,
    };
    return { steps, plan: stepPlan(steps.plan(state, batches), operands, recomputes) };
  };
  const again = () => planned(recomputing(trainee.policy), true);
  if (checkpointActivations === "blocks") return again();
  const kept = planned(trainee.policy, false);
  const [needed, limit] = [totalMemory(kept.plan.memory), memoryLimit(settings, device)];
  if (keepsActivations(checkpointActivations, kept.plan, limit)) return kept;
  kept.steps[Symbol.dispose]();
  return {
    ...again(),
    note: message(
      "values inside of blocks are computed again for their gradient: kept, a step would take " +
        `${showBytes(needed)}, and ${device.name} has ${showBytes(limit)} (`,
      setting("checkpointActivations"),
      " auto)",
    ),
  };
}
