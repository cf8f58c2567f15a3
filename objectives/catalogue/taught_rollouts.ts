/** Objectives on answers that a teacher judges, by the field's names, each one expression of parts. */
import { sumOf } from "../combinators.ts";
import { distilled } from "../distillation.ts";
import { both, estimate } from "../estimation.ts";
import { monitored, tokenReturns } from "../guidance.ts";
import { type Objective, objective } from "../objective.ts";
import type { Model } from "../policy.ts";
import { clipped, policyGradient } from "../policy_gradient.ts";
import { sampled } from "../rollouts.ts";
import { teacher } from "../signals.ts";
import { early } from "../token_masks.ts";
import { weighed } from "../tokenwise.ts";
import { drawnTurns, inTurns, type TurnAuthor } from "../turns.ts";
import type { GuidedRollouts } from "./united.ts";

/** The defaults of these objectives, as their papers and TRL have them. */
export const taughtDefaults = {
  /** The discount of later tokens in MiniLLM. */
  discount: 0,
  /** The range of ratios without clipping in MiniLLM. */
  clipRange: 0.2,
  /** The gain of early tokens in IW-OPD. */
  gain: 0.5,
  /** The probability with which a turn of GKD has right answers. */
  givenShare: 0.5,
  /** The author of the answers of such a turn. */
  givenAnswers: "data",
  /** The teacher's share in GKD's mixture. */
  teacherShare: 0.5,
} as const;

const usual = taughtDefaults;

/**
 * MiniLLM (arXiv 2306.08543): the reverse KL from a teacher, of later tokens as a policy gradient on
 * the teacher's judgment of them, and of each token exactly, over the vocabulary. Advantages are
 * constants and padding does not count, where TRL's trainer differentiates the advantages and divides
 * by padding as well.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, minillm, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * const { signal, formula } = minillm(model, { discount: 0.9 }).description;
 * assertStringIncludes(signal, "0.9^(i-t) log(p_teacher/p_old) / sum_{i >= t} 0.9^(i-t)");
 * assertStringIncludes(formulaText(formula), "KL(student, teacher)");
 * ```
 *
 * @param model The teacher at its parameters.
 * @param options The discount of later tokens (default 0), and the range of ratios without clipping
 * (default 0.2).
 * @returns The objective.
 */
export function minillm(
  model: Model,
  { discount = usual.discount, epsilon = usual.clipRange }: {
    readonly discount?: number;
    readonly epsilon?: number;
  } = {},
): Objective<GuidedRollouts> {
  const judged = tokenReturns({ by: model, discount, lengthNormalized: true });
  return objective(
    estimate(sampled, both(judged, teacher(model))),
    sumOf(clipped({ epsilon }), distilled({ beta: 1 })),
  );
}

/**
 * Importance-weighted on-policy distillation (IW-OPD, arXiv 2606.22600): the reverse KL of sampled
 * tokens, in which tokens weigh more before the policy and its teacher have parted.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { formulaText, iwOpd, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * const { formula } = iwOpd(model, { gain: 1 }).description;
 * assertStringIncludes(formulaText(formula), "sg(1 + 1 (1 - parted)) (-A log p)");
 * ```
 *
 * @param model The teacher at its parameters.
 * @param options The gain of early tokens (default 0.5).
 * @returns The objective.
 */
export function iwOpd(
  model: Model,
  { gain = usual.gain }: { readonly gain?: number } = {},
): Objective<GuidedRollouts> {
  return objective(
    estimate(sampled, tokenReturns({ by: model })),
    weighed(early({ gain }), policyGradient()),
  );
}

/**
 * Generalized knowledge distillation (GKD, arXiv 2306.13649): the divergence from a teacher over the
 * vocabulary, on answers of the policy's own in some turns, and on right answers in the others, or on
 * the teacher's (sequence-level distillation, arXiv 1606.07947, TRL's `seq_kd`). GOLD of TRL is the same
 * where both models have one tokenizer.
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { gkd, modelOfLogits } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => ids, logits: (embeddings) => embeddings });
 * const { signal } = gkd(model, { givenShare: 0.2 }).description;
 * assertStringIncludes(signal, "right answers in turns drawn with probability 0.2");
 * ```
 *
 * @param model The teacher at its parameters.
 * @param options The probability of a turn with right answers, by which the feed draws (default 0.5),
 * their author (default `"data"`), and the teacher's share in the mixture (default 0.5).
 * @returns The objective.
 */
export function gkd(
  model: Model,
  {
    givenShare = usual.givenShare,
    givenAnswers = usual.givenAnswers,
    teacherShare = usual.teacherShare,
  }: {
    readonly givenShare?: number;
    readonly givenAnswers?: TurnAuthor;
    readonly teacherShare?: number;
  } = {},
): Objective<GuidedRollouts> {
  const answers = estimate(sampled, both(monitored, teacher(model)));
  return objective(
    inTurns(drawnTurns({ share: givenShare, author: givenAnswers }), answers),
    distilled({ beta: teacherShare }),
  );
}
