/**
 * The descriptions of an objective's parts: a row of the paper's Table 1.
 *
 * The models and the data that a part reads are names of a union, and counts are numbers, so that
 * code can use them. Formulas are text for people. Where one part's formula stands in another's, it
 * is a function of the symbol that differs there; no text is searched or edited.
 */
import type { LossFormula } from "./formula.ts";
import type { AnswerSide, GradientTerm, ObjectiveTerm, TokenOwner } from "./unified/gradient.ts";
import type { State } from "./unified/states.ts";
import type { Expression } from "./unified/expression.ts";

/**
 * The models that an objective evaluates: `"reward"` judges answers, `"value"` predicts returns.
 */
export type ModelRole =
  | "policy"
  | "reference"
  | "teacher"
  | "reward"
  | "value"
  | "reward model"
  | "process reward model";

/** A pass of a model that a signal asks: on the prior states, or behind a privileged prompt. */
export type AskedPass = ModelRole | `privileged ${ModelRole}`;

/** A part of a row of data that an objective reads. */
export type DataField =
  | "demonstration"
  | "chosen and rejected"
  | "gold, chosen and rejected"
  | "rollout"
  | "reference rollouts"
  | "mixture rollouts"
  | "reward"
  | "reward parts"
  | "old log-probs"
  | "old values"
  | "reference log-probs"
  | "label"
  | "step labels"
  | "mismatched answers"
  | "given tokens"
  | "privileged prompt";

/** States by the answer of a row that they are of. */
export type SideStates = Readonly<Partial<Record<AnswerSide, State>>>;

/**
 * A signal as a formula in the symbol of an answer's reward; signals without a reward ignore it.
 */
export type SignalFormula = (reward: string) => string;

/** The description of prior states, on which the model and the human are compared. */
export interface PriorStatesDescription {
  /** The states s*_n in the surrogate of the human's preference. */
  readonly humanStates: State;
  /** The states s_n in the surrogate of the model's preference. */
  readonly modelStates: State;
  /** The models that are evaluated. */
  readonly models: readonly ModelRole[];
  /** The data that is read from a row. */
  readonly data: readonly DataField[];
  /** Forward passes over a batch, with and without gradient. */
  readonly forwardPasses: number;
}

/** The description of a signal. */
export interface SignalDescription {
  /** The signal that the model is compared with. */
  readonly signal: SignalFormula;
  /** The models that it evaluates on the prior states, beside the policy that learns. */
  readonly models: readonly ModelRole[];
  /** The data that it reads from a row, beside the data of the prior states. */
  readonly data: readonly DataField[];
  /** The passes that it asks for, beside the policy's own; signals that ask for one pass share it. */
  readonly asks: readonly AskedPass[];
  /** The number of sequences of a row that models evaluate (default 1). */
  readonly sequences?: number;
  /**
   * The number of answers to a prompt that are compared with each other (default 1: no comparison).
   */
  readonly groupSize?: number;
  /**
   * Whether the advantages that it gives are of answers or of single tokens (default: it gives none,
   * or those of answers).
   */
  readonly advantages?: "answers" | "tokens";
}

/** The description of an estimation: of the prior states, and of the signal on them. */
export interface EstimationDescription
  extends Omit<PriorStatesDescription, "humanStates" | "modelStates"> {
  /** The states s*_n in the surrogate of the human's preference. */
  readonly humanStates: SideStates;
  /** The states s_n in the surrogate of the model's preference. */
  readonly modelStates: SideStates;
  /** The signal that the model is compared with on these states. */
  readonly signal: string;
  /** The number of sequences of a row that models evaluate: 2 for a pair. */
  readonly sequences: number;
  /**
   * The number of answers to a prompt that are compared with each other; 1 without a comparison.
   */
  readonly groupSize: number;
  /** The fraction of the batch's rows in the loss: 1/8 for the best of 8 answers. */
  readonly learnedShare: number;
  /** The states at which probabilities are raised. */
  readonly learnedStates: SideStates;
  /** Whether the advantages are of answers or of single tokens. */
  readonly advantages: "answers" | "tokens";
  /** The condition on which tokens are learned from, by whose they are (default: none). */
  readonly gate?: Readonly<Record<TokenOwner, Expression>>;
}

/**
 * The description of a transition optimization.
 *
 * @typeParam T The terms of its gradient.
 */
export interface OptimizationDescription<T extends GradientTerm = GradientTerm> {
  /** The move of the transition matrix T toward the target's, T*. */
  readonly transition: string;
  /** The number that the loss is divided by. */
  readonly normalizer: string;
  /** The loss; `formulaText` writes it out. */
  readonly formula: LossFormula;
  /** The terms of its gradient, in the form of UPGE where they have it. */
  readonly gradient: readonly T[];
  /**
   * The loss before the first step, where it is known: with a policy that is its reference, or a
   * reward model that scores all answers 0.
   */
  readonly stepZero?: number;
}

/**
 * An objective as a row of the paper's Table 1 (arXiv 2405.11870), extended: the columns of its
 * estimation and of its optimization. It is data, made by the parts that compute the loss.
 */
export interface ObjectiveDescription extends
  Omit<
    EstimationDescription,
    "humanStates" | "modelStates" | "learnedStates" | "advantages" | "gate"
  >,
  OptimizationDescription<ObjectiveTerm> {
  /** The states s*_n in the surrogate of the human's preference. */
  readonly humanStates: string;
  /** The states s_n in the surrogate of the model's preference. */
  readonly modelStates: string;
}
