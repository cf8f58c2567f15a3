/** Transition optimization: how evidence becomes a loss. */
import type { Tensor } from "@unitune/core";
import type { OptimizationDescription } from "./description.ts";
import type { Loss } from "./loss.ts";
import type { Metrics } from "./metrics.ts";

/** Evidence on single tokens. */
export interface TokenEvidence {
  /** Log-probabilities of the target tokens, `[B, T-1]`, in nats, with gradient. */
  readonly logProbs: Tensor;
  /** 1 on answer tokens, 0 elsewhere, `[B, T-1]`. */
  readonly mask: Tensor;
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
  /** The loss, and what is to be logged beside it. */
  readonly optimize: (evidence: E) => Loss & { readonly metrics: Metrics };
}
