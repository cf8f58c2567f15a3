/** Metrics to log beside a loss, under the field's names. */
import { cast, equal, neg, type Tensor, zeros } from "@unitune/core";
import { maskedCount, maskedSum } from "./log_probs.ts";
import { safeRatio } from "./loss.ts";
import type { TargetPrediction } from "./prediction.ts";

/**
 * A metric as two scalars, each additive over the rows of a batch. Its value is
 * `total / weight`, or the total itself where the weight is 0: a count, or a mean over nothing.
 */
export interface Metric {
  /** The sum. */
  readonly total: Tensor;
  /** The weight that the sum is divided by; 0 for a count. */
  readonly weight: Tensor;
}

/** Metrics by name. */
export type Metrics = Readonly<Record<string, Metric>>;

/**
 * The mean of some values as a metric.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { meanOver } from "@unitune/objectives";
 *
 * const { total, weight } = meanOver(tensor([1, 5, 9]), tensor([1, 1, 0]));
 * assertEquals([await total.item(), await weight.item()], [6, 2]);
 * ```
 *
 * @param values The values.
 * @param counted 1 or 0 for each value, in the same shape: the mean is over those with a 1.
 * @returns The metric.
 * @throws {RangeError} If the mask is on the host and neither 0 nor 1 somewhere.
 */
export function meanOver(values: Tensor, counted: Tensor): Metric {
  return { total: maskedSum(values, counted), weight: maskedCount(counted, values.dtype) };
}

/**
 * The values of metrics.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { metricValues } from "@unitune/objectives";
 *
 * const { nll, num_tokens } = metricValues({
 *   nll: { total: tensor(6), weight: tensor(4) },
 *   num_tokens: { total: tensor(4), weight: tensor(0) },
 * });
 * assertEquals([await nll?.item(), await num_tokens?.item()], [1.5, 4]);
 * ```
 *
 * @param metrics Metrics, summed over as many batches as wanted.
 * @returns A scalar for each: `total / weight`, or the total where the weight is 0.
 */
export function metricValues(metrics: Metrics): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, { total, weight }]) => [name, safeRatio(total, weight)]),
  );
}

/**
 * The quality of a model's predictions of the targets on prior states: `nll`, the mean of `-log p`
 * (plain cross-entropy, in nats); `entropy`, of its predictions, in nats; `mean_token_accuracy`,
 * the fraction of targets that the model predicts by arg max; and `num_tokens`, the number of
 * targets. It needs log-probabilities, entropies and arg max, and no logits.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { metricValues, tokenMetrics } from "@unitune/objectives";
 *
 * const metrics = metricValues(tokenMetrics({
 *   targets: tensor([[0, 1]], { dtype: "i32" }),
 *   mask: tensor([[1, 0]], { dtype: "f64" }),
 *   logProbs: () => tensor([[-0.5, -9]], { dtype: "f64" }),
 *   entropy: () => tensor([[0.6, 0.1]], { dtype: "f64" }),
 *   argmax: () => tensor([[0, 0]], { dtype: "i32" }),
 * }));
 * assertAlmostEquals(await metrics.nll?.item() ?? NaN, 0.5);
 * assertEquals(await metrics.num_tokens?.item(), 1);
 * ```
 *
 * @param prediction The model's prediction of the targets.
 * @returns The metrics.
 */
export function tokenMetrics(
  { targets, mask, logProbs, entropy, argmax }: Pick<
    TargetPrediction,
    "targets" | "mask" | "logProbs" | "entropy" | "argmax"
  >,
): Metrics {
  const nll = neg(logProbs());
  const { dtype } = nll;
  return {
    nll: meanOver(nll, mask),
    entropy: meanOver(entropy(), mask),
    mean_token_accuracy: meanOver(cast(equal(argmax(), targets), dtype), mask),
    num_tokens: { total: maskedCount(mask, dtype), weight: zeros([], dtype) },
  };
}
