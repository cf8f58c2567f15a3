/** Checks of rollouts, and the metrics of their rewards and lengths. */
import {
  cast,
  dims,
  greater,
  isNumber,
  max,
  mul,
  neg,
  reshape,
  sum,
  type Tensor,
  where,
} from "@unitune/core";
import { checkShapes } from "./checks.ts";
import { maskedCount } from "./log_probs.ts";
import { meanOver, type Metric, type Metrics } from "./metrics.ts";
import { centred, standardDeviation } from "./moments.ts";

/** 1 for each row that has an answer, 0 for the others: `[B]` of a mask `[B, T]`. */
export function answered(mask: Tensor): Tensor {
  return max(mask, { axes: [-1] });
}

/**
 * `reward` and `reward_std`, the mean deviation within groups; `completions/{mean,min,max}_length`,
 * the extremes being means over micro-batches, weighted by their answers. All of them cover the
 * answers that count, and rewards only the scored answers.
 */
export function rolloutMetrics(rewards: Tensor, mask: Tensor, groupSize: number): Metrics {
  const { B } = dims(rewards, "B", "sampled: rewards");
  const counted = answered(mask);
  const scored = where(isNumber(rewards), counted, 0);
  const lengths = maskedCount(mask, mask.dtype, { axes: [-1] });
  const groups = (x: Tensor) => reshape(x, [-1, groupSize === 1 ? B : groupSize]);
  const over = { axes: [-1], keepDims: true };
  const deviations = centred(groups(rewards), groups(scored), over);
  const weight = sum(counted);
  const extreme = (value: Tensor): Metric => ({ total: mul(value, weight), weight });
  // A row without an answer gets the longest length, so that it is never the shortest.
  const longest = max(lengths);
  const shortest = neg(max(neg(where(greater(lengths, 0), lengths, longest))));
  return {
    "reward": meanOver(rewards, scored),
    "reward_std": meanOver(
      standardDeviation(deviations, groups(scored), over),
      max(groups(scored), over),
    ),
    "completions/mean_length": meanOver(lengths, counted),
    "completions/min_length": extreme(shortest),
    "completions/max_length": extreme(longest),
  };
}

/** Throws unless the scores of rollouts have the shapes of their tokens and rows. */
export function checkRollouts(
  name: string,
  { mask, rewards, oldLogProbs, penalties }: {
    readonly mask: Tensor;
    readonly rewards: Tensor;
    readonly oldLogProbs: Tensor;
    readonly penalties?: Tensor;
  },
): void {
  checkShapes(`${name}: rollouts`, ["B", "T"], {
    mask,
    oldLogProbs,
    ...(penalties === undefined ? {} : { penalties }),
  });
  checkShapes(`${name}: rollouts`, ["B"], {
    rewards,
    "the rows of the mask": max(cast(mask, "f32"), { axes: [-1] }),
  });
}
