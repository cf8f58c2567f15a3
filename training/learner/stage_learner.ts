/**
 * A learner from its parts: the model in training, the objective and the optimizer as compiled
 * programs, and the feed of their batches.
 *
 * @module
 */

import {
  compile,
  type Device,
  evaluate,
  foldKey,
  key,
  splitKey,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  accumulateGradients,
  applyAccumulated,
  evaluationStep,
  initTrainingState,
  type Model,
  modelOf,
  type Objective,
  type StepParts,
  type StepResult,
  summarize,
  type TrainingState,
  trainingStep,
} from "@unitune/objectives";
import { readScalars } from "../evaluation.ts";
import type { Feed } from "../feeds/feed.ts";
import { checkIdentities, identitiesOf } from "./identities.ts";
import type { Learner } from "./learner.ts";
import { copyTree } from "./models.ts";
import { optimizerOf, scheduleOf } from "./optimizer.ts";
import type { TrainSettings } from "../settings.ts";
import type { Trainee } from "./trainee.ts";

/** The parts of a learner. */
export interface LearnerParts<B, E> {
  /** The settings of the stage. */
  readonly settings: TrainSettings;
  /** The stage's number, from 0. */
  readonly stage: number;
  /** The device to compute on. */
  readonly device: Device;
  /** The model in training. */
  readonly trainee: Trainee;
  /** The objective. */
  readonly objective: Objective<B>;
  /** The batches. */
  readonly feed: Feed<B, E>;
  /** The metrics of the objective on validation rows (default: none). */
  readonly validation?: Validation;
  /** More that is known before the first step, for {@linkcode identitiesOf}. */
  readonly startMetrics?: (model: Model, batch: B) => Readonly<Record<string, Tensor>>;
}

/** The metrics of an objective on validation rows. */
export interface Validation extends Disposable {
  /** Metrics by name. */
  metrics(params: unknown): Promise<Readonly<Record<string, number>>>;
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
  const { settings, stage, device, trainee, objective, feed, validation } = parts;
  const { policy } = trainee;
  const optimizer = optimizerOf(settings);
  const training = { policy, objective, optimizer, learningRate: scheduleOf(settings) };
  const { gradientAccumulation, batchTokens } = settings;
  const accumulates = gradientAccumulation > 1 || batchTokens !== undefined;
  const steps = compileSteps(training, accumulates, device);
  const params = await copyTree(trainee.params);
  const learner: Learner<StageState<E>> = {
    setUp: feed.setUp,
    notes: feed.notes,
    epoch: feed.epoch,
    init: () => ({
      training: evaluate(
        initTrainingState(params, optimizer, trainingKey(settings.seed, stage)),
        device,
      ),
      experience: feed.empty,
    }),
    async step({ training, experience: before }, index) {
      const { batches, experience, metrics, samples, cost } = await feed.next(
        training.params,
        before,
        index,
      );
      if (index === 0) await checkStart(parts, training.params, firstOf(batches));
      const result = steps(training, batches);
      return {
        state: { training: result.state, experience },
        metrics: { ...metrics, ...result.metrics },
        samples,
        cost,
      };
    },
    models: ({ training: { params } }) => trainee.models(params),
    validate: ({ training: { params } }) => validation?.metrics(params) ?? Promise.resolve({}),
    [Symbol.dispose]() {
      validation?.[Symbol.dispose]();
      steps[Symbol.dispose]();
      feed[Symbol.dispose]();
    },
  };
  return learner;
}

/** The key of a stage's training. */
function trainingKey(seed: number, stage: number): Tensor {
  const [, own = key(seed)] = splitKey(key(seed));
  return stage === 0 ? own : foldKey(own, stage);
}

/** Refuses to begin where what is known of the metrics before the first step does not hold. */
async function checkStart<B, E>(
  { settings, device, trainee: { policy }, objective, startMetrics }: LearnerParts<B, E>,
  params: unknown,
  batch: B,
): Promise<void> {
  const identities = identitiesOf(settings);
  if (identities.length === 0) return;
  const evaluated = evaluationStep({ policy, objective });
  // One program, so that the policy is asked once for all of it.
  const score = compile((params: unknown, step: Tensor, batch: B) => ({
    ...summarize(evaluated({ params, step }, batch)),
    ...startMetrics?.(modelOf(policy, params), batch),
  }), { device });
  try {
    const metrics = await readScalars(score(params, tensor(0, { dtype: "i32" }), batch));
    checkIdentities(settings.objective.name, identities, metrics);
  } finally {
    score[Symbol.dispose]();
  }
}

/**
 * Steps of one stage: a program for each length of batches; where gradients are accumulated, two, as
 * the first micro-batch of a step adds to no sums, and one for the update.
 */
interface Steps<B> extends Disposable {
  (state: TrainingState<unknown, unknown>, batches: readonly B[]): StepResult<unknown, unknown>;
}

function compileSteps<B>(
  training: StepParts<unknown, B, unknown>,
  accumulates: boolean,
  device: Device,
): Steps<B> {
  if (!accumulates) {
    const step = compile(trainingStep(training), { device, donate: [0] });
    return Object.assign(
      (state: TrainingState<unknown, unknown>, batches: readonly B[]) =>
        step(state, firstOf(batches)),
      { [Symbol.dispose]: () => step[Symbol.dispose]() },
    );
  }
  const accumulate = compile(accumulateGradients(training), { device, donate: [2] });
  const update = compile(applyAccumulated(training), { device, donate: [0, 1] });
  return Object.assign(
    (state: TrainingState<unknown, unknown>, batches: readonly B[]) => {
      let sums = accumulate(state, firstOf(batches));
      for (const batch of batches.slice(1)) sums = accumulate(state, batch, sums);
      return update(state, sums);
    },
    {
      [Symbol.dispose]() {
        accumulate[Symbol.dispose]();
        update[Symbol.dispose]();
      },
    },
  );
}

function firstOf<T>(elements: readonly T[]): T {
  const [first] = elements;
  if (first === undefined) throw new RangeError("a step without a batch");
  return first;
}
