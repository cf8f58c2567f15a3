/** Objectives on demonstrations by the field's names, each one expression of the parts. */
import { checkOptions, ranges } from "@unitune/core";
import { objectiveDefaults } from "../defaults.ts";
import { type DistillationOptions, distilled } from "../distillation.ts";
import { estimate } from "../estimation.ts";
import { type Demonstrations, gold } from "../gold.ts";
import {
  intuitive,
  type IntuitiveOptions,
  scheduled,
  type ScheduledOptions,
} from "../intuitive.ts";
import {
  importanceWeightedNll,
  type IwSftOptions,
  nll,
  type NllOptions,
  probabilityWeightedNll,
} from "../nll.ts";
import { type Objective, objective } from "../objective.ts";
import type { Model } from "../policy.ts";
import { clipped } from "../policy_gradient.ts";
import { propagated, type PropagationForm } from "../propagation.ts";
import { proximal } from "../proximal.ts";
import { againstReference, indicator, type ReferenceScores, teacher } from "../signals.ts";

/** Demonstrations whose tokens a reference has scored. */
export interface ScoredDemonstrations extends Demonstrations, ReferenceScores {}

/**
 * Supervised fine-tuning: the gold prefixes stand for the model's own, and the likelihood of each
 * target token is raised independently.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sft } from "@unitune/objectives";
 *
 * assertEquals(sft().description.modelStates, "s*_n");
 * ```
 *
 * @param options The normalizer (default `"token"`).
 * @returns The objective.
 */
export function sft(options: NllOptions = {}): Objective<Demonstrations> {
  return objective(estimate(gold, indicator), nll(options));
}

/**
 * Dynamic fine-tuning (arXiv 2508.05629): {@linkcode sft} with each token weighted by its
 * probability.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { dft, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(dft().description.formula), "sg(p_bt)");
 * ```
 *
 * @param options The normalizer (default `"token"`).
 * @returns The objective.
 */
export function dft(options: NllOptions = {}): Objective<Demonstrations> {
  return objective(estimate(gold, indicator), probabilityWeightedNll(options));
}

/**
 * Importance-weighted SFT (arXiv 2507.12856): {@linkcode sft} with each sequence weighted by the
 * ratio of its likelihood under the policy to that under the reference.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { iwSft } from "@unitune/objectives";
 *
 * assertEquals(iwSft().description.models, ["policy", "reference"]);
 * ```
 *
 * @param options The options of the weight, and the normalizer.
 * @returns The objective.
 */
export function iwSft(options: IwSftOptions = {}): Objective<ScoredDemonstrations> {
  return objective(estimate(gold, againstReference("precomputed")), importanceWeightedNll(options));
}

/** The options of {@linkcode psft}. */
export interface PsftOptions extends NllOptions {
  /** How far above 1 a ratio counts, above 0 (default 0.28). */
  readonly clipRange?: number;
}

/** The defaults of {@linkcode psft}, and the steps after which its reference is renewed. */
export const psftDefaults = { clipRange: 0.28, referenceSteps: 8 } as const;

/**
 * Proximal supervised fine-tuning (PSFT, arXiv 2508.17784): PPO's clipped ratio of each token of a
 * demonstration, whose advantage is 1, to the policy of some steps ago. Right after it was renewed,
 * the gradient is that of {@linkcode sft}.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, psft } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(psft().description.formula), "1.28");
 * ```
 *
 * @param options The clip, and the normalizer (default `"token"`).
 * @returns The objective.
 * @throws {RangeError} If the clip is not above 0.
 */
export function psft(
  { clipRange = psftDefaults.clipRange, ...options }: PsftOptions = {},
): Objective<ScoredDemonstrations> {
  checkOptions("psft", { clipRange: ranges.positive }, { clipRange });
  return objective(estimate(gold, proximal), clipped({ epsilon: clipRange, ...options }));
}

/** The options of {@linkcode ift}. */
export interface IftOptions extends IntuitiveOptions {
  /** The decay of the propagation for each position, from 0 to 1 (default 0.95). */
  readonly gamma?: number;
  /** The form of the propagation (default `"as-run"`). */
  readonly propagation?: PropagationForm;
}

/**
 * Intuitive Fine-Tuning (arXiv 2405.11870): the model is evaluated on states between the gold
 * prefix and its own, and a token's loss is weighted by the losses that follow it. With
 * `lambda = gamma = 0` it is {@linkcode sft} divided by sequence.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ift } from "@unitune/objectives";
 *
 * assertEquals(ift({ lambda: 0.2, gamma: 0.95 }).description.forwardPasses, 2);
 * ```
 *
 * @param options The options of the prior states and of the propagation.
 * @returns The objective.
 */
export function ift(
  { gamma = objectiveDefaults.gamma, propagation = objectiveDefaults.propagation, ...states }:
    IftOptions = {},
): Objective<Demonstrations> {
  return objective(
    estimate(intuitive(states), indicator),
    propagated({ form: propagation, gamma }),
  );
}

/**
 * Scheduled sampling (arXiv 1506.03099): {@linkcode sft} on prefixes in which some tokens are the
 * model's own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scheduledSampling } from "@unitune/objectives";
 *
 * assertEquals(scheduledSampling({ lambda: 0.5 }).description.forwardPasses, 2);
 * ```
 *
 * @param options The probability of the own token, and its choice.
 * @returns The objective.
 */
export function scheduledSampling(options: ScheduledOptions = {}): Objective<Demonstrations> {
  return objective(estimate(scheduled(options), indicator), nll());
}

/**
 * Distillation (GKD, arXiv 2306.13649) on demonstrations: the policy learns the teacher's
 * predictions. On the policy's own answers it is
 * `objective(estimate(sampled, teacher(model)), distilled())`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { distillation, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * assertEquals(distillation(model).description.models, ["policy", "teacher"]);
 * ```
 *
 * @param model The teacher at its parameters.
 * @param options The divergence, and the normalizer.
 * @returns The objective.
 */
export function distillation(
  model: Model,
  options: DistillationOptions = {},
): Objective<Demonstrations> {
  return objective(estimate(gold, teacher(model)), distilled(options));
}
