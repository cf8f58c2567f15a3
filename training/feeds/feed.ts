/**
 * Where a stage's batches come from.
 *
 * @module
 */

import type { Tensor } from "@unitune/core";
import type { Cost } from "../learner/cost.ts";
import type { UserMessage } from "../text/message.ts";

/** One answer that was sampled and judged. */
export interface RolloutSample {
  /** What was asked. */
  readonly prompt: string;
  /** What was answered. */
  readonly answer: string;
  /** What it is worth altogether; null where that cannot be said. */
  readonly reward: number | null;
  /** What each reward says. */
  readonly rewards: Readonly<Record<string, number | null>>;
}

/** What a step trains on. */
export interface StepBatches<B, E> {
  /** The micro-batches. */
  readonly batches: readonly B[];
  /** What the next step is to be given. */
  readonly experience: E;
  /** Scalars to log beside the step's own. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** Answers that were sampled for this step. */
  readonly samples: readonly RolloutSample[];
  /** What the step costs. */
  readonly cost: Cost;
}

/**
 * Where a stage's batches come from: from data, by their number alone; or from answers that the
 * policy gives, which are used for some steps and are a part of the training's state.
 *
 * @typeParam B A batch.
 * @typeParam E What is carried from step to step, a tree of tensors.
 */
export interface Feed<B, E> extends Disposable {
  /** What the first step is given. */
  readonly empty: E;
  /** What had to be computed before the first step. */
  readonly setUp: Cost;
  /** What became of the data before the first step, for the user. */
  readonly notes: readonly UserMessage[];
  /** How often the data was seen after some steps. */
  readonly epoch: (steps: number) => number;
  /** What the `index`-th step, from 0, trains on; the policy's parameters are its own. */
  readonly next: (params: unknown, experience: E, index: number) => Promise<StepBatches<B, E>>;
}
