/**
 * Advantages of a prompt's first answer, against other answers that another model gave: the value of
 * A*-PO, the preference of Nash-MD. And estimations on one answer of each group.
 */
import {
  add,
  and,
  broadcastTo,
  cast,
  checkOptions,
  concat,
  dims,
  div,
  equal,
  gather,
  greater,
  iota,
  log,
  logSumExp,
  mapTree,
  maximum,
  mul,
  notEqual,
  ranges,
  reshape,
  sigmoid,
  slice,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from "@unitune/core";
import type { AdvantageEstimator } from "./advantages.ts";
import { checkGroups, checkName } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { DataField } from "./description.ts";
import type { Estimation } from "./estimation.ts";
import { masked, maskedCount } from "./log_probs.ts";
import type { Rewarded } from "./rollouts.ts";

/** Rewards `[B]` in groups, `[N, G]`, and which of them count. */
function inGroups(name: string, rewards: Tensor, counted: Tensor | undefined, groupSize: number) {
  checkGroups(name, dims(rewards, "B", name).B, groupSize);
  const isNumber = equal(rewards, rewards);
  const counts = counted === undefined ? isNumber : and(isNumber, notEqual(counted, 0));
  return {
    rewards: reshape(rewards, [-1, groupSize]),
    counted: reshape(cast(counts, rewards.dtype), [-1, groupSize]),
  };
}

/** Advantages of each group's first answer, `[N, 1]`, as those of all answers: 0 of the others. */
function ofFirst(advantages: Tensor, groupSize: number): Tensor {
  const { N } = dims(advantages, "N 1");
  return reshape(concat([advantages, zeros([N, groupSize - 1], advantages.dtype)], 1), [-1]);
}

/** The options of {@linkcode optimalValue}. */
export interface OptimalValueOptions {
  /** Answers to each prompt: the first learns, the others estimate its value (default 8). */
  readonly groupSize?: number;
  /** The temperature b of the value, above 0 (default 0.5). */
  readonly beta?: number;
}

/**
 * The defaults of {@linkcode optimalValue}. Seven answers of the reference make groups of eight, which
 * batches of the usual sizes hold; TRL samples eight.
 */
export const optimalValueDefaults = { groupSize: 8, beta: 0.5 } as const;

/**
 * The advantage of A*-PO (arXiv 2505.20686): the first answer's reward less the optimal value of its
 * prompt, `A = r - b log mean_i e^(r_i / b)`, over the group's other answers, which the reference
 * gave. The other answers have no advantage.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { optimalValue } from "@unitune/objectives";
 *
 * const { estimate } = optimalValue({ groupSize: 3, beta: 1 });
 * const [first = NaN] = await estimate(tensor([1, 1, 0], { dtype: "f64" })).data();
 * assertAlmostEquals(first, 1 - Math.log((Math.E + 1) / 2));
 * ```
 *
 * @param options The size of a group, and the temperature.
 * @returns The estimator; its groups are those of {@linkcode oneOf}.
 * @throws {RangeError} If an option is out of range.
 */
export function optimalValue(
  { groupSize = optimalValueDefaults.groupSize, beta = optimalValueDefaults.beta }:
    OptimalValueOptions = {},
): AdvantageEstimator {
  checkOptions("optimalValue", { beta: ranges.positive }, { beta });
  checkGroups("optimalValue", groupSize, groupSize);
  return {
    description: `A = r - ${beta} log mean e^(r/${beta}) of ${groupSize - 1} other answers`,
    groupSize: 1,
    estimate(rewards, counted) {
      const groups = inGroups("optimalValue", rewards, counted, groupSize);
      const [own, others] = [slice(groups.rewards, 1, 0, 1), slice(groups.rewards, 1, 1)];
      const [learns, tells] = [slice(groups.counted, 1, 0, 1), slice(groups.counted, 1, 1)];
      const count = maskedCount(tells, rewards.dtype, { axes: [-1], keepDims: true });
      const exponents = where(notEqual(tells, 0), div(others, beta), -1e15);
      const total = reshape(logSumExp(exponents, -1), [-1, 1]);
      const value = mul(sub(total, log(maximum(count, 1))), beta);
      const known = where(greater(count, 0), learns, 0);
      return ofFirst(masked(sub(own, value), known), groupSize);
    },
  };
}

/**
 * The advantage of Nash-MD (arXiv 2312.00886): the probability that the first of two answers is
 * preferred, by Bradley and Terry's model of their rewards, less a half: `A = sigmoid(r - r') - 1/2`.
 * The second answer has no advantage.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { preferred } from "@unitune/objectives";
 *
 * const rewards = tensor([Math.log(3), 0], { dtype: "f64" });
 * const [first = NaN] = await preferred.estimate(rewards).data();
 * assertAlmostEquals(first, 3 / 4 - 1 / 2);
 * ```
 */
export const preferred: AdvantageEstimator = {
  description: "A = sigmoid(r - r') - 1/2, r' of the other answer",
  groupSize: 1,
  estimate(rewards, counted) {
    const groups = inGroups("preferred", rewards, counted, 2);
    const [own, other] = [slice(groups.rewards, 1, 0, 1), slice(groups.rewards, 1, 1)];
    const both = mul(slice(groups.counted, 1, 0, 1), slice(groups.counted, 1, 1));
    return ofFirst(masked(sub(sigmoid(sub(own, other)), 0.5), both), 2);
  },
};

/** The options of {@linkcode oneOf}. */
export interface OneOfOptions {
  /** Answers to each prompt, at least 2, in consecutive rows (default 2). */
  readonly groupSize?: number;
  /** The place of the answer in its group, from 0 (default 0). */
  readonly place?: number;
  /**
   * Whether prompts are left out the rewards of whose other answers sum to 0, as where none is right
   * (default false).
   */
  readonly solved?: boolean;
  /**
   * The author of the other answers of each group: the policy, the reference, or a mixture of both
   * (default `"policy"`).
   */
  readonly others?: "policy" | "reference" | "mixture";
}

/** The data of groups whose other answers have an author of their own. */
const otherAuthors: Readonly<
  Record<NonNullable<OneOfOptions["others"]>, readonly DataField[]>
> = { policy: [], reference: ["reference rollouts"], mixture: ["mixture rollouts"] };

/** 1 for each group whose rewards at other places do not sum to 0, `[N, 1]`. */
function solvedGroups(rewards: Tensor, groupSize: number, place: number): Tensor {
  const groups = reshape(rewards, [-1, groupSize]);
  const others = where(equal(iota(groups.shape, 1), place), 0, groups);
  return where(notEqual(sum(others, { axes: [-1], keepDims: true }), 0), 1, 0);
}

/**
 * An estimation on one answer of each group, by its place. Its signal sees the whole group.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, indicator, oneOf, sampled } from "@unitune/objectives";
 *
 * const second = oneOf(estimate(sampled, indicator), { groupSize: 2, place: 1 });
 * assertEquals([second.description.groupSize, second.description.learnedShare], [2, 1 / 2]);
 * ```
 *
 * @param estimation On single answers.
 * @param options The size of a group, and the place.
 * @returns The estimation on groups.
 * @throws {RangeError} If a group has a single member, or no such place.
 */
export function oneOf<B, C, E>(
  estimation: Estimation<B, C, E>,
  {
    groupSize = objectiveDefaults.rankedGroupSize,
    place = 0,
    solved = false,
    others = "policy",
  }: OneOfOptions = {},
): Estimation<B & Rewarded, C, E> {
  checkGroups("oneOf", groupSize, groupSize);
  checkName("oneOf: others", others, otherAuthors);
  checkOptions("oneOf", { place: { integer: true, min: 0, below: groupSize } }, { place });
  const { description } = estimation;
  return {
    ...estimation,
    description: {
      ...description,
      signal: `${description.signal}; answer ${place + 1} of ${groupSize}` +
        (solved ? ", where another is right" : ""),
      models: [...new Set([...description.models, "reward" as const])],
      data: [
        ...new Set([...description.data, "reward" as const]),
        ...otherAuthors[others],
      ],
      groupSize,
      learnedShare: 1 / groupSize,
    },
    collect(model, batch, context) {
      const { B } = dims(batch.rewards, "B", "oneOf: rewards");
      checkGroups("oneOf", B, groupSize);
      const given = solved ? { ...batch, mask: ofSolved(batch, groupSize, place) } : batch;
      const rows = add(mul(iota([B / groupSize], 0), groupSize), place);
      return mapTree(
        estimation.collect(model, given, context),
        (leaf) => gather(leaf, rows),
      );
    },
  };
}

/** The mask of a batch, 0 at the place of groups in which no other answer has a reward above 0. */
function ofSolved({ mask, rewards }: Rewarded, groupSize: number, place: number): Tensor {
  const { B } = dims(mask, "B T");
  const shape = [B / groupSize, groupSize];
  const isSolved = broadcastTo(solvedGroups(rewards, groupSize, place), shape);
  const kept = where(equal(iota(shape, 1), place), isSolved, 1);
  return where(notEqual(reshape(kept, [B, 1]), 0), mask, 0);
}
