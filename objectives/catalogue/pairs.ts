/** Objectives on human preferences by the field's names, each one expression of the parts. */
import { checkOptions, ranges } from "@unitune/core";
import { sumOf, weight } from "../combinators.ts";
import { anchoredLabels, type AnchoredOptions, binaryClassifier, liked } from "../answer_labels.ts";
import type { ScoredDemonstrations } from "./demonstrations.ts";
import { both, estimate } from "../estimation.ts";
import { type Demonstrations, gold } from "../gold.ts";
import { intuitive, type IntuitiveOptions } from "../intuitive.ts";
import {
  kahnemanTversky,
  type KtoOptions,
  labelled,
  type Labels,
  type ScoredLabels,
} from "../kto.ts";
import type { Normalizer } from "../aggregation.ts";
import { nll } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import type { Sides } from "../optimization.ts";
import {
  contrastivePreference,
  oddsRatio,
  onChosen,
  onPolicyWeighed,
  paired,
  pairwise,
  type PairwiseOptions,
  shapedPreference,
  simplePreference,
} from "../pairs.ts";
import type { Model } from "../policy.ts";
import {
  type AlphaPoOptions,
  type CpoOptions,
  orpoConstants,
  type OrpoOptions,
  type SimpoOptions,
} from "../reference_free.ts";
import { bradleyTerry, scored } from "../reward_model.ts";
import { againstReference, indicator } from "../signals.ts";

/** Chosen and rejected answers. */
export type Pairs = Sides<Demonstrations>;

/** Chosen and rejected answers whose tokens a reference has scored. */
export type ScoredPairs = Sides<ScoredDemonstrations>;

/** Unpaired answers labelled desirable or undesirable. */
export interface LabelledAnswers extends Demonstrations, Labels {}

/** Unpaired answers labelled desirable or undesirable, whose tokens a reference has scored. */
export interface ScoredLabelledAnswers extends Demonstrations, ScoredLabels {}

/** The options of an objective on pairs against a reference. */
export type PreferenceObjectiveOptions = Omit<PairwiseOptions, "form">;

/** An objective on pairs, against log-probabilities in the batch or against a reference policy. */
export interface PreferenceObjective {
  /** The batch holds the reference's log-probabilities. */
  (options?: PreferenceObjectiveOptions): Objective<ScoredPairs>;
  /** The reference is a model; the batch holds pairs only. */
  (options: PreferenceObjectiveOptions & { readonly reference: Model }): Objective<Pairs>;
}

/** The expression of every objective on pairs against a reference. */
function preference(form: NonNullable<PairwiseOptions["form"]>): PreferenceObjective {
  function of(options?: PreferenceObjectiveOptions): Objective<ScoredPairs>;
  function of(
    options: PreferenceObjectiveOptions & { readonly reference: Model },
  ): Objective<Pairs>;
  function of(
    { reference, ...options }: PreferenceObjectiveOptions & { readonly reference?: Model } = {},
  ): Objective<ScoredPairs> {
    const loss = pairwise({ ...options, form });
    return reference === undefined
      ? objective(paired(estimate(gold, againstReference("precomputed"))), loss)
      : objective(paired(estimate(gold, againstReference(reference))), loss);
  }
  return of;
}

/**
 * Direct preference optimization (arXiv 2305.18290), offline: logistic in the difference of
 * log-ratios.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { dpo } from "@unitune/objectives";
 *
 * assertAlmostEquals(dpo({ beta: 0.1 }).description.stepZero ?? NaN, 0.6931471806, 1e-6);
 * ```
 */
export const dpo: PreferenceObjective = preference("dpo");

/**
 * Identity preference optimization (arXiv 2310.12036): the difference of average log-ratios is
 * pulled toward `1/(2 beta)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { ipo } from "@unitune/objectives";
 *
 * assertAlmostEquals(ipo({ beta: 0.1 }).description.stepZero ?? NaN, 25, 1e-6);
 * ```
 */
export const ipo: PreferenceObjective = preference("ipo");

/**
 * SLiC's hinge (arXiv 2305.10425) on the difference of log-ratios.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { hinge } from "@unitune/objectives";
 *
 * assertAlmostEquals(hinge({ beta: 0.1 }).description.stepZero ?? NaN, 1, 1e-6);
 * ```
 */
export const hinge: PreferenceObjective = preference("hinge");

/**
 * The exponential member of GPO (arXiv 2402.05749).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { exponential } from "@unitune/objectives";
 *
 * assertAlmostEquals(exponential({ beta: 0.1 }).description.stepZero ?? NaN, 1, 1e-6);
 * ```
 */
export const exponential: PreferenceObjective = preference("exponential");

/**
 * Provably robust DPO (arXiv 2403.00409); `labelSmoothing` is the fraction of wrong labels (default
 * 0.1).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { robust } from "@unitune/objectives";
 *
 * assertAlmostEquals(robust({ beta: 0.1 }).description.stepZero ?? NaN, 0.6931471806, 1e-6);
 * ```
 */
export const robust: PreferenceObjective = preference("robust");

/**
 * Exact optimization (arXiv 2402.00856).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { exo } from "@unitune/objectives";
 *
 * assertAlmostEquals(exo({ beta: 0.1 }).description.stepZero ?? NaN, 2.7612307, 1e-6);
 * ```
 */
export const exo: PreferenceObjective = preference("exo");

/**
 * Noise-contrastive alignment (arXiv 2402.05369).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { nca } from "@unitune/objectives";
 *
 * assertAlmostEquals(nca({ beta: 0.1 }).description.stepZero ?? NaN, 1.3862943611, 1e-6);
 * ```
 */
export const nca: PreferenceObjective = preference("nca");

/**
 * Binary classifier optimization (arXiv 2404.04656), of pairs.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { bco } from "@unitune/objectives";
 *
 * assertAlmostEquals(bco({ beta: 0.1 }).description.stepZero ?? NaN, 1.3862943611, 1e-6);
 * ```
 */
export const bco: PreferenceObjective = preference("bco");

/**
 * Self-play preference optimization (arXiv 2405.00675), hard labels.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { sppo } from "@unitune/objectives";
 *
 * assertAlmostEquals(sppo({ beta: 0.1 }).description.stepZero ?? NaN, 50, 1e-6);
 * ```
 */
export const sppo: PreferenceObjective = preference("sppo");

/**
 * Alignment via optimal transport (arXiv 2406.05882), paired.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { aot } from "@unitune/objectives";
 *
 * assertAlmostEquals(aot({ beta: 0.1 }).description.stepZero ?? NaN, 0.6931471806, 1e-6);
 * ```
 */
export const aot: PreferenceObjective = preference("aot");

/**
 * Alignment via optimal transport (arXiv 2406.05882), unpaired.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { aotUnpaired } from "@unitune/objectives";
 *
 * assertAlmostEquals(aotUnpaired({ beta: 0.1 }).description.stepZero ?? NaN, 0.6931471806, 1e-6);
 * ```
 */
export const aotUnpaired: PreferenceObjective = preference("aot-unpaired");

/**
 * Anchored preference optimization (arXiv 2408.06266), for models worse than the chosen answers.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { apoZero } from "@unitune/objectives";
 *
 * assertAlmostEquals(apoZero({ beta: 0.1 }).description.stepZero ?? NaN, 1, 1e-6);
 * ```
 */
export const apoZero: PreferenceObjective = preference("apo-zero");

/**
 * Anchored preference optimization (arXiv 2408.06266), for models better than the chosen answers.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { apoDown } from "@unitune/objectives";
 *
 * assertAlmostEquals(apoDown({ beta: 0.1 }).description.stepZero ?? NaN, 1, 1e-6);
 * ```
 */
export const apoDown: PreferenceObjective = preference("apo-down");

/**
 * DiscoPOP's discovered loss (arXiv 2406.08414).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { discopop } from "@unitune/objectives";
 *
 * assertAlmostEquals(discopop({ beta: 0.1 }).description.stepZero ?? NaN, 0.8465735903, 1e-6);
 * ```
 */
export const discopop: PreferenceObjective = preference("discopop");

/**
 * RPO (arXiv 2404.19733): DPO plus the chosen answer's likelihood, divided by token.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, rpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(rpo({ alpha: 0.5 }).description.formula), "0.5 (chosen:");
 * ```
 *
 * @param options The options of {@linkcode dpo}, and the weight alpha of the likelihood, at least 0
 * (default 1). The alpha of an alpha-divergence is its default.
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function rpo(
  { alpha = 1, ...options }:
    & Omit<PreferenceObjectiveOptions, "alpha">
    & { readonly alpha?: number } = {},
): Objective<ScoredPairs> {
  checkOptions("rpo", { alpha: ranges.nonNegative }, { alpha });
  return objective(
    paired(estimate(gold, againstReference("precomputed"))),
    sumOf(pairwise(options), weight(alpha, onChosen(nll()))),
  );
}

/**
 * Mixed preference optimization (arXiv 2411.10442): 0.8 DPO, 0.2 BCO and 1 likelihood of the chosen
 * answer.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, mpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(mpo().description.formula), "0.8 (mean");
 * ```
 *
 * @param options Hyperparameters of both losses of pairs.
 * @returns The objective.
 */
export function mpo(options: PreferenceObjectiveOptions = {}): Objective<ScoredPairs> {
  const losses = sumOf(
    weight(0.8, pairwise({ ...options, form: "dpo" })),
    weight(0.2, pairwise({ ...options, form: "bco" })),
  );
  return objective(
    paired(estimate(gold, againstReference("precomputed"))),
    sumOf(losses, onChosen(nll())),
  );
}

/**
 * DPO on log-ratios averaged over tokens (Tulu 3, arXiv 2411.15124; TRL's `sigmoid_norm`).
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { dpoNorm } from "@unitune/objectives";
 *
 * assertStringIncludes(dpoNorm().description.normalizer, "answer tokens in log-ratios");
 * ```
 *
 * @param options The options of {@linkcode dpo}.
 * @returns The objective.
 */
export function dpoNorm(options: PreferenceObjectiveOptions = {}): Objective<ScoredPairs> {
  return dpo({ ...options, logRatios: "mean" });
}

/** The defaults of {@linkcode ldDpo} beside those of {@linkcode dpo}. */
export const ldDpoDefaults = { tailWeight: 0.5 } as const;

/**
 * Length-desensitized DPO (LD-DPO, arXiv 2409.06411): the tokens by which an answer is longer than
 * the other of its pair have a smaller weight in its log-ratio.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, ldDpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(ldDpo().description.formula), "beyond the shorter length x 0.5");
 * ```
 *
 * @param options The options of {@linkcode dpo}, and the weight of the tail, from 0 to 1 (default
 * 0.5; at 1 it is DPO).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function ldDpo(options: PreferenceObjectiveOptions = {}): Objective<ScoredPairs> {
  return dpo({ ...ldDpoDefaults, ...options });
}

/**
 * Weighted preference optimization (WPO, arXiv 2406.11827): DPO in which a pair weighs as much as the
 * policy would sample its answers.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, wpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(wpo().description.formula), "ww wl (mean");
 * ```
 *
 * @param options The options of {@linkcode dpo}.
 * @returns The objective.
 */
export function wpo(options: PreferenceObjectiveOptions = {}): Objective<ScoredPairs> {
  return objective(
    paired(estimate(gold, againstReference("precomputed"))),
    onPolicyWeighed(pairwise({ ...options, form: "dpo" })),
  );
}

/**
 * "Intuitive DPO", a name of ours: DPO with policy and reference each evaluated between gold
 * prefixes and their own tokens. It combines both sides of Table 1: intuitive states, pairwise
 * signal.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { intuitiveDpo, modelOfLogits } from "@unitune/objectives";
 *
 * const reference = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertStringIncludes(intuitiveDpo(reference, { lambda: 0.3 }).description.modelStates, "0.3");
 * ```
 *
 * @param reference The reference policy at its parameters.
 * @param options The options of the states and of the loss.
 * @returns The objective.
 */
export function intuitiveDpo(
  reference: Model,
  options: IntuitiveOptions & { readonly beta?: number } = {},
): Objective<Pairs> {
  const { beta } = options;
  return objective(
    paired(estimate(intuitive(options), againstReference(reference))),
    pairwise({ form: "dpo", ...(beta === undefined ? {} : { beta }) }),
  );
}

/** The options of {@linkcode orpo}. */
export interface OrpoObjectiveOptions extends OrpoOptions {
  /**
   * The normalizer of the chosen answers' nll (default `"sequence"`, as in the paper, where the
   * likelihood of an answer is its tokens' geometric mean). TRL has `"token"`, for all chosen
   * answers of a batch, and counts the prompts' tokens as well.
   */
  readonly normalizer?: Normalizer;
}

/**
 * ORPO (arXiv 2403.07691): the chosen answer's likelihood, and the odds of the chosen over the
 * rejected one. No reference. It is the mean over pairs of {@linkcode orpoLoss}.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, orpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(orpo().description.formula), "odds");
 * ```
 *
 * @param options The weight beta of the odds ratio, and the normalizer of the likelihood.
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function orpo(
  { normalizer = "sequence", ...options }: OrpoObjectiveOptions = {},
): Objective<Pairs> {
  const { beta } = orpoConstants("orpo", options);
  return objective(
    paired(estimate(gold, indicator)),
    sumOf(onChosen(nll({ normalizer })), weight(beta, oddsRatio())),
  );
}

/**
 * SimPO (arXiv 2405.14734): average log-probabilities with a margin. No reference.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, simpo } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(simpo().description.formula), "aw - al");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The objective.
 */
export function simpo(options: SimpoOptions = {}): Objective<Pairs> {
  return objective(paired(estimate(gold, indicator)), simplePreference(options));
}

/**
 * AlphaPO (arXiv 2501.03884): {@linkcode simpo} with a reward of another shape. No reference.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { alphaPreference, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(alphaPreference().description.formula), "e^(-0.25 aw)");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The objective.
 */
export function alphaPreference(options: AlphaPoOptions = {}): Objective<Pairs> {
  return objective(paired(estimate(gold, indicator)), shapedPreference(options));
}

/**
 * CPO (arXiv 2401.08417): DPO without a reference, plus the chosen answer's likelihood.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { cpo, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(cpo().description.formula), "lw - ll");
 * ```
 *
 * @param options Hyperparameters, and the weight alpha of the likelihood, at least 0 (default 1).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function cpo(
  { alpha = 1, ...options }: CpoOptions & { readonly alpha?: number } = {},
): Objective<Pairs> {
  checkOptions("cpo", { alpha: ranges.nonNegative }, { alpha });
  return objective(
    paired(estimate(gold, indicator)),
    sumOf(contrastivePreference(options), weight(alpha, onChosen(nll()))),
  );
}

/**
 * Kahneman-Tversky optimization (arXiv 2402.01306) of unpaired answers.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { kto } from "@unitune/objectives";
 *
 * assertStringIncludes(kto().description.signal, "desirable");
 * ```
 *
 * @param options Hyperparameters.
 * @returns The objective.
 */
export function kto(options?: KtoOptions): Objective<ScoredLabelledAnswers>;
/** The same with a reference policy in place of its log-probabilities. */
export function kto(
  options: KtoOptions & { readonly reference: Model },
): Objective<LabelledAnswers>;
export function kto(
  { reference, ...options }: KtoOptions & { readonly reference?: Model } = {},
): Objective<ScoredLabelledAnswers> {
  const loss = kahnemanTversky(options);
  return reference === undefined
    ? objective(estimate(gold, labelled("precomputed")), loss)
    : objective(estimate(gold, labelled(reference)), loss);
}

/** The estimation of labels against log-probabilities in the batch. */
const likedAgainstReference = estimate(gold, both(againstReference("precomputed"), liked));

/**
 * APO-zero (arXiv 2408.06266) of unpaired answers: {@linkcode kto} with a reference point of 0, so
 * that no mismatched answers are scored.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { apoZeroUnpaired } from "@unitune/objectives";
 *
 * assertEquals(apoZeroUnpaired().description.forwardPasses, 1);
 * ```
 *
 * @param options Hyperparameters.
 * @returns The objective.
 */
export function apoZeroUnpaired(options: AnchoredOptions = {}): Objective<ScoredLabelledAnswers> {
  return objective(likedAgainstReference, anchoredLabels(options));
}

/**
 * BCO (arXiv 2404.04656) of unpaired answers: a classifier of desirable answers by their implicit
 * rewards, shifted by the running mean of these.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bcoUnpaired } from "@unitune/objectives";
 *
 * assertEquals(Object.keys(bcoUnpaired().memory?.start ?? {}), ["reward_shift", "reward_count"]);
 * ```
 *
 * @param options The strength of the reference.
 * @returns The objective.
 */
export function bcoUnpaired(
  options: { readonly beta?: number } = {},
): Objective<ScoredLabelledAnswers> {
  return objective(likedAgainstReference, binaryClassifier(options));
}

/**
 * A reward model learned from pairs (Bradley-Terry): a policy whose only logit is a score.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, rewardModel } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(rewardModel().description.formula), "rw - rl");
 * ```
 *
 * @param options The margin and the centring.
 * @returns The objective.
 */
export function rewardModel(
  options: { readonly margin?: number; readonly centering?: number } = {},
): Objective<Pairs> {
  return objective(paired(scored), bradleyTerry(options));
}
