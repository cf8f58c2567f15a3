/** Objectives on the policy's answers beside those of another model, each one expression. */
import { checkOptions, ranges } from "@unitune/core";
import { advantageRegression, regressionDefaults } from "../advantage_regression.ts";
import { sumOf, weight } from "../combinators.ts";
import { objectiveDefaults } from "../defaults.ts";
import { both, estimate } from "../estimation.ts";
import { oneOf, optimalValue, optimalValueDefaults, preferred } from "../group_values.ts";
import { nll } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import { paired, pairwise } from "../pairs.ts";
import { policyGradient } from "../policy_gradient.ts";
import { advantage, ranked, type Rewarded, sampled, type SampledTokens } from "../rollouts.ts";
import { againstReference, indicator, type ReferenceScores } from "../signals.ts";
import { weighed } from "../tokenwise.ts";
import { referenceLogRatio } from "../weights.ts";
import type { PreferenceObjectiveOptions } from "./pairs.ts";
import type { ScoredRollouts } from "./rollouts.ts";

/** The options of {@linkcode aStarPo}. */
export interface AStarPoOptions {
  /** Answers to each prompt: one of the policy, and the reference's others (default 8). */
  readonly groupSize?: number;
  /** The temperature b1 of the value, above 0 (default 0.5). */
  readonly valueTemperature?: number;
  /** The strength b2 of the reference, above 0 (default 1e-3). */
  readonly beta?: number;
}

/** The defaults of {@linkcode aStarPo}. */
export const aStarPoDefaults: Required<AStarPoOptions> = {
  groupSize: optimalValueDefaults.groupSize,
  valueTemperature: optimalValueDefaults.beta,
  beta: regressionDefaults.beta,
};

/**
 * A*-PO (arXiv 2505.20686): the implicit reward of an answer is fitted to its reward less the optimal
 * value of the prompt, which answers of the reference estimate. Prompts that the reference never
 * solves are left out. In each group the first answer is the policy's; the others are the reference's,
 * sampled anew each time, where the paper samples them once.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { aStarPo } from "@unitune/objectives";
 *
 * assertStringIncludes(aStarPo().description.signal, "answer 1 of 8");
 * ```
 *
 * @param options The size of a group, and both temperatures.
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function aStarPo(options: AStarPoOptions = {}): Objective<ScoredRollouts> {
  const { groupSize, valueTemperature, beta } = { ...aStarPoDefaults, ...options };
  const signal = both(
    advantage(optimalValue({ groupSize, beta: valueTemperature })),
    againstReference("precomputed"),
  );
  return objective(
    oneOf(estimate(sampled, signal), { groupSize, solved: true, others: "reference" }),
    advantageRegression({ beta }),
  );
}

/** The defaults of {@linkcode xpo} beside those of {@linkcode onlineDpo}. */
export const xpoDefaults = { alpha: 1e-5 } as const;

/**
 * Exploratory preference optimization (XPO, arXiv 2405.21046): DPO between an answer of the policy and
 * one of the reference, and a bonus for moving away from the reference's answers: alpha times their
 * log-probability is added to the loss. In each pair of rows the first answer is the policy's.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, xpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(xpo({ alpha: 0.5 }).description.formula), "-0.5 (mean_b sum_t l_bt)");
 * ```
 *
 * @param options The options of the pairs' loss, and the weight alpha of the bonus, at least 0
 * (default 1e-5).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function xpo(
  { alpha = xpoDefaults.alpha, ...options }:
    & Omit<PreferenceObjectiveOptions, "alpha">
    & { readonly alpha?: number } = {},
): Objective<SampledTokens & ReferenceScores & Rewarded> {
  checkOptions("xpo", { alpha: ranges.nonNegative }, { alpha });
  const compared = objective(
    ranked(paired(estimate(sampled, againstReference("precomputed")))),
    pairwise({ ...options, form: "dpo" }),
  );
  const theirs = objective(
    oneOf(estimate(sampled, indicator), { place: 1, others: "reference" }),
    nll({ normalizer: 1 }),
  );
  return sumOf(compared, weight(-alpha, theirs));
}

/** The options of {@linkcode nashMd}. */
export interface NashMdOptions {
  /** The strength b of the reference, above 0 (default 0.1). */
  readonly beta?: number;
}

/** The defaults of {@linkcode nashMd}, and the reference's share in the mixture that samples. */
export const nashMdDefaults = { beta: objectiveDefaults.beta, referenceShare: 0.5 } as const;

/**
 * Nash-MD (arXiv 2312.00886): the policy gradient of the probability that an answer of the policy is
 * preferred to one of a mixture of policy and reference, with a KL to the reference by its policy
 * gradient. In each pair of rows the first answer is the policy's. The mixture is geometric: its
 * logits are those of both, at their shares.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nashMd } from "@unitune/objectives";
 *
 * assertEquals(nashMd().description.data.includes("mixture rollouts"), true);
 * ```
 *
 * @param options The strength of the reference.
 * @returns The objective.
 * @throws {RangeError} If it is out of range.
 */
export function nashMd({ beta = nashMdDefaults.beta }: NashMdOptions = {}): Objective<
  ScoredRollouts
> {
  checkOptions("nashMd", { beta: ranges.positive }, { beta });
  const signal = both(advantage(preferred), againstReference("precomputed"));
  const towardsReference = weighed(referenceLogRatio, nll({ normalizer: 1 }));
  return objective(
    oneOf(estimate(sampled, signal), { others: "mixture" }),
    sumOf(policyGradient({ normalizer: 1 }), weight(-beta, towardsReference)),
  );
}
