/** Objectives on the policy's answers beside those of another model, each one expression. */
import { checkOptions, ranges } from "@unitune/core";
import { advantageRegression, regressionDefaults } from "../advantage_regression.ts";
import { sumOf, weight } from "../combinators.ts";
import { both, estimate } from "../estimation.ts";
import { oneOf, optimalValue, optimalValueDefaults } from "../group_values.ts";
import { nll } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import { paired, pairwise } from "../pairs.ts";
import { advantage, ranked, type Rewarded, sampled, type SampledTokens } from "../rollouts.ts";
import { againstReference, indicator, type ReferenceScores } from "../signals.ts";
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
