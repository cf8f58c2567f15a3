/** The value of an objective on a batch: terms of a loss, and metrics. */
import type { Loss } from "./loss.ts";
import type { Metrics } from "./metrics.ts";

/**
 * The evaluation of an objective on a batch, additive over its rows: the loss is the sum of
 * `total / normalizer` over the terms.
 */
export interface Evaluation {
  /** The terms of the loss, each with a normalizer of its own. */
  readonly terms: readonly Loss[];
  /** The metrics to log beside the loss. */
  readonly metrics: Metrics;
}
