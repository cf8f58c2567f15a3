/** Rejection sampling: of sampled answers, those that pass stand for demonstrations. */
import { cast, checkOptions, greaterEqual, mul, ranges, reshape } from "@unitune/core";
import { checkGroups } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Estimation } from "./estimation.ts";
import type { Rewarded } from "./rollouts.ts";
import { quantity } from "./unified/expression.ts";
import { literal, write } from "./unified/write.ts";

/** The options of {@linkcode passed}. */
export interface PassedOptions {
  /** Answers to each prompt, at least 2, in consecutive rows (default 8). */
  readonly groupSize?: number;
  /** The reward from which an answer has passed (default 1). */
  readonly passing?: number;
}

/** The defaults of {@linkcode passed}. */
export const passedDefaults: Required<PassedOptions> = {
  groupSize: objectiveDefaults.groupSize,
  passing: 1,
};

/**
 * An estimation on the answers whose reward passes, however many of a group they are; the others are
 * masked, so that no normalizer of tokens or of sequences counts them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, indicator, passed, sampled } from "@unitune/objectives";
 *
 * const { signal } = passed(estimate(sampled, indicator), { groupSize: 4 }).description;
 * assertEquals(signal, "target token, 1[a = pi*(s_n)]; those of 4 with r >= 1");
 * ```
 *
 * @param estimation On single answers.
 * @param options The size of a group, and the reward that passes.
 * @returns The estimation on groups.
 * @throws {RangeError} If a group has a single member, or the reward that passes is not finite.
 */
export function passed<B, C, E>(
  estimation: Estimation<B, C, E>,
  options: PassedOptions = {},
): Estimation<B & Rewarded, C, E> {
  const { groupSize, passing } = { ...passedDefaults, ...options };
  checkOptions("passed", { passing: ranges.finite }, { passing });
  checkGroups("passed", groupSize, groupSize);
  const { description } = estimation;
  const passes = write.atMost(literal(passing), quantity("r"));
  return {
    description: {
      ...description,
      signal: `${description.signal}; those of ${groupSize} with r >= ${passing}`,
      models: [...description.models, "reward"],
      data: [...description.data, "reward"],
      groupSize,
      gate: { all: passes, own: passes, given: passes },
    },
    collect(model, batch, context) {
      const { mask, rewards } = batch;
      const isRight = cast(reshape(greaterEqual(rewards, passing), [-1, 1]), mask.dtype);
      return estimation.collect(model, { ...batch, mask: mul(mask, isRight) }, context);
    },
    evaluate: estimation.evaluate,
  };
}
