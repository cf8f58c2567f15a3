/**
 * From settings to the optimizer and its learning rate.
 *
 * @module
 */

import {
  adafactor,
  adamw,
  adamw8bit,
  chain,
  clipByGlobalNorm,
  constant,
  type GradientTransform,
  lion,
  masked,
  muon,
  type ParameterMask,
  rmsprop,
  type Schedule,
  sgd,
  warmupCosine,
} from "@unitune/autodiff";
import type { TrainSettings } from "../settings.ts";

/**
 * The learning rate: a linear warm-up to the peak, then half a cosine down to the least rate at the
 * last step. Where a stage has a budget of tokens, steps are shares of it, `1 / steps` each.
 *
 * @param settings The settings of a stage.
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
    vocabulary: number,
  ) => GradientTransform<unknown>;
} = {
  adamw: ({ beta1, beta2, weightDecay }, rate) => adamw(rate, { beta1, beta2, weightDecay }),
  adamw8bit: ({ beta1, beta2, weightDecay }, rate) =>
    adamw8bit(rate, { beta1, beta2, weightDecay }),
  // As transformers' Trainer has it: the learning rate is that of the settings.
  adafactor: ({ weightDecay }, rate) => adafactor(rate, { scaleParameter: false, weightDecay }),
  muon: ({ beta1, beta2, weightDecay }, rate, vocabulary) =>
    muon(rate, {
      mask: (_, { shape }) => shape[0] !== vocabulary,
      adam: { beta1, beta2 },
      weightDecay,
    }),
  rmsprop: ({ beta2 }, rate) => rmsprop(rate, { decay: beta2 }),
  lion: ({ beta1, beta2, weightDecay }, rate) => lion(rate, { beta1, beta2, weightDecay }),
  sgd: ({ beta1 }, rate) => sgd(rate, { momentum: beta1 }),
};

/**
 * The optimizer that the settings name, behind a limit on the gradient's norm.
 *
 * @param settings The settings of a stage.
 * @param vocabulary The number of tokens: embeddings and heads have a row for each.
 * @param mask The parameters that it changes, and has a state for (default: all). The norm is that of
 * the whole gradient.
 * @returns The optimizer.
 */
export function optimizerOf(
  settings: TrainSettings,
  vocabulary: number,
  mask?: ParameterMask,
): GradientTransform<unknown> {
  // By a budget, the step multiplies the updates by the rate, whose place on the schedule it knows.
  const rate = settings.tokenBudget === undefined ? scheduleOf(settings) : constant(1);
  const whole = rules[settings.optimizer](settings, rate, vocabulary);
  const rule = mask === undefined ? whole : masked(mask, whole);
  return settings.gradientClip === 0
    ? rule
    : chain<unknown[]>(clipByGlobalNorm(settings.gradientClip), rule);
}
