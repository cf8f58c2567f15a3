/** What the parts of an objective say of themselves: a row of the paper's Table 1. */

/** What is known of where the model and the human are compared. */
export interface PriorStatesDescription {
  /** The states s*_n in the surrogate of the human's preference. */
  readonly humanStates: string;
  /** The states s_n in the surrogate of the model's preference. */
  readonly modelStates: string;
  /** The models that are looked at. */
  readonly models: readonly string[];
  /** What a row of data holds. */
  readonly data: readonly string[];
  /** Forward passes over a batch, with and without gradient. */
  readonly forwardPasses: number;
}

/** What is known of a signal. */
export interface SignalDescription {
  /** With what the model is compared. */
  readonly signal: string;
  /** The models that it asks on the prior states, beside the policy that learns. */
  readonly models: readonly string[];
  /** What it reads of a row of data, beside what the prior states read. */
  readonly data: readonly string[];
  /** How many more times models are asked on the prior states. */
  readonly asks: number;
}

/** What is known of an estimation: the prior states, and what is compared on them. */
export interface EstimationDescription extends PriorStatesDescription {
  /** With what the model is compared on these states. */
  readonly signal: string;
}

/** What is known of a transition optimization. */
export interface OptimizationDescription {
  /** How the transition matrix T is moved toward the target's, T*. */
  readonly transition: string;
  /** What the loss is divided by. */
  readonly normalizer: string;
  /** The loss. */
  readonly formula: string;
  /** The loss where the policy is its reference, before the first step, where it is known. */
  readonly stepZero?: number;
}

/**
 * An objective as a row of the paper's Table 1 (arXiv 2405.11870), extended: the columns of its
 * estimation and of its optimization. It is data, made by the parts that compute the loss.
 */
export interface ObjectiveDescription extends EstimationDescription, OptimizationDescription {}
