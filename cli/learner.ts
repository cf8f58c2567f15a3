/**
 * From settings to what learns: the objective, the optimizer, and the step of a run as compiled
 * programs.
 *
 * @module
 */

import {
  adamw,
  chain,
  clipByGlobalNorm,
  type GradientTransform,
  lion,
  rmsprop,
  type Schedule,
  sgd,
  warmupCosine,
} from "@unitune/autodiff";
import { compile, type Device, evaluate, key, splitKey } from "@unitune/core";
import { type Gpt, gpt, type GptParameters } from "@unitune/models";
import {
  accumulateGradients,
  applyAccumulated,
  type Demonstrations,
  fixedLambda,
  ift,
  initTrainingState,
  type LambdaSchedule,
  linearLambda,
  noisyLambda,
  type Objective,
  sft,
  type StepResult,
  trainingStep,
} from "@unitune/objectives";
import { toBatch } from "./batches.ts";
import type { Prepared } from "./prepare.ts";
import type { TrainSettings } from "./settings.ts";
import type { RunState } from "./trained.ts";

const lambdaSchedules: {
  readonly [Name in TrainSettings["lambdaSchedule"]]: (settings: TrainSettings) => LambdaSchedule;
} = {
  fixed: ({ lambda }) => fixedLambda(lambda),
  linear: ({ lambda, warmupSteps }) =>
    linearLambda({ from: 0, to: lambda, steps: Math.max(1, warmupSteps) }),
  noisy: ({ lambda }) => noisyLambda({ lambda }),
};

const objectives: {
  readonly [Name in TrainSettings["objective"]]: (
    settings: TrainSettings,
  ) => Objective<Demonstrations>;
} = {
  sft: ({ normalizer }) => sft({ normalizer }),
  ift: (settings) =>
    ift({
      lambda: lambdaSchedules[settings.lambdaSchedule](settings),
      gamma: settings.gamma,
      propagation: settings.propagation,
      embeddings: settings.embeddings,
    }),
};

/**
 * The objective that the settings name.
 *
 * @param settings The run's settings.
 * @returns The objective.
 *
 * @example
 * ```ts
 * import { objectiveOf, trainSettings } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const { normalizer } = objectiveOf(trainSettings()).description;
 * assertEquals(normalizer, "answer tokens of the batch");
 * ```
 */
export function objectiveOf(settings: TrainSettings): Objective<Demonstrations> {
  return objectives[settings.objective](settings);
}

/**
 * The learning rate: a linear warm-up to the peak, then half a cosine down to the least rate at the
 * last step.
 *
 * @param settings The run's settings.
 * @returns The schedule.
 */
export function scheduleOf(settings: TrainSettings): Schedule {
  const { learningRate: peak, minLearningRate: end = peak / 10, warmupSteps, steps } = settings;
  return warmupCosine({ peak, end, warmup: Math.min(warmupSteps, steps), total: steps });
}

const rules: {
  readonly [Name in TrainSettings["optimizer"]]: (
    settings: TrainSettings,
    rate: Schedule,
  ) => GradientTransform<unknown>;
} = {
  adamw: ({ beta1, beta2, weightDecay }, rate) => adamw(rate, { beta1, beta2, weightDecay }),
  rmsprop: ({ beta2 }, rate) => rmsprop(rate, { decay: beta2 }),
  lion: ({ beta1, beta2, weightDecay }, rate) => lion(rate, { beta1, beta2, weightDecay }),
  sgd: ({ beta1 }, rate) => sgd(rate, { momentum: beta1 }),
};

/**
 * The optimizer that the settings name, behind a limit on the gradient's norm.
 *
 * @param settings The run's settings.
 * @returns The optimizer.
 */
export function optimizerOf(settings: TrainSettings): GradientTransform<unknown> {
  const rule = rules[settings.optimizer](settings, scheduleOf(settings));
  return settings.gradientClip === 0
    ? rule
    : chain<unknown[]>(clipByGlobalNorm(settings.gradientClip), rule);
}

/** What learns: a run's model and its step. */
export interface Learner extends Disposable {
  /** The model. */
  readonly model: Gpt;
  /** The state before the first step. */
  init(): RunState;
  /** One optimizer step, the `index`-th from 0. The state is consumed. */
  step(state: RunState, index: number): StepResult<GptParameters, unknown>;
}

/**
 * The learner of a run. A step is one program; with gradient accumulation it is one for each
 * micro-batch and one for the update. They are compiled when first needed.
 *
 * @param settings The run's settings.
 * @param prepared What it trains on.
 * @param device Where it computes.
 * @returns The learner.
 */
export function createLearner(
  settings: TrainSettings,
  { config, source, tokenizer }: Prepared,
  device: Device,
): Learner {
  const model = gpt(config);
  const training = {
    policy: model,
    objective: objectiveOf(settings),
    optimizer: optimizerOf(settings),
    learningRate: scheduleOf(settings),
  };
  const { batchSize, gradientAccumulation, seed } = settings;

  /** The rows of the `index`-th forward pass since the start of the run. */
  const batch = (index: number): Demonstrations => {
    const rows = Array.from({ length: batchSize }, (_, i) => source.row(index * batchSize + i));
    return toBatch(rows, { length: source.length, padding: tokenizer.special.pad });
  };
  const init = () => {
    const [initKey = key(seed), trainingKey = key(seed)] = splitKey(key(seed));
    return evaluate(
      initTrainingState(model.init(initKey), training.optimizer, trainingKey),
      device,
    );
  };

  if (gradientAccumulation === 1) {
    const step = compile(trainingStep(training), { device, donate: [0] });
    return {
      model,
      init,
      step: (state, index) => step(state, batch(index)),
      [Symbol.dispose]: () => step[Symbol.dispose](),
    };
  }
  const accumulate = compile(accumulateGradients(training), { device, donate: [2] });
  const update = compile(applyAccumulated(training), { device, donate: [0, 1] });
  return {
    model,
    init,
    step: (state, index) => {
      const first = index * gradientAccumulation;
      let sums = accumulate(state, batch(first));
      for (let part = 1; part < gradientAccumulation; part++) {
        sums = accumulate(state, batch(first + part), sums);
      }
      return update(state, sums);
    },
    [Symbol.dispose]() {
      accumulate[Symbol.dispose]();
      update[Symbol.dispose]();
    },
  };
}
