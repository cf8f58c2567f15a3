/** Transition optimization: losses of evidence. */
import type { Tensor } from "@unitune/core";
import type { OptimizationDescription } from "./description.ts";
import type { Evaluation } from "./evaluation.ts";
import type { JsdOptions } from "./jsd.ts";
import type { Memory } from "./memory.ts";
import type { Context } from "./policy.ts";
import type { Distribution } from "./prediction.ts";

/** The evidence of which tokens count. */
export interface MaskEvidence {
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** Evidence of who wrote a token. */
export interface GivenEvidence {
  /** 1 on tokens that were given to the policy, 0 on its own, `[B, T-1]`. */
  readonly given: Tensor;
}

/** Evidence on single tokens. A function is evidence that is computed when it is first asked for. */
export interface TokenEvidence {
  /** Log-probabilities of the target tokens, `[B, T-1]`, in nats, with gradient. */
  readonly logProbs: () => Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** Evidence on the uncertainty of predictions. */
export interface EntropyEvidence {
  /** Entropies of the predictions, `[B, T-1]`, in nats, with gradient. */
  readonly entropy: () => Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** Evidence on how concentrated predictions are. */
export interface CollisionEvidence {
  /**
   * `log sum_a p(a)^2` of the predictions, `[B, T-1]`, in nats, with gradient: the log-probability
   * that two draws agree, which is also the mean probability of a draw.
   */
  readonly collision: () => Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** Evidence on whole predictions. */
export interface DistributionEvidence {
  /** The most likely tokens, `[B, T-1]` (i32). */
  readonly argmax: () => Tensor;
  /** Logits of the next token, `[B, T-1, V]`, with gradient. */
  readonly logits: () => Tensor;
  /** The divergence from a teacher's predictions, `[B, T-1]`, in nats, with gradient. */
  readonly divergence: (teacher: Distribution, options?: JsdOptions) => Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/**
 * The evidence that every signal gives: log-probabilities of the target tokens, and the predictions'
 * entropies, collisions, most likely tokens and logits.
 */
export interface PolicyEvidence
  extends TokenEvidence, EntropyEvidence, CollisionEvidence, DistributionEvidence {}

/** Log-probabilities under the policy and under a fixed reference. */
export interface ReferenceEvidence extends TokenEvidence {
  /** Log-probabilities of the target tokens under the reference, `[B, T-1]`, in nats. */
  readonly referenceLogProbs: Tensor;
}

/** Predictions of the policy and of a teacher. */
export interface TeacherEvidence extends DistributionEvidence {
  /** The teacher's predictions. */
  readonly teacher: Distribution;
  /** The teacher's most likely tokens, `[B, T-1]` (i32). */
  readonly teacherArgmax: Tensor;
}

/** Sampled tokens, and their advantages. */
export interface RolloutEvidence extends TokenEvidence {
  /** Log-probabilities under the policy that sampled them, `[B, T-1]`, in nats. */
  readonly oldLogProbs: Tensor;
  /** Advantages of sequences `[B]`, or of tokens `[B, T-1]`. */
  readonly advantages: Tensor;
}

/** Values that the policy predicts, and the returns. */
export interface ValueEvidence {
  /** Predicted values of the states, `[B, T-1]`, with gradient. */
  readonly values: () => Tensor;
  /** Values predicted when the rollouts were made, `[B, T-1]`. */
  readonly oldValues: Tensor;
  /** The returns to predict, `[B, T-1]`. */
  readonly returns: Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
}

/** Answers labelled desirable or undesirable. */
export interface LabelEvidence extends ReferenceEvidence {
  /** 1 for a desirable answer, 0 for an undesirable one, `[B]`. */
  readonly labels: Tensor;
  /** The reference point of KTO, a scalar. */
  readonly kl: Tensor;
}

/** Scores of whole sequences. */
export interface ScoreEvidence {
  /** `[B]`, with gradient. */
  readonly scores: Tensor;
  /** 1 for each sequence that has an answer, 0 for the others, `[B]` (default: all of them). */
  readonly counted?: Tensor;
}

/** Scores of the steps of answers, and their labels. */
export interface StepEvidence {
  /** Scores after each token, `[B, T]`, with gradient. */
  readonly stepScores: Tensor;
  /** 1 where the step that ends at the token is right, 0 elsewhere, `[B, T]`. */
  readonly labels: Tensor;
  /** 1 on the last token of each step that counts, 0 elsewhere, `[B, T]`. */
  readonly mask: Tensor;
}

/**
 * Evidence that every optimization may leave unread: evidence that every signal gives, and evidence
 * that accompanies an advantage, a return or a label.
 */
export type IncidentalEvidence =
  | keyof PolicyEvidence
  | "oldLogProbs"
  | "values"
  | "oldValues"
  | "kl";

/** The names of evidence; for pairs and triples, the names of all sides' evidence. */
export type EvidenceNames<E> = E extends { readonly chosen: infer X } ?
    | keyof X
    | (E extends { readonly rejected: infer Y } ? keyof Y : never)
    | (E extends { readonly gold: infer Z } ? keyof Z : never)
  : keyof E;

/** The purpose of evidence, by its name: returns are of rewards, as advantages are. */
export type Purpose<Name> = Name extends "returns" ? "advantages" : Name;

/**
 * Evidence that a signal exists for and an optimization ignores, such as advantages under a
 * likelihood: the description would name a signal that the loss does not use.
 *
 * @typeParam G The evidence that is given.
 * @typeParam N The evidence that the optimization needs.
 */
export type Ignored<G, N> = Exclude<
  Purpose<EvidenceNames<G>>,
  Purpose<EvidenceNames<N>> | IncidentalEvidence
>;

/** An optimization of evidence N that leaves nothing of the signals behind evidence G unread. */
export type Reading<G, N> =
  & Optimization<N>
  & ([Ignored<G, N>] extends [never] ? unknown
    : { readonly "the optimization ignores what the signal gives": Ignored<G, N> });

/** The chosen and the rejected side of something. */
export interface Sides<T> {
  /** The preferred side. */
  readonly chosen: T;
  /** The other side. */
  readonly rejected: T;
}

/** Both sides of a pair, and a gold one beside them. */
export interface Triple<T> extends Sides<T> {
  /** The side of an answer that is good whatever the other two are. */
  readonly gold: T;
}

/**
 * A transition optimization. It names the evidence that it needs, and takes every estimation that
 * gives at least that.
 *
 * @typeParam E The evidence.
 */
export interface Optimization<E> {
  /** Its columns of Table 1. */
  readonly description: OptimizationDescription;
  /** The loss, and metrics to log beside it. */
  readonly optimize: (evidence: E, context: Context) => Evaluation;
  /** What it carries from step to step (default: nothing). */
  readonly memory?: Memory;
}
