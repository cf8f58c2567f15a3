/**
 * Feeds: the source of a stage's batches.
 *
 * @module
 */

import { type Tensor, tensor } from "@unitune/core";
import type { Cost } from "../learner/cost.ts";
import type { UserMessage } from "../text/message.ts";

/** One answer that was sampled and judged. */
export interface RolloutSample {
  /** The prompt. */
  readonly prompt: string;
  /** The answer. */
  readonly answer: string;
  /** The weighted sum of its rewards; null if no reward can judge it. */
  readonly reward: number | null;
  /** The value of each reward; null if it cannot judge the answer. */
  readonly rewards: Readonly<Record<string, number | null>>;
}

/** The data of one step. */
export interface StepBatches<B, E> {
  /** The micro-batches that this process computes. */
  readonly batches: readonly B[];
  /** The number of the first of them, by which dropout is drawn. */
  readonly first: number;
  /** The experience to hand to the next step. */
  readonly experience: E;
  /** Scalars to log beside the step's own. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** Answers that were sampled for this step. */
  readonly samples: readonly RolloutSample[];
  /** The cost of the step. */
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
  /** The experience of the first step. */
  readonly empty: E;
  /** The cost of the work before the first step. */
  readonly setUp: Cost;
  /** Notes for the user on the data. */
  readonly notes: readonly UserMessage[];
  /** The number of epochs after some steps. */
  readonly epoch: (steps: number) => number;
  /** Batches as large as those of a step can be, whose elements are of no account. */
  readonly outline: () => readonly B[];
  /** Bytes on the device while answers are generated for a step (default: none are). */
  readonly generationBytes?: number;
  /**
   * The data of the `index`-th step, from 0, for the policy's parameters at that step, and for those of
   * the reference where it follows the policy (default: as they were before the stage).
   */
  readonly next: (
    params: unknown,
    experience: E,
    index: number,
    reference?: unknown,
  ) => Promise<StepBatches<B, E>>;
}

/**
 * The metric `padding` of a step: the share of its positions that hold no token of a row.
 *
 * @param tokens The tokens of all rows.
 * @param slots The positions of all batches, at least one.
 * @returns The metric by its name.
 */
export function paddingShare(
  tokens: number,
  slots: number,
): { readonly padding: Tensor } {
  return { padding: tensor(1 - tokens / slots) };
}
