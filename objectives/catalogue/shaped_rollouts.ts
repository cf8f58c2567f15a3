/** Kin of GRPO by the field's names: other ratios, other surrogates, other weights of tokens. */
import { checkOptions, ranges } from "@unitune/core";
import { type AdvantageEstimator, batchZScore } from "../advantages.ts";
import type { Normalizer } from "../aggregation.ts";
import { sumOf, weight } from "../combinators.ts";
import { objectiveDefaults } from "../defaults.ts";
import { both, estimate } from "../estimation.ts";
import { type Objective, objective } from "../objective.ts";
import { clipped, clippedDefaults, type ClippedOptions } from "../policy_gradient.ts";
import {
  gammaWeighted,
  type GammaWeightedOptions,
  geometricMean,
  type GeometricMeanOptions,
  type RatioShape,
  shaped,
  softGate,
  type SoftGateOptions,
} from "../ratio_shapes.ts";
import { decoupled, type RewardParts } from "../reward_parts.ts";
import {
  type GroupObjectiveOptions,
  scaledAdvantages,
  type ScaledGroupOptions,
} from "../reward_scale.ts";
import {
  adaptiveEntropyBonus,
  type AdaptiveEntropyOptions,
  correctedKl,
} from "../rollout_regularizers.ts";
import { advantage, type Rollouts, sampled } from "../rollouts.ts";
import { againstReference } from "../signals.ts";
import { highEntropy, onPolicy } from "../token_masks.ts";
import { weighed } from "../tokenwise.ts";
import type { ScoredRollouts } from "./rollouts.ts";

/** The normalizer of a sum over tokens, for objectives whose form says the usual one. */
export interface Normalized {
  /** The normalizer of the sum over tokens. */
  readonly normalizer?: Normalizer;
}

/**
 * LUSPO (arXiv 2602.05261): {@linkcode gspo} with each sequence weighed by its length, which takes
 * GSPO's bias toward short answers away.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, luspo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(luspo().description.formula), "mean_b sum_t -min(");
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and the normalizer.
 * @returns The objective.
 */
export function luspo(options: ScaledGroupOptions & ClippedOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("luspo", options))),
    clipped({ ...clippedDefaults.luspo, ...options }),
  );
}

/**
 * GSPO-token (arXiv 2507.18071): the ratio of {@linkcode gspo} with the gradient of each token, so
 * that advantages may differ from token to token. Where they do not, value and gradient are GSPO's.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, gspoToken } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(gspoToken().description.formula), "p/sg(p)");
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and the normalizer.
 * @returns The objective.
 */
export function gspoToken(options: ScaledGroupOptions & ClippedOptions = {}): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("gspoToken", options))),
    clipped({ ...clippedDefaults.gspoToken, ...options }),
  );
}

/** The expression of group advantages under a surrogate. */
function shapedBy(
  name: string,
  shape: RatioShape,
  options: ScaledGroupOptions,
  normalizer: Normalizer,
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages(name, options))),
    shaped(shape, { normalizer }),
  );
}

/**
 * SAPO (arXiv 2511.20347): GRPO with a soft gate in place of the clip.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, sapo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(sapo().description.formula), "sigmoid(tau (rho - 1))");
 * ```
 *
 * @param options The size of a group, the scale of rewards, the steepness of the gate, and the
 * normalizer (default `"sequence"`).
 * @returns The objective.
 */
export function sapo(
  { normalizer = "sequence", ...options }: ScaledGroupOptions & SoftGateOptions & Normalized = {},
): Objective<Rollouts> {
  return shapedBy("sapo", softGate(options), options, normalizer);
}

/**
 * VESPO (arXiv 2602.10693): the policy gradient weighed by a gamma function of the whole sequence's
 * ratio.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, vespo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(vespo().description.formula), "w^k e^(d (1 - w))");
 * ```
 *
 * @param options The size of a group, the scale of rewards, the weights, and the normalizer (default
 * `"token"`).
 * @returns The objective.
 */
export function vespo(
  { normalizer = objectiveDefaults.normalizer, ...options }:
    & ScaledGroupOptions
    & GammaWeightedOptions
    & Normalized = {},
): Objective<Rollouts> {
  return shapedBy("vespo", gammaWeighted(options), options, normalizer);
}

/**
 * GMPO (arXiv 2507.20673): the geometric mean of a sequence's ratios, each clipped in the logarithm.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, gmpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(gmpo().description.formula), "e^(mean_t c) A");
 * ```
 *
 * @param options The size of a group, the scale of rewards, and the clip range of log-ratios.
 * @returns The objective.
 */
export function gmpo(options: ScaledGroupOptions & GeometricMeanOptions = {}): Objective<Rollouts> {
  return shapedBy("gmpo", geometricMean(options), options, "sequence");
}

/** Z-scores over the batch, with GRPO's constant beside the deviation. */
const overBatch: AdvantageEstimator = {
  description: "A = (r - mean)/(std + 1e-4) of the batch",
  groupSize: 1,
  estimate: (rewards, counted) => batchZScore(rewards, { counted, epsilon: 1e-4 }),
};

/**
 * GDPO (arXiv 2601.05242): several rewards, each z-scored in its group, summed, and z-scored over the
 * batch; so cutting a batch into micro-batches changes its loss.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { gdpo } from "@unitune/objectives";
 *
 * assertStringIncludes(gdpo({ groupSize: 4 }).description.signal, "z-scored in groups of 4");
 * ```
 *
 * @param options The size of a group, clipping, and the normalizer.
 * @returns The objective.
 */
export function gdpo(
  { groupSize = objectiveDefaults.groupSize, ...options }: GroupObjectiveOptions & ClippedOptions =
    {},
): Objective<Rollouts & RewardParts> {
  return objective(
    estimate(sampled, decoupled({ groupSize }, advantage(overBatch))),
    clipped({ ...clippedDefaults.ppo, ...options }),
  );
}

/** The defaults of {@linkcode highEntropyDapo} beside those of {@linkcode dapo}. */
export const highEntropyDefaults = { share: 0.2 } as const;

/**
 * {@linkcode dapo} on the tokens at which the policy is most uncertain (arXiv 2506.01939), the forks
 * of an argument. The quantile is of the batch, so cutting it into micro-batches changes its loss.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, highEntropyDapo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(highEntropyDapo().description.formula), "sg(high)");
 * ```
 *
 * @param options The options of {@linkcode dapo}, and the share of tokens, from 0 to 1 (default 0.2).
 * @returns The objective.
 */
export function highEntropyDapo(
  { share = highEntropyDefaults.share, ...options }:
    & ScaledGroupOptions
    & ClippedOptions
    & { readonly share?: number } = {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("highEntropyDapo", options))),
    weighed(highEntropy({ share }), clipped({ ...clippedDefaults.dapo, ...options })),
  );
}

/**
 * GRPO with an entropy bonus whose weight follows the entropy (Skywork-OR1, arXiv 2505.22312), and a
 * token mean.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adaptiveEntropyGrpo } from "@unitune/objectives";
 *
 * const { memory } = adaptiveEntropyGrpo();
 * assertEquals(memory?.start, { entropy_weight: 0, entropy_is_low: 0 });
 * ```
 *
 * @param options The size of a group, the scale of rewards, clipping, and `entropy`, the options of
 * the bonus.
 * @returns The objective.
 */
export function adaptiveEntropyGrpo(
  { entropy = {}, ...options }:
    & ScaledGroupOptions
    & ClippedOptions
    & { readonly entropy?: AdaptiveEntropyOptions } = {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(scaledAdvantages("adaptiveEntropyGrpo", options))),
    sumOf(clipped({ ...clippedDefaults.ppo, ...options }), adaptiveEntropyBonus(entropy)),
  );
}

/** The defaults of {@linkcode maskedGrpo} beside those of {@linkcode grpo}. */
export const maskedGrpoDefaults = { beta: 0.04, threshold: 0.5, scaleRewards: "none" } as const;

/**
 * GRPO as DeepSeek-V3.2 has it (arXiv 2512.02556): sequences of negative advantage that the policy
 * has moved away from are left out, the KL is corrected by the ratio, and advantages have no scale.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, maskedGrpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(maskedGrpo().description.formula), "sg(keep_b) (-min(");
 * ```
 *
 * @param options The options of {@linkcode grpo}; the weight beta of the KL, at least 0 (default
 * 0.04); and the threshold of the mask, in nats per token (default 0.5).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function maskedGrpo(
  options: ScaledGroupOptions & ClippedOptions & {
    readonly beta?: number;
    readonly threshold?: number;
  } = {},
): Objective<ScoredRollouts> {
  const { beta, threshold, ...known } = { ...maskedGrpoDefaults, ...options };
  checkOptions("maskedGrpo", { beta: ranges.nonNegative }, { beta });
  const clipping = { ...clippedDefaults.grpo, ...known };
  const { normalizer = objectiveDefaults.normalizer } = clipping;
  return objective(
    estimate(
      sampled,
      both(advantage(scaledAdvantages("maskedGrpo", known)), againstReference("precomputed")),
    ),
    sumOf(
      weighed(onPolicy({ threshold }), clipped(clipping)),
      weight(beta, correctedKl({ normalizer })),
    ),
  );
}
