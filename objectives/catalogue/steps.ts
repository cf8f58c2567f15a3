/** Objectives on answers in steps, each one expression of the parts. */
import { type Objective, objective } from "../objective.ts";
import {
  type LabelledSteps,
  scoredSteps,
  stepCrossEntropy,
  type StepOptions,
} from "../process_reward_model.ts";

/**
 * A process reward model learned from labels of steps: a policy whose only logit is the log-odds that
 * a step is right.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { processRewardModel } from "@unitune/objectives";
 *
 * assertEquals(processRewardModel().description.normalizer, "steps");
 * ```
 *
 * @param options The steps that count.
 * @returns The objective.
 */
export function processRewardModel(options?: StepOptions): Objective<LabelledSteps> {
  return objective(scoredSteps(options), stepCrossEntropy());
}
