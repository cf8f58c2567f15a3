/**
 * The learner of a stage, as the trainer uses it.
 *
 * @module
 */

import type { Tensor } from "@unitune/core";
import type { Cost } from "./cost.ts";
import type { RolloutSample } from "../feeds/feed.ts";
import type { UserMessage } from "../text/message.ts";
import type { Models } from "./models.ts";
import type { StepPlan } from "./step_plan.ts";

/** The result of a step. */
export interface StepOutcome<S> {
  /** The state for the next step. */
  readonly state: S;
  /** The metrics, as scalars on the device. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** The answers that were sampled for the step. */
  readonly samples: readonly RolloutSample[];
  /** The cost of the step. */
  readonly cost: Cost;
}

/**
 * A state of which each process has a part, and a checkpoint the whole.
 *
 * @typeParam S The state, a tree of tensors.
 */
export interface SharedState<S> {
  /** Whether this process has the tensor at a path of the whole state. */
  isOwn(path: string): boolean;
  /** The part of this process, of a whole state in which the tensors of others may be outlines. */
  own(whole: S): S;
  /**
   * The whole state in the first process; in the others, outlines stand for what they have not. All
   * processes call it together.
   */
  whole(own: S): Promise<S>;
}

/**
 * The learner of a stage. A caller that only runs it need not know the type of its state.
 *
 * @typeParam S The state, a tree of tensors.
 */
export interface Learner<S = unknown> extends Disposable {
  /** The cost of preparations before the first step. */
  readonly setUp: Cost;
  /** What a step takes and does, where that is planned. */
  readonly plan?: StepPlan;
  /** Notes for the user on preparations of the data. */
  readonly notes: readonly UserMessage[];
  /** The epoch after a number of steps: how often all data was read. */
  epoch(steps: number): number;
  /** The state before the first step. It exists once, since the first step consumes it. */
  init(): S;
  /** A state of outlines, after whose likeness a saved one is read. */
  like(): S;
  /** How processes share out the state (default: each has all of it). */
  readonly shared?: SharedState<S>;
  /**
   * Carries out the step `index` of the stage, from 0. It consumes the state. Where the stage has a
   * budget, `spent` is the share of it that is spent, from 0 to 1, which the learning rate follows.
   */
  // Methods, so that a learner of any S is a learner of unknown.
  step(state: S, index: number, spent?: number): Promise<StepOutcome<S>>;
  /** The current models. Their tensors are valid as long as the state. */
  models(state: S): Models;
  /** The objective's metrics of held-out data; none if there is no such data. */
  validate(state: S): Promise<Readonly<Record<string, number>>>;
}
