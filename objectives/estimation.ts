/**
 * Preference estimation: on which states the model and the human are compared, and with what
 * signal. `estimation = prior states x signal`.
 */
import type { Tensor } from "@unitune/core";
import type { EstimationDescription, PriorStatesDescription } from "./description.ts";
import type { Metrics } from "./metrics.ts";
import type { Context, Model } from "./policy.ts";

/** The model on prior states: what it says next there, and what is to be said. */
export interface States {
  /** The model's logits after each of T - 1 prior states, `[B, T-1, V]`. */
  readonly logits: Tensor;
  /** The target tokens there, `[B, T-1]` (i32). */
  readonly targets: Tensor;
  /** 1 where the target belongs to an answer, 0 elsewhere, `[B, T-1]`, of the logits' dtype. */
  readonly mask: Tensor;
  /** How the model does on these tokens. */
  readonly metrics: Metrics;
}

/**
 * The states on which a model is asked. In two stages, so that what must carry no gradient cannot.
 *
 * @typeParam B A batch of data.
 * @typeParam C What the first stage leaves for the second, a tree of tensors.
 */
export interface PriorStates<B, C> {
  /** Its columns of Table 1. */
  readonly description: PriorStatesDescription;
  /** Chooses the states, outside the gradient; may be the identity. */
  readonly collect: (model: Model, batch: B, context: Context) => C;
  /** Asks the model there, with gradient. */
  readonly evaluate: (model: Model, collected: C, context: Context) => States;
}

/**
 * A preference estimation, in two stages: `collect` is outside the gradient and may be the
 * identity; `evaluate` is differentiable.
 *
 * @typeParam B A batch of data.
 * @typeParam C What the first stage leaves for the second, a tree of tensors.
 * @typeParam E The evidence that a transition optimization works on.
 */
export interface Estimation<B, C, E> {
  /** Its columns of Table 1. */
  readonly description: EstimationDescription;
  /** Chooses states and scores them, outside the gradient. */
  readonly collect: (model: Model, batch: B, context: Context) => C;
  /** Gives the evidence, with gradient, and what is to be logged of it. */
  readonly evaluate: (
    model: Model,
    collected: C,
    context: Context,
  ) => { readonly evidence: E; readonly metrics: Metrics };
}

/**
 * A signal: given prior states, what is compared on them. It decides what a batch holds: a signal
 * on pairs asks the same prior states once for each side.
 *
 * @typeParam B The batch of the prior states.
 * @typeParam C What they collect.
 * @typeParam X The estimation that comes of it.
 */
export type Signal<B, C, X> = (priorStates: PriorStates<B, C>) => X;

/**
 * An estimation from its two choices.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, indicator } from "@unitune/objectives";
 *
 * assertEquals(estimate(gold, indicator).description.modelStates, "s*_n");
 * ```
 *
 * @param priorStates On which states.
 * @param signal What is compared there.
 * @returns The estimation.
 */
export function estimate<B, C, X>(priorStates: PriorStates<B, C>, signal: Signal<B, C, X>): X {
  return signal(priorStates);
}
