/** GRPO's advantages: rewards less the mean of their group, at a scale. */
import { type AdvantageEstimator, type AdvantageForm, estimator } from "./advantages.ts";
import { checkName } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";

/** The options of objectives on groups of rollouts. */
export interface GroupObjectiveOptions {
  /** Answers to each prompt, at least 2, in consecutive rows (default 8). */
  readonly groupSize?: number;
}

/**
 * The number that a reward less the mean of its group is divided by: `"group"`, the group's
 * standard deviation + 1e-4 (GRPO); `"batch"`, the batch's standard deviation + 1e-4 (arXiv
 * 2508.08221), so that cutting a batch into micro-batches changes its loss; `"none"`, 1 (Dr. GRPO).
 * As TRL's `scale_rewards`.
 */
export type RewardScale = "group" | "batch" | "none";

const scaledBy: Readonly<Record<RewardScale, AdvantageForm>> = {
  group: "group-z-score",
  batch: "group-mean-batch-std",
  none: "group-mean",
};

/** The options of the advantages of GRPO and its kin. */
export interface ScaledGroupOptions extends GroupObjectiveOptions {
  /** The scale that advantages are divided by (default `"group"`). */
  readonly scaleRewards?: RewardScale;
}

/** GRPO's advantages with a scale. */
export function scaledAdvantages(
  name: string,
  { groupSize = objectiveDefaults.groupSize, scaleRewards = objectiveDefaults.scaleRewards }:
    ScaledGroupOptions,
): AdvantageEstimator {
  checkName(`${name}: scaleRewards`, scaleRewards, scaledBy);
  return estimator(scaledBy[scaleRewards], groupSize);
}
