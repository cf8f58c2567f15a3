/**
 * What learns in a stage, as the trainer sees it.
 *
 * @module
 */

import type { Tensor } from "@unitune/core";
import type { Cost } from "./cost.ts";
import type { RolloutSample } from "./feeds/feed.ts";
import type { Message } from "./message.ts";
import type { Models } from "./models.ts";

/** What a step gives. */
export interface StepOutcome<S> {
  /** The state for the next step. */
  readonly state: S;
  /** Scalars to log. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** Answers that were sampled for the step. */
  readonly samples: readonly RolloutSample[];
  /** What the step costs. */
  readonly cost: Cost;
}

/**
 * What learns in a stage. Who only runs it need not know what its state is.
 *
 * @typeParam S The state, a tree of tensors.
 */
export interface Learner<S = unknown> extends Disposable {
  /** What had to be computed before the first step. */
  readonly setUp: Cost;
  /** What became of the data before the first step, for the user. */
  readonly notes: readonly Message[];
  /** How often the data was seen after some steps. */
  epoch(steps: number): number;
  /** The state before the first step, which consumes it; there is one. */
  init(): S;
  /** One optimizer step, the `index`-th of the stage from 0. The state is consumed. */
  // Methods, so that S may be forgotten.
  step(state: S, index: number): Promise<StepOutcome<S>>;
  /** The models as they are now. They live as long as the state does. */
  models(state: S): Models;
  /** What the objective says of data that is kept aside; nothing where there is none of its kind. */
  validate(state: S): Promise<Readonly<Record<string, number>>>;
}
