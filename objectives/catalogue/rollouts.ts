/** Objectives on sampled answers by the field's names, each one expression of the parts. */
import { checkOptions, ranges } from "@unitune/core";
import { estimator, gaeConstants } from "../advantages.ts";
import { sumOf, weight } from "../combinators.ts";
import { objectiveDefaults } from "../defaults.ts";
import { both, estimate } from "../estimation.ts";
import { intuitive, type IntuitiveOptions } from "../intuitive.ts";
import { nll, type NllOptions } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import { paired, pairwise } from "../pairs.ts";
import { passed, type PassedOptions } from "../passing.ts";
import type { PreferenceObjectiveOptions } from "./pairs.ts";
import {
  cappedPolicyGradient,
  type CispoOptions,
  clipped,
  clippedDefaults,
  type ClippedOptions,
  policyGradient,
  type PolicyGradientOptions,
} from "../policy_gradient.ts";
import { entropyBonus, kl } from "../regularizers.ts";
import {
  type GroupObjectiveOptions,
  type RewardScale,
  scaledAdvantages,
  type ScaledGroupOptions,
} from "../reward_scale.ts";
import {
  type ActorCriticOptions,
  advantage,
  best,
  gae,
  penalized,
  ranked,
  type RankingOptions,
  type Rewarded,
  type Rollouts,
  sampled,
  type SampledTokens,
  type ValueScores,
} from "../rollouts.ts";
import { againstReference, indicator, type ReferenceScores } from "../signals.ts";
import { valueRegression } from "../value_loss.ts";

/** Rollouts whose tokens a reference has scored. */
export interface ScoredRollouts extends Rollouts, ReferenceScores {}

export type { GroupObjectiveOptions, RewardScale, ScaledGroupOptions };

/**
 * REINFORCE (Williams 1992): the policy gradient with raw rewards.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, reinforce } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(reinforce().description.formula), "-A log p");
 * ```
 *
 * @param options The normalizer.
 * @returns The objective.
 */
export function reinforce(options: PolicyGradientOptions = {}): Objective<Rollouts> {
  return objective(estimate(sampled, advantage(estimator("raw"))), policyGradient(options));
}

/**
 * REINFORCE++ (arXiv 2501.03262): rewards z-scored over the batch, clipped.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { reinforcePlusPlus } from "@unitune/objectives";
 *
 * assertStringIncludes(reinforcePlusPlus().description.signal, "of the batch");
 * ```
 *
 * @param options Clipping, and the normalizer.
 * @returns The objective.
 */
export function reinforcePlusPlus(options: ClippedOptions = {}): Objective<Rollouts> {
  return objective(estimate(sampled, advantage(estimator("batch-z-score"))), clipped(options));
}

/** The options of {@linkcode ppo}. */
export interface PpoOptions extends ActorCriticOptions, ClippedOptions {
  /**
   * Whether advantages are whitened over the batch; then cutting a batch into micro-batches changes
   * its loss (default true, as in post-training's PPO, arXiv 1909.08593 and TRL; the paper does not
   * whiten).
   */
  readonly whiten?: boolean;
  /** The weight of the KL that is subtracted from rewards, at least 0 (default 0.05). */
  readonly penalty?: number;
  /** The weight of the value loss, at least 0 (default 0.1). */
  readonly valueWeight?: number;
  /** Clip range of a value around the old one, from 0 to `Infinity` (default 0.2). */
  readonly valueEpsilon?: number;
  /** The weight of the entropy bonus, at least 0 (default 0: none). */
  readonly entropyWeight?: number;
}

/** The defaults of {@linkcode ppo}, except those of clipping ({@linkcode clippedDefaults}). */
export const ppoDefaults: Required<Omit<PpoOptions, keyof ClippedOptions>> = {
  ...gaeConstants("ppo", {}),
  values: "asked",
  whiten: true,
  penalty: 0.05,
  valueWeight: 0.1,
  valueEpsilon: objectiveDefaults.clipRange,
  entropyWeight: 0,
};

const ppoRanges = {
  penalty: ranges.nonNegative,
  valueWeight: ranges.nonNegative,
  valueEpsilon: ranges.upToInfinity,
  entropyWeight: ranges.nonNegative,
};

/**
 * PPO (arXiv 1707.06347) as post-training runs it: rewards less a KL, advantages by GAE, whitened, a
 * clipped policy and a clipped value. The sums over tokens of policy, value and entropy are all
 * divided by the same normalizer. The policy needs a value head.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, ppo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(ppo().description.formula), "V - R");
 * ```
 *
 * @param options The options of advantages, clipping and weights.
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function ppo(options: PpoOptions = {}): Objective<ScoredRollouts & ValueScores> {
  const { penalty, valueWeight, valueEpsilon, entropyWeight, ...advantages } = {
    ...ppoDefaults,
    ...options,
  };
  checkOptions("ppo", ppoRanges, options);
  const clipping = { ...clippedDefaults.ppo, ...options };
  const normalized = clipping.normalizer === undefined ? {} : { normalizer: clipping.normalizer };
  const losses = sumOf(
    clipped(clipping),
    weight(valueWeight, valueRegression({ epsilon: valueEpsilon, ...normalized })),
  );
  return objective(
    estimate(sampled, penalized({ coefficient: penalty }, gae(advantages))),
    entropyWeight === 0 ? losses : sumOf(losses, weight(entropyWeight, entropyBonus(normalized))),
  );
}

/**
 * RLOO (arXiv 2402.14740): leave-one-out advantages, ratios of whole sequences.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { rloo } from "@unitune/objectives";
 *
 * assertStringIncludes(rloo({ groupSize: 4 }).description.signal, "others of 4");
 * ```
 *
 * @param options The size of a group, clipping, and the normalizer.
 * @returns The objective.
 */
export function rloo(
  { groupSize = objectiveDefaults.groupSize, ...options }: GroupObjectiveOptions & ClippedOptions =
    {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(estimator("leave-one-out", groupSize))),
    clipped({ ...clippedDefaults.rloo, ...options }),
  );
}

/**
 * GRPO (arXiv 2402.03300): rewards z-scored in groups, clipped token ratios, mean of token means.
 * Its KL to a reference is {@linkcode grpoKl}.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { grpo } from "@unitune/objectives";
 *
 * assertStringIncludes(grpo({ groupSize: 4 }).description.signal, "of the group of 4");
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and the normalizer.
 * @returns The objective.
 */
export function grpo(options: ScaledGroupOptions & ClippedOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("grpo", options))),
    clipped({ ...clippedDefaults.grpo, ...options }),
  );
}

/** The number of groups that a training by {@linkcode replayGrpo} keeps, as TRL does. */
export const replayGrpoDefaults = { keptGroups: 64 } as const;

/**
 * {@linkcode grpo} on batches in which groups of equal rewards, which teach nothing, are replaced by
 * earlier groups (TRL's GRPOWithReplayBufferTrainer). The ratios of these are to the policy that
 * sampled them.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { replayGrpo } from "@unitune/objectives";
 *
 * assertStringIncludes(replayGrpo().description.signal, "replaced by earlier ones");
 * ```
 *
 * @param options The options of {@linkcode grpo}.
 * @returns The objective; feeds replace the groups.
 */
export function replayGrpo(
  options: ScaledGroupOptions & ClippedOptions = {},
): Objective<Rollouts> {
  const { description, ...learned } = grpo(options);
  const signal = `${description.signal}; groups of equal rewards replaced by earlier ones`;
  return { ...learned, description: { ...description, signal } };
}

/** The defaults of {@linkcode grpoKl} beside those of {@linkcode grpo}. */
export const grpoKlDefaults = { beta: 0.04 } as const;

/**
 * {@linkcode grpo} with the KL to a reference as a part of the loss: the mean of each token's
 * surrogate and KL, both divided by the same normalizer.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, grpoKl } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(grpoKl({ beta: 0.04 }).description.formula), "0.04 (");
 * ```
 *
 * @param options The options of {@linkcode grpo}, and the weight beta of the KL, at least 0
 * (default 0.04).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function grpoKl(
  { beta = grpoKlDefaults.beta, ...options }:
    & ScaledGroupOptions
    & ClippedOptions
    & { readonly beta?: number } = {},
): Objective<ScoredRollouts> {
  checkOptions("grpoKl", { beta: ranges.nonNegative }, { beta });
  const clipping = { ...clippedDefaults.grpo, ...options };
  const normalized = clipping.normalizer === undefined ? {} : { normalizer: clipping.normalizer };
  return objective(
    estimate(
      sampled,
      both(advantage(scaledAdvantages("grpoKl", options)), againstReference("precomputed")),
    ),
    sumOf(clipped(clipping), weight(beta, kl(normalized))),
  );
}

/**
 * DAPO (arXiv 2503.14476): GRPO with a higher upper clip, and the same weight for every token.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { dapo } from "@unitune/objectives";
 *
 * assertStringIncludes(dapo({ groupSize: 4 }).description.signal, "of the group of 4");
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and the normalizer.
 * @returns The objective.
 */
export function dapo(options: ScaledGroupOptions & ClippedOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("dapo", options))),
    clipped({ ...clippedDefaults.dapo, ...options }),
  );
}

/** The defaults of {@linkcode drGrpo} that other objectives do not have. */
export const drGrpoDefaults = { maxLength: 256 } as const;

/**
 * Dr. GRPO (arXiv 2503.20783): no scale in the advantage, no length in the normalizer, which is
 * a constant: all rows, with an answer or without, times the longest completion.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { drGrpo } from "@unitune/objectives";
 *
 * assertStringIncludes(drGrpo({ maxLength: 64 }).description.normalizer, "sequences x 64");
 * ```
 *
 * @param options The size of a group, clipping, and the longest completion (default 256).
 * @returns The objective.
 */
export function drGrpo(
  { groupSize = objectiveDefaults.groupSize, maxLength = drGrpoDefaults.maxLength, ...options }:
    & GroupObjectiveOptions
    & Omit<ClippedOptions, "normalizer">
    & { readonly maxLength?: number } = {},
): Objective<Rollouts> {
  checkOptions("drGrpo", { maxLength: ranges.positive }, { maxLength });
  return objective(
    estimate(sampled, advantage(estimator("group-mean", groupSize))),
    clipped({ ...clippedDefaults.drGrpo, ...options, normalizer: maxLength }),
  );
}

/**
 * GSPO (arXiv 2507.18071): GRPO with one ratio a sequence, the geometric mean of its tokens'.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { gspo } from "@unitune/objectives";
 *
 * assertStringIncludes(gspo({ groupSize: 4 }).description.signal, "of the group of 4");
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and the normalizer.
 * @returns The objective.
 */
export function gspo(options: ScaledGroupOptions & ClippedOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("gspo", options))),
    clipped({ ...clippedDefaults.gspo, ...options }),
  );
}

/**
 * CISPO (arXiv 2506.13585): the policy gradient weighed by capped ratios, so that no token loses
 * its gradient.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { cispo, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(cispo({ cap: 3 }).description.formula), "min(rho, 3)");
 * ```
 *
 * @param options The size of a group, the scale of rewards, the cap, and the normalizer.
 * @returns The objective.
 */
export function cispo(options: ScaledGroupOptions & CispoOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("cispo", options))),
    cappedPolicyGradient(options),
  );
}

/**
 * MaxRL: advantages `(r - m) / m`, clipped token ratios.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { maxRlGradient } from "@unitune/objectives";
 *
 * assertStringIncludes(maxRlGradient({ groupSize: 4 }).description.signal, "of the group of 4");
 * ```
 *
 * @param options The size of a group, clipping, and the normalizer.
 * @returns The objective.
 */
export function maxRlGradient(
  { groupSize = objectiveDefaults.groupSize, ...options }: GroupObjectiveOptions & ClippedOptions =
    {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(estimator("max-rl", groupSize))),
    clipped({ ...clippedDefaults.ppo, ...options }),
  );
}

/**
 * "Intuitive GRPO", a name of ours: group advantages, with each sampled answer evaluated between
 * its own prefixes and the policy's present tokens in their place.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { intuitiveGrpo } from "@unitune/objectives";
 *
 * assertStringIncludes(intuitiveGrpo({ lambda: 0.3 }).description.modelStates, "0.3");
 * ```
 *
 * @param options The options of the states, the size of a group, and the scale of rewards.
 * @returns The objective.
 */
export function intuitiveGrpo(
  options: ScaledGroupOptions & IntuitiveOptions = {},
): Objective<Rollouts> {
  return objective(
    estimate(intuitive(options), advantage(scaledAdvantages("intuitiveGrpo", options))),
    policyGradient({ normalizer: "sequence" }),
  );
}

/**
 * Online DPO (arXiv 2402.04792): the best of each prompt's sampled answers over the worst.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { onlineDpo } from "@unitune/objectives";
 *
 * assertStringIncludes(onlineDpo().description.signal, "best of 2 over worst");
 * ```
 *
 * @param options The size of a group (default 2), and hyperparameters of the loss.
 * @returns The objective.
 */
export function onlineDpo(
  { groupSize = objectiveDefaults.rankedGroupSize, ...options }:
    & RankingOptions
    & PreferenceObjectiveOptions = {},
): Objective<SampledTokens & ReferenceScores & Rewarded> {
  return objective(
    ranked(paired(estimate(sampled, againstReference("precomputed"))), { groupSize }),
    pairwise({ ...options, form: "dpo" }),
  );
}

/**
 * Rejection sampling: the likelihood of all right ones of each prompt's sampled answers, divided by
 * their tokens. RAFT in the form of arXiv 2504.11343, which learns from every answer with a reward of
 * 1 (that of arXiv 2304.06767 is {@linkcode bestOfN}), and RFT (arXiv 2308.01825) with answers
 * sampled anew in every step.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { rejectionSampling } from "@unitune/objectives";
 *
 * const { signal } = rejectionSampling({ passing: 0.5 }).description;
 * assertStringIncludes(signal, "those of 8 with r >= 0.5");
 * ```
 *
 * @param options The size of a group (default 8), the reward that passes (default 1), and the
 * normalizer.
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function rejectionSampling(
  { groupSize, passing, ...options }: PassedOptions & NllOptions = {},
): Objective<SampledTokens & Rewarded> {
  const known = {
    ...groupSize !== undefined && { groupSize },
    ...passing !== undefined && { passing },
  };
  return objective(passed(estimate(sampled, indicator), known), nll(options));
}

/**
 * Best of N: the likelihood of each prompt's best sampled answer (RAFT of arXiv 2304.06767).
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { bestOfN } from "@unitune/objectives";
 *
 * assertStringIncludes(bestOfN({ groupSize: 8 }).description.signal, "best of 8");
 * ```
 *
 * @param options The size of a group (default 8), and the normalizer.
 * @returns The objective.
 */
export function bestOfN(
  { groupSize = objectiveDefaults.groupSize, ...options }: RankingOptions & NllOptions = {},
): Objective<SampledTokens & Rewarded> {
  return objective(best(estimate(sampled, indicator), { groupSize }), nll(options));
}
