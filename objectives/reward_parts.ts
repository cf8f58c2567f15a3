/** Several rewards of each answer, compared one by one before they are summed. */
import { add, cast, dims, mul, reshape, slice, type Tensor } from "@unitune/core";
import { groupZScore } from "./advantages.ts";
import { checkGroups, checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Signal } from "./estimation.ts";
import type { Advantaged, RolloutScores } from "./rollouts.ts";

/** The rewards of each answer, one by one, in batches for objectives that compare them so. */
export interface RewardParts {
  /** The rewards, `[B, R]`; NaN where one cannot be determined. */
  readonly rewardParts?: Tensor;
  /** The weight of each of them, the same in all rows, `[B, R]`. */
  readonly rewardWeights?: Tensor;
}

/** The options of {@linkcode decoupled}. */
export interface DecoupledOptions {
  /** Answers to each prompt, at least 2, in consecutive rows (default 8). */
  readonly groupSize?: number;
}

/**
 * A signal on rewards that are z-scored one by one in their groups and then summed with their
 * weights (GDPO, arXiv 2601.05242), in place of their sum. So a reward that hardly varies counts as
 * much as one that does. A reward that is NaN takes no part.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantage, decoupled, estimator } from "@unitune/objectives";
 *
 * const { data, signal } = decoupled({ groupSize: 4 }, advantage(estimator("raw"))).description;
 * assertEquals(data.includes("reward parts"), true);
 * assertEquals(signal("reward"), "sum of rewards z-scored in groups of 4, A = r");
 * ```
 *
 * @param options The size of a group.
 * @param signal The signal on rewards.
 * @returns The signal on the sum of z-scores, which throws a TypeError if the rewards are not in the
 * batch one by one.
 * @throws {RangeError} If a group has a single member.
 */
export function decoupled<B extends RolloutScores, X extends Advantaged, E>(
  { groupSize = objectiveDefaults.groupSize }: DecoupledOptions,
  signal: Signal<B, X, E>,
): Signal<B & RewardParts, X, E> {
  checkGroups("decoupled", groupSize, groupSize);
  const { description } = signal;
  return {
    ...signal,
    description: {
      ...description,
      signal: () => description.signal(`sum of rewards z-scored in groups of ${groupSize}`),
      data: [...description.data, "reward parts"],
      groupSize,
    },
    collect: (model, batch, ask) => ({
      ...signal.collect(model, { ...batch, rewards: summedScores(batch, groupSize) }, ask),
      rewards: batch.rewards,
    }),
  };
}

/** The weighted sum of each row's z-scores, `[B]`. */
function summedScores({ rewardParts, rewardWeights }: RewardParts, groupSize: number): Tensor {
  if (rewardParts === undefined || rewardWeights === undefined) {
    throw new TypeError(
      "decoupled: got rollouts without rewardParts and rewardWeights; expected each reward by itself",
    );
  }
  checkShapes("decoupled", ["B", "R"], { rewardParts, rewardWeights });
  const { B, R } = dims(rewardParts, "B R");
  const scores = Array.from({ length: R }, (_, k) => {
    const column = (x: Tensor) => reshape(slice(x, 1, k, k + 1), [B]);
    const scored = groupZScore(column(rewardParts), { groupSize });
    return mul(scored, cast(column(rewardWeights), scored.dtype));
  });
  return scores.reduce((total, score) => add(total, score));
}
