/** Objectives that unite SFT and RL by the field's names, each one expression of the parts. */
import type { Schedule } from "@unitune/autodiff";
import { checkOptions, ranges } from "@unitune/core";
import { estimator } from "../advantages.ts";
import { blended, sumOf, weight } from "../combinators.ts";
import { objectiveDefaults } from "../defaults.ts";
import { distilled } from "../distillation.ts";
import { both, estimate } from "../estimation.ts";
import { type Demonstrations, gold } from "../gold.ts";
import {
  authorAdvantage,
  authored,
  gatedByPassRate,
  monitored,
  tokenReturns,
} from "../guidance.ts";
import { riseAndFall, type RiseAndFallOptions } from "../mixture_schedule.ts";
import { nll, type NllOptions, probabilityWeightedNll } from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import type { PolicyEvidence, RolloutEvidence } from "../optimization.ts";
import type { Model } from "../policy.ts";
import { clipped, policyGradient } from "../policy_gradient.ts";
import type { Guided } from "../privileged.ts";
import { drift, negativeAware, plain, saturating, shaped } from "../ratio_shapes.ts";
import { entropyBonus, kl } from "../regularizers.ts";
import { advantage, type Rollouts, sampled } from "../rollouts.ts";
import { againstReference, indicator, teacher } from "../signals.ts";
import { highEntropy } from "../token_masks.ts";
import { byOrigin, onGiven, onOwn, type TokenOptimization, weighed } from "../tokenwise.ts";
import { alternating, inTurns, type Turns, unsolvedTurns } from "../turns.ts";
import {
  byEntropy,
  bySign,
  cappedRatio,
  probability,
  rarity,
  trusted,
  uncertainty,
} from "../weights.ts";
import { drGrpoDefaults, type GroupObjectiveOptions, type ScoredRollouts } from "./rollouts.ts";

/** Rollouts that hold right answers. */
export interface GuidedRollouts extends Rollouts, Guided {}

/** The defaults of the objectives that unite SFT and RL, as their papers or their code have them. */
export const unitedDefaults = {
  /** The weight of ASFT's divergence from the reference. */
  anchor: 0.05,
  /** The exponent of the q-family; the paper has no default. */
  power: 0.5,
  /** The weight of right answers in weighted REINFORCE. */
  positiveWeight: 0.1,
  /** The distance of DPPO's trust region, in probability. */
  trust: 0.2,
  /** The weight of DPPO's squared log-ratio. */
  drift: 1e-3,
  /** The weight of an entropy bonus: LUFFY, RL-PLUS, HPT, Prefix-RFT, ReLIFT. */
  entropyWeight: 1e-3,
  /** The weight of the likelihood in HPT, where the gate is closed. */
  demonstrationWeight: 1,
  /** The pass rate above which HPT's gate is open. */
  gate: 0,
  /** The turns of which the last has demonstrations. */
  turns: 2,
  /** The weight of demonstrations in CHORD's phi. */
  mixture: 0.1,
  /** The weight of the likelihood of hints in UFT. */
  hintWeight: 1e-3,
  /** The weight of UFT's KL to the reference. */
  klWeight: 1e-3,
  /** The share of a hint's tokens that Prefix-RFT learns from. */
  hintShare: 0.2,
  /** The upper bound of Prefix-RFT's loss for negative advantages. */
  dualClip: 3,
  /** The discount of later tokens in on-policy distillation. */
  discount: 0,
  /** The teacher's share in the mixture of self-distillation. */
  teacherShare: 0.5,
  /** The tokens that SDFT and SDPO compare. */
  topK: 100,
  /** The temperature of OPSD's divergence. */
  selfTemperature: 1.1,
} as const;

const own = unitedDefaults;

/** The options of a loss that is divided by a constant. */
export interface ConstantOptions {
  /** The longest answer, by which sums over answers are divided, above 0 (default 256). */
  readonly maxLength?: number;
}

/** The options of groups whose losses are divided by a constant. */
export interface UnitedOptions extends GroupObjectiveOptions, ConstantOptions {}

/** The same, with a bonus for entropy. */
export interface EntropicOptions extends UnitedOptions {
  /** The weight of the entropy bonus, finite (default 0.001). */
  readonly entropyWeight?: number;
}

const { groupSize: usualGroup } = objectiveDefaults;
const { maxLength: usualLength } = drGrpoDefaults;

/**
 * Anchored SFT (ASFT, arXiv 2509.23753): dynamic fine-tuning, and the divergence of the policy from
 * the one that the training starts from, `KL(reference, policy)` over the vocabulary.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { asft, formulaText, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertStringIncludes(formulaText(asft(model).description.formula), "+ 0.05 (");
 * ```
 *
 * @param reference The policy that the training starts from.
 * @param options The weight of the divergence (default 0.05), and the normalizer.
 * @returns The objective.
 */
export function asft(
  reference: Model,
  { anchor = own.anchor, ...options }: NllOptions & { readonly anchor?: number } = {},
): Objective<Demonstrations> {
  return objective(
    estimate(gold, teacher(reference, { role: "reference" })),
    sumOf(probabilityWeightedNll(options), weight(anchor, distilled({ ...options, beta: 0 }))),
  );
}

/**
 * The q-family of SFT losses (arXiv 2510.00526), `p^q` as the weight of the likelihood, which is the
 * gradient of `(1 - p^q)/q`: SFT as q goes to 0, dynamic fine-tuning at 1.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, powerSft } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(powerSft({ power: 2 }).description.formula), "sg(p_bt^2) l_bt");
 * ```
 *
 * @param options The exponent q (default 0.5), and the normalizer.
 * @returns The objective.
 */
export function powerSft(
  { power = own.power, ...options }: NllOptions & { readonly power?: number } = {},
): Objective<Demonstrations> {
  return objective(estimate(gold, indicator), weighed(probability({ power }), nll(options)));
}

/**
 * Negative-aware fine-tuning (NFT, arXiv 2505.18116): the likelihood of right answers, and that of
 * wrong ones under the policy that is left when right answers are taken away.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { nft } from "@unitune/objectives";
 *
 * assertStringIncludes(nft({ groupSize: 4 }).description.signal, "pass rate q of 4");
 * ```
 *
 * @param options The size of a group, the longest answer, and the scale of advantages (default
 * `"none"`, as the paper's runs have it).
 * @returns The objective.
 */
export function nft(
  { groupSize = usualGroup, maxLength = usualLength, scaleRewards = "none" }:
    & UnitedOptions
    & { readonly scaleRewards?: "none" | "group" } = {},
): Objective<Rollouts> {
  const form = scaleRewards === "none" ? "pass-rate" : "pass-rate-z-score";
  return objective(
    estimate(sampled, advantage(estimator(form, groupSize))),
    shaped(negativeAware({ scale: scaleRewards }), { normalizer: maxLength }),
  );
}

/**
 * Weighted REINFORCE (arXiv 2506.01347): right answers are reinforced, at a small weight, and wrong
 * ones suppressed.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, weightedReinforce } from "@unitune/objectives";
 *
 * const { formula } = weightedReinforce().description;
 * assertStringIncludes(formulaText(formula), "sg(A > 0 ? 0.1 : 1) (-A log p)");
 * ```
 *
 * @param options The weight of right answers (default 0.1).
 * @returns The objective.
 */
export function weightedReinforce(
  { positiveWeight = own.positiveWeight }: { readonly positiveWeight?: number } = {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(estimator("sign"))),
    weighed(bySign({ positive: positiveWeight }), policyGradient()),
  );
}

/**
 * DPPO (arXiv 2602.04879): a trust region in probabilities in place of a clip of ratios, and a pull
 * back to the policy that sampled.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { dppo, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(dppo().description.formula), "sign(A) (p - p_old) <= 0.2");
 * ```
 *
 * @param options The size of a group, the distance (default 0.2), and the pull (default 0.001).
 * @returns The objective.
 */
export function dppo(
  { groupSize = usualGroup, trust = own.trust, driftWeight = own.drift }:
    & GroupObjectiveOptions
    & { readonly trust?: number; readonly driftWeight?: number } = {},
): Objective<Rollouts> {
  return objective(
    estimate(sampled, advantage(estimator("group-mean", groupSize))),
    sumOf(
      weighed(trusted({ distance: trust }), shaped(plain)),
      weight(driftWeight, shaped(drift)),
    ),
  );
}

/**
 * On-policy distillation (Thinking Machines 2025, tinker-cookbook): the policy gradient on its own
 * answers, whose tokens a teacher judges; the reverse KL of sampled tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { modelOfLogits, onPolicyDistillation } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertEquals(onPolicyDistillation(model).description.models, ["policy", "teacher"]);
 * ```
 *
 * @param model The teacher at its parameters.
 * @param options The discount of later tokens (default 0), and the longest answer.
 * @returns The objective.
 */
export function onPolicyDistillation(
  model: Model,
  { discount = own.discount, maxLength = usualLength }:
    & ConstantOptions
    & { readonly discount?: number } = {},
): Objective<GuidedRollouts> {
  return objective(
    estimate(sampled, tokenReturns({ by: model, discount })),
    shaped(plain, { normalizer: maxLength }),
  );
}

/**
 * A demonstration among the answers of a group, with a loss of its own; own tokens have their ratio,
 * without a clip.
 */
function amongOwn(
  ofDemonstrations: (normalizer: number) => TokenOptimization<RolloutEvidence>,
  { groupSize = usualGroup, maxLength = usualLength, entropyWeight = own.entropyWeight }:
    EntropicOptions,
): Objective<GuidedRollouts> {
  const normalizer = maxLength;
  return objective(
    estimate(sampled, both(advantage(estimator("group-mean", groupSize)), authored)),
    sumOf(
      byOrigin(ofDemonstrations(normalizer), shaped(plain, { normalizer })),
      weight(entropyWeight, entropyBonus()),
    ),
  );
}

/**
 * LUFFY (arXiv 2504.14945): a group has a demonstration among its answers, whose reward counts in the
 * mean. Its tokens are learned by `p / (p + 0.1)`, own tokens by their ratio, without a clip.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, luffy } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(luffy().description.formula), "given ? -A rho/(rho + 0.1)");
 * ```
 *
 * @param options The size of a group with its demonstration, the longest answer, and the weight of
 * the entropy bonus (default 0.001).
 * @returns The objective.
 */
export function luffy(options: EntropicOptions = {}): Objective<GuidedRollouts> {
  return amongOwn(
    (normalizer) => shaped(saturating(), { denominator: "one", normalizer }),
    options,
  );
}

/**
 * RL-PLUS (arXiv 2508.00222): as {@linkcode luffy}, but demonstrations have a mixture of policies as
 * their denominator, and tokens that the policy hardly gives weigh more.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, rlPlus } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(rlPlus().description.formula), "given ? sg((1 - p_bt)^0.5)");
 * ```
 *
 * @param options The size of a group with its demonstration, the longest answer, and the weight of
 * the entropy bonus (default 0.001).
 * @returns The objective.
 */
export function rlPlus(options: EntropicOptions = {}): Objective<GuidedRollouts> {
  return amongOwn(
    (normalizer) => weighed(rarity(), shaped(plain, { denominator: "mixture", normalizer })),
    options,
  );
}

/**
 * Hybrid post-training (HPT, arXiv 2509.04419): prompts that the policy answers rightly now and then
 * are learned by reinforcement, the others from their demonstrations.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { hpt } from "@unitune/objectives";
 *
 * assertStringIncludes(hpt().description.signal, "own answers where pass rate > 0");
 * ```
 *
 * @param options The size of a group with its demonstration, the longest answer, the pass rate of
 * the gate (default 0), the weights of demonstrations (default 1) and of the entropy bonus (default
 * 0.001).
 * @returns The objective.
 */
export function hpt(
  {
    groupSize = usualGroup,
    maxLength = usualLength,
    gate = own.gate,
    demonstrationWeight = own.demonstrationWeight,
    entropyWeight = own.entropyWeight,
  }: EntropicOptions & {
    readonly gate?: number;
    readonly demonstrationWeight?: number;
  } = {},
): Objective<GuidedRollouts> {
  const advantages = { own: estimator("group-mean", groupSize), theirs: estimator("raw") };
  return objective(
    gatedByPassRate(
      { groupSize, threshold: gate },
      estimate(sampled, authorAdvantage(advantages)),
    ),
    sumOf(
      sumOf(
        onOwn(policyGradient({ normalizer: maxLength })),
        weight(demonstrationWeight, onGiven(nll())),
      ),
      weight(entropyWeight, entropyBonus()),
    ),
  );
}

/**
 * SRFT (arXiv 2506.19767): the likelihood of demonstrations at a weight that falls with their
 * entropy, LUFFY's loss of them, and a policy gradient whose right answers weigh more the more
 * uncertain the policy is. The paper writes the entropy of the policy; here it is the mean of each
 * answer, as in the code of HPT's authors (arXiv 2509.04419), which has SRFT as a baseline. {@linkcode
 * byEntropy} has the mean of a batch as well.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, srft } from "@unitune/objectives";
 *
 * const formula = formulaText(srft().description.formula);
 * assertStringIncludes(formula, "sg(0.5 e^(-H)) l_bt");
 * assertStringIncludes(formula, "sg(A > 0 ? 0.1 e^(H) : 1) (-A log p)");
 * ```
 *
 * @param options The size of a group with its demonstration.
 * @returns The objective.
 */
export function srft(
  { groupSize = usualGroup }: GroupObjectiveOptions = {},
): Objective<GuidedRollouts> {
  const advantages = { own: estimator("sign"), theirs: estimator("group-mean", groupSize) };
  const positive = byEntropy({ factor: 1, scale: 0.1, over: "answer" });
  const demonstrated = sumOf(
    weighed(byEntropy({ factor: -1, scale: 0.5, over: "answer" }), nll()),
    shaped(saturating(), { denominator: "one" }),
  );
  return objective(
    estimate(sampled, authorAdvantage(advantages)),
    sumOf(onGiven(demonstrated), onOwn(weighed(bySign({ positive }), policyGradient()))),
  );
}

/**
 * CHORD with phi (arXiv 2508.11408): GRPO on own answers and, at a weight mu, the likelihood of
 * demonstrations, whose tokens weigh `p (1 - p)`.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { chord, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(chord().description.formula), "0.1 (given: sum_b sum_t sg(p_bt");
 * ```
 *
 * @param options The size of a group with its demonstration, and the weight mu, from 0 to 1 (default
 * 0.1).
 * @returns The objective.
 * @throws {RangeError} If the weight is out of range.
 */
export function chord(
  { groupSize = usualGroup, mixture = own.mixture }:
    & GroupObjectiveOptions
    & { readonly mixture?: number } = {},
): Objective<GuidedRollouts> {
  checkOptions("chord", { mixture: ranges.share }, { mixture });
  return mixedByAuthor(mixture, weighed(uncertainty, nll()), groupSize);
}

/** GRPO on own answers and a loss of demonstrations, which has a share of 1. */
function mixedByAuthor(
  share: number | Schedule,
  ofDemonstrations: TokenOptimization<PolicyEvidence>,
  groupSize: number,
): Objective<GuidedRollouts> {
  const advantages = { own: estimator("group-z-score", groupSize), theirs: estimator("raw") };
  return objective(
    estimate(sampled, authorAdvantage(advantages)),
    blended(share, onOwn(clipped()), onGiven(ofDemonstrations)),
  );
}

/**
 * CHORD with mu (arXiv 2508.11408): GRPO on own answers at a weight `1 - mu` and the likelihood of
 * demonstrations at a weight mu, which rises at first and then falls: from SFT to RL in one run.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { chordMu, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(chordMu().description.formula), "w(step) (given: sum_b sum_t l_bt");
 * ```
 *
 * @param options The size of a group with its demonstration, and the course of mu (defaults of
 * {@linkcode riseAndFall}).
 * @returns The objective.
 * @throws {RangeError} If an option is out of range.
 */
export function chordMu(
  { groupSize = usualGroup, ...course }: GroupObjectiveOptions & RiseAndFallOptions = {},
): Objective<GuidedRollouts> {
  return mixedByAuthor(riseAndFall(course), nll(), groupSize);
}

/**
 * Unified fine-tuning (UFT, arXiv 2505.16984): answers begin with a hint, a part of the right answer,
 * whose likelihood is raised a little; the continuation is learned by GRPO, with a KL.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, uft } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(uft().description.formula), "(given ? 0.001 l_bt : -min(");
 * ```
 *
 * @param options The size of a group, the weights of hints (default 0.001) and of the KL (default
 * 0.001).
 * @returns The objective.
 */
export function uft(
  { groupSize = usualGroup, hintWeight = own.hintWeight, klWeight = own.klWeight }:
    & GroupObjectiveOptions
    & { readonly hintWeight?: number; readonly klWeight?: number } = {},
): Objective<ScoredRollouts & Guided> {
  const rewarded = both(advantage(estimator("group-z-score", groupSize)), authored);
  return objective(
    estimate(sampled, both(rewarded, againstReference("precomputed"))),
    sumOf(byOrigin(weighed(hintWeight, nll()), clipped()), weight(klWeight, onOwn(kl()))),
  );
}

/**
 * Prefix-RFT (arXiv 2507.01679): one answer of a group begins with a part of the right one. Its given
 * tokens are learned where they are most uncertain, by their advantage over the other answers; its
 * continuation by its reward.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, prefixRft } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(prefixRft().description.formula), "given ? sg(high)");
 * ```
 *
 * @param options The size of a group, the longest answer, the share of a hint that is learned
 * (default 0.2), and the weight of the entropy bonus (default 0.001).
 * @returns The objective.
 */
export function prefixRft(
  {
    groupSize = usualGroup,
    maxLength = usualLength,
    hintShare = own.hintShare,
    entropyWeight = own.entropyWeight,
  }: EntropicOptions & { readonly hintShare?: number } = {},
): Objective<GuidedRollouts> {
  const surrogate = clipped({ dualClip: own.dualClip, normalizer: maxLength });
  const advantages = {
    own: estimator("group-mean", groupSize),
    theirs: estimator("leave-one-out", groupSize),
    continued: estimator("raw"),
  };
  return objective(
    estimate(sampled, authorAdvantage(advantages)),
    sumOf(
      byOrigin(weighed(highEntropy({ share: hintShare }), surrogate), surrogate),
      weight(entropyWeight, entropyBonus()),
    ),
  );
}

/**
 * The policy gradient in turns of own answers, without a clip, and the likelihood in turns of
 * demonstrations.
 */
function reinforcedInTurns(
  turns: Turns,
  { groupSize = usualGroup, maxLength = usualLength, entropyWeight = own.entropyWeight }:
    EntropicOptions,
): Objective<GuidedRollouts> {
  const advantages = { own: estimator("group-mean", groupSize), theirs: estimator("raw") };
  return objective(
    inTurns(turns, estimate(sampled, authorAdvantage(advantages))),
    sumOf(
      sumOf(onOwn(shaped(plain, { normalizer: maxLength })), onGiven(nll())),
      weight(entropyWeight, entropyBonus()),
    ),
  );
}

/**
 * ReLIFT (arXiv 2506.07527): reinforcement learning, and a step of SFT as soon as enough prompts wait
 * that the policy has failed. Both are steps of one optimizer, where the paper has one for each.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { relift } from "@unitune/objectives";
 *
 * assertStringIncludes(relift().description.signal, "right answers in turns of failed prompts");
 * ```
 *
 * @param options The size of a group, the longest answer, and the weight of the entropy bonus (default
 * 0.001).
 * @returns The objective.
 */
export function relift(options: EntropicOptions = {}): Objective<GuidedRollouts> {
  return reinforcedInTurns(unsolvedTurns(), options);
}

/**
 * Reinforcement learning and SFT by turns: after some steps on own answers, one on demonstrations.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { interleaved } from "@unitune/objectives";
 *
 * assertStringIncludes(interleaved({ every: 3 }).description.signal, "in every turn 3 of 3");
 * ```
 *
 * @param options The turns of which the last has demonstrations (default 2), the size of a group, the
 * longest answer, and the weight of the entropy bonus (default 0.001).
 * @returns The objective.
 * @throws {RangeError} If the number of turns is no integer from 1.
 */
export function interleaved(
  { every = own.turns, ...options }: EntropicOptions & { readonly every?: number } = {},
): Objective<GuidedRollouts> {
  return reinforcedInTurns(alternating({ every }), options);
}

/** Who is the teacher of self-distillation: the policy as it was, or as it is in each step. */
export type SelfTeacher = "frozen" | "live";

/** The options of self-distillation. */
export interface SelfDistillationOptions {
  /** The teacher (default `"frozen"`, the policy that the training starts from). */
  readonly self?: SelfTeacher;
  /** The teacher's share in the mixture, from 0 to 1 (default 0.5). */
  readonly teacherShare?: number;
  /** How many of the policy's most likely tokens are compared (default 100). */
  readonly topK?: number;
}

/** The signal of a policy that has read the right answer. */
function informed(reference: Model, self: SelfTeacher) {
  const options = { reading: "privileged", role: "reference" } as const;
  return both(monitored, teacher(self === "live" ? "self" : reference, options));
}

/**
 * Self-distillation fine-tuning (SDFT, arXiv 2601.19897): the policy learns, on its own answers, the
 * predictions of itself where it has read a demonstration first.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { modelOfLogits, sdft } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertEquals(sdft(model, { self: "live" }).description.models, ["policy"]);
 * ```
 *
 * @param reference The policy that the training starts from.
 * @param options The teacher, its share, and the tokens that are compared.
 * @returns The objective.
 */
export function sdft(
  reference: Model,
  { self = "frozen", teacherShare = own.teacherShare, topK = own.topK }: SelfDistillationOptions =
    {},
): Objective<GuidedRollouts> {
  return objective(
    estimate(sampled, informed(reference, self)),
    weighed(cappedRatio(), distilled({ beta: teacherShare, topK, normalizer: "sequence" })),
  );
}

/**
 * On-policy self-distillation (OPSD, arXiv 2601.18734): as {@linkcode sdft}, over the whole
 * vocabulary, from the policy that the training starts from.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { modelOfLogits, opsd } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertEquals(opsd(model).description.models, ["policy", "reference"]);
 * ```
 *
 * @param reference The policy that the training starts from.
 * @param options The teacher's share (default 0.5), and the temperature (default 1.1).
 * @returns The objective.
 */
export function opsd(
  reference: Model,
  { teacherShare = own.teacherShare, temperature = own.selfTemperature }: {
    readonly teacherShare?: number;
    readonly temperature?: number;
  } = {},
): Objective<GuidedRollouts> {
  return objective(
    estimate(sampled, informed(reference, "frozen")),
    distilled({ beta: teacherShare, temperature }),
  );
}

/**
 * Self-distillation policy optimization (SDPO, arXiv 2601.20802): as {@linkcode sdft}, but what the
 * teacher has read is another answer of the group that passed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { modelOfLogits, sdpo } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertEquals(sdpo(model, { groupSize: 4 }).description.groupSize, 4);
 * ```
 *
 * @param reference The policy that the training starts from.
 * @param options The size of a group, the teacher, its share, and the tokens that are compared.
 * @returns The objective.
 */
export function sdpo(
  reference: Model,
  {
    groupSize = usualGroup,
    self = "frozen",
    teacherShare = own.teacherShare,
    topK = own.topK,
  }: SelfDistillationOptions & GroupObjectiveOptions = {},
): Objective<GuidedRollouts> {
  const { description, ...learned } = objective(
    estimate(sampled, informed(reference, self)),
    weighed(cappedRatio(), distilled({ beta: teacherShare, topK })),
  );
  return { ...learned, description: { ...description, groupSize } };
}
