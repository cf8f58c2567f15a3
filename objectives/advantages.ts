/** From rewards to advantages: how much better than expected a sampled answer was. */
import {
  add,
  cast,
  concat,
  div,
  equal,
  maximum,
  mean,
  mul,
  reshape,
  rsqrt,
  ShapeError,
  showShape,
  slice,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
  zeros,
} from "@unitune/core";
import {
  checkGroups,
  checkInterval,
  checkName,
  checkPositiveInteger,
  checkShapes,
} from "./checks.ts";
import { discountedSum } from "./discount.ts";
import { masked, maskedCount, maskedMean, maskedSum } from "./log_probs.ts";
import { safeRatio } from "./loss.ts";

/** Rewards `[B]` as groups `[B/G, G]`, checked. */
function grouped(name: string, rewards: Tensor, groupSize: number): Tensor {
  checkShapes(name, "[B]", { rewards });
  checkGroups(name, rewards.shape[0] ?? 0, groupSize);
  return reshape(rewards, [-1, groupSize]);
}

const ungrouped = (advantages: Tensor): Tensor => reshape(advantages, [-1]);

const overGroup = { axes: [-1], keepDims: true } as const;

/** The unbiased deviation of each group `[N, 1]`. */
function deviation(groups: Tensor): Tensor {
  const [, size = 2] = groups.shape;
  const centred = sub(groups, mean(groups, overGroup));
  return sqrt(div(sum(square(centred), overGroup), size - 1));
}

/** What group advantages are told: which rows answer the same prompt. */
export interface GroupOptions {
  /** Answers to each prompt, at least 2, in consecutive rows. */
  readonly groupSize: number;
}

/** What a z-score is told. */
export interface ZScoreOptions {
  /** What is added to the deviation, so that equal rewards give 0; 1e-4 unless told. */
  readonly epsilon?: number;
}

/**
 * GRPO's advantages (arXiv 2402.03300): `(r - mean) / (std + epsilon)` in each group, std unbiased.
 * 0 where all rewards of a group agree.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { groupZScore } from "@unitune/objectives";
 *
 * const rewards = tensor([0.2, 0.5, 0, 0.4], { dtype: "f64" });
 * const [first = NaN] = await groupZScore(rewards, { groupSize: 4, epsilon: 1e-6 }).data();
 * assertAlmostEquals(first, -0.3382392, 1e-7);
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows.
 * @param options The size of a group, at least 2, and epsilon.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member, or epsilon is negative.
 */
export function groupZScore(
  rewards: Tensor,
  { groupSize, epsilon = 1e-4 }: GroupOptions & ZScoreOptions,
): Tensor {
  checkInterval("groupZScore: epsilon", epsilon, 0, Number.MAX_VALUE);
  const groups = grouped("groupZScore", rewards, groupSize);
  const centred = sub(groups, mean(groups, overGroup));
  return ungrouped(safeRatio(centred, add(deviation(groups), epsilon)));
}

/**
 * Dr. GRPO's advantages (arXiv 2503.20783): `r - mean` in each group.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { groupMeanBaseline } from "@unitune/objectives";
 *
 * const advantages = groupMeanBaseline(tensor([1, 0, 4, 4]), { groupSize: 2 });
 * assertEquals(await advantages.data(), new Float32Array([0.5, -0.5, 0, 0]));
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows.
 * @param options The size of a group, at least 2.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function groupMeanBaseline(rewards: Tensor, { groupSize }: GroupOptions): Tensor {
  const groups = grouped("groupMeanBaseline", rewards, groupSize);
  return ungrouped(sub(groups, mean(groups, overGroup)));
}

/**
 * RLOO's advantages (arXiv 2402.14740): r minus the mean of the group's other rewards, which is
 * `G/(G-1) (r - mean)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { leaveOneOut } from "@unitune/objectives";
 *
 * const advantages = leaveOneOut(tensor([1, 0, 0]), { groupSize: 3 });
 * assertEquals(await advantages.data(), new Float32Array([1, -0.5, -0.5]));
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows.
 * @param options The size of a group, at least 2.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function leaveOneOut(rewards: Tensor, { groupSize }: GroupOptions): Tensor {
  const groups = grouped("leaveOneOut", rewards, groupSize);
  const others = div(sub(sum(groups, overGroup), groups), groupSize - 1);
  return ungrouped(sub(groups, others));
}

/**
 * MaxRL's advantages: `(r - m) / m`, m the group's mean; 0 where the mean is 0. For rewards from 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { maxRl } from "@unitune/objectives";
 *
 * const advantages = maxRl(tensor([1, 0, 0, 0]), { groupSize: 4 });
 * assertEquals(await advantages.data(), new Float32Array([3, -1, -1, -1]));
 * ```
 *
 * @param rewards `[B]`, at least 0, groups in consecutive rows.
 * @param options The size of a group, at least 2.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function maxRl(rewards: Tensor, { groupSize }: GroupOptions): Tensor {
  const groups = grouped("maxRl", rewards, groupSize);
  const average = mean(groups, overGroup);
  return ungrouped(where(equal(average, 0), 0, safeRatio(sub(groups, average), average)));
}

/**
 * REINFORCE++'s advantages (arXiv 2501.03262): `(r - mean) / (std + epsilon)` over the whole batch,
 * std unbiased; 0 for a single row.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { batchZScore } from "@unitune/objectives";
 *
 * const [first = NaN] = await batchZScore(tensor([1, 3], { dtype: "f64" }), { epsilon: 0 }).data();
 * assertAlmostEquals(first, -Math.SQRT1_2);
 * ```
 *
 * @param rewards `[B]`.
 * @param options What is added to the deviation; 1e-8 unless told.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the batch is empty.
 */
export function batchZScore(rewards: Tensor, { epsilon = 1e-8 }: ZScoreOptions = {}): Tensor {
  checkShapes("batchZScore", "[B]", { rewards });
  checkInterval("batchZScore: epsilon", epsilon, 0, Number.MAX_VALUE);
  const [rows = 0] = rewards.shape;
  if (rows === 1) return sub(rewards, rewards);
  const group = reshape(rewards, [1, -1]);
  const centred = sub(group, mean(group, overGroup));
  return ungrouped(safeRatio(centred, add(deviation(group), epsilon)));
}

/** What generalised advantage estimation can be told. */
export interface GaeOptions {
  /** The discount g of later rewards, from 0 to 1; 1 unless told. */
  readonly gamma?: number;
  /** The share l of longer looks ahead, from 0 to 1; 0.95 unless told. */
  readonly lambda?: number;
}

/** Throws unless the options of GAE are in range. */
export function checkGae(name: string, { gamma = 1, lambda = 0.95 }: GaeOptions): void {
  checkInterval(`${name}: gamma`, gamma, 0, 1);
  checkInterval(`${name}: lambda`, lambda, 0, 1);
}

/**
 * Generalised advantage estimation (arXiv 1506.02438): `delta_t = r_t + g V_{t+1} - V_t`,
 * `A_t = delta_t + g l A_{t+1}`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { gaeAdvantages } from "@unitune/objectives";
 *
 * const advantages = gaeAdvantages(
 *   tensor([[0, 0, 1, 0, -0.5]], { dtype: "f64" }),
 *   tensor([[1, 4, -3, -2, -1, -1]], { dtype: "f64" }),
 *   { gamma: 0.99, lambda: 0.7 },
 * );
 * const [first = NaN] = await advantages.data();
 * assertAlmostEquals(first, -0.676979, 1e-6);
 * ```
 *
 * @param rewards Of each step, `[B, T]`.
 * @param values Of the states before each step and after the last, `[B, T+1]`; the last is 0 where
 * the episode ended.
 * @param options The discount and lambda.
 * @returns Advantages, `[B, T]`. Returns are advantages plus values.
 * @throws {ShapeError} If the shapes do not fit or the batch is empty.
 * @throws {RangeError} If an option is out of range.
 */
export function gaeAdvantages(rewards: Tensor, values: Tensor, options: GaeOptions = {}): Tensor {
  checkGae("gaeAdvantages", options);
  checkShapes("gaeAdvantages", "[B, T]", { rewards });
  const [rows = 0, length = 0] = rewards.shape;
  if (showShape(values.shape) !== showShape([rows, length + 1])) {
    throw new ShapeError(
      `gaeAdvantages: got rewards ${showShape(rewards.shape)} and values ` +
        `${showShape(values.shape)}; expected [B, T] and [B, T+1]`,
    );
  }
  const { gamma = 1, lambda = 0.95 } = options;
  const next = mul(slice(values, 1, 1), gamma);
  const errors = sub(add(rewards, next), slice(values, 1, 0, -1));
  return discountedSum(errors, gamma * lambda);
}

/**
 * Rewards of tokens from scores of answers: the score stands at an answer's last token, never on
 * padding, and penalties are taken from every token.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { tokenRewards } from "@unitune/objectives";
 *
 * const mask = tensor([[0, 1, 1, 0]]);
 * const rewards = tokenRewards(tensor([5]), mask, tensor([[9, 1, 2, 9]]));
 * assertEquals(await rewards.data(), new Float32Array([0, -1, 3, 0]));
 * ```
 *
 * @param scores `[B]`; that of a row without answer tokens is lost.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param penalties To be taken from each answer token, `[B, T]`, such as a weighted KL; none unless
 * told.
 * @returns Rewards, `[B, T]`.
 * @throws {ShapeError} If the shapes do not fit or the batch is empty.
 */
export function tokenRewards(scores: Tensor, mask: Tensor, penalties?: Tensor): Tensor {
  checkShapes("tokenRewards", "[B]", { scores });
  checkShapes("tokenRewards", "[B, T]", {
    mask,
    ...(penalties === undefined ? {} : { penalties }),
  });
  const { dtype } = scores;
  const counts = cast(mask, dtype);
  const isLast = equal(mul(discountedSum(counts, 1), counts), 1);
  const atEnd = where(isLast, reshape(scores, [-1, 1]), 0);
  return penalties === undefined ? atEnd : sub(atEnd, masked(penalties, mask));
}

/**
 * GAE of answers: over answer tokens only, the value after an answer's last token being 0.
 *
 * @param rewards Of each token, `[B, T]`.
 * @param values Of the states before each token, `[B, T]`.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`; a gap ends an answer.
 * @param options The discount and lambda.
 * @returns Advantages, 0 off the answer, and returns, `[B, T]`.
 */
export function answerAdvantages(
  rewards: Tensor,
  values: Tensor,
  mask: Tensor,
  options: GaeOptions,
): { readonly advantages: Tensor; readonly returns: Tensor } {
  const [rows = 0] = values.shape;
  const own = masked(values, mask);
  const padded = concat([own, zeros([rows, 1], values.dtype)], 1);
  const advantages = masked(gaeAdvantages(masked(rewards, mask), padded, options), mask);
  return { advantages, returns: add(advantages, own) };
}

/** What whitening can be told. */
export interface WhitenOptions {
  /** Whether the mean becomes 0 (it is kept otherwise); true unless told. */
  readonly shiftMean?: boolean;
  /** What is added to the variance; 1e-8 unless told. */
  readonly epsilon?: number;
}

/**
 * `(x - mean) / sqrt(var + epsilon)` over the positions where the mask is 1, var unbiased (0 where
 * fewer than two positions count).
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { maskedWhiten } from "@unitune/objectives";
 *
 * const x = tensor([[1, 2, 3], [4, 5, 6]], { dtype: "f64" });
 * const [first = NaN] = await maskedWhiten(x, tensor([[1, 1, 0], [0, 1, 1]])).data();
 * assertAlmostEquals(first, -1.0502100621, 1e-9);
 * ```
 *
 * @param x Values, any shape; whitened everywhere, though moments are of those that count.
 * @param mask 1 where a value counts, 0 elsewhere, in the same shape.
 * @param options Whether the mean is taken away, and epsilon.
 * @returns The whitened values, in the same shape.
 */
export function maskedWhiten(
  x: Tensor,
  mask: Tensor,
  { shiftMean = true, epsilon = 1e-8 }: WhitenOptions = {},
): Tensor {
  checkInterval("maskedWhiten: epsilon", epsilon, 0, Number.MAX_VALUE);
  const centre = maskedMean(x, mask);
  const centred = sub(x, centre);
  const degrees = maximum(sub(maskedCount(mask, x.dtype), 1), 1);
  const variance = div(maskedSum(square(centred), mask), degrees);
  const white = mul(centred, rsqrt(add(variance, epsilon)));
  return shiftMean ? white : add(white, centre);
}

/** How rewards become advantages, as a part of an objective. */
export interface AdvantageEstimator {
  /** The estimator in a few words. */
  readonly description: string;
  /** How many consecutive rows are compared; a batch may be cut between such groups only. */
  readonly groupSize: number;
  /** Rewards `[B]` to advantages `[B]`. */
  readonly estimate: (rewards: Tensor) => Tensor;
}

/** How an answer's reward is compared; see {@linkcode estimator}. */
export type AdvantageForm =
  | "raw"
  | "group-z-score"
  | "group-mean"
  | "leave-one-out"
  | "batch-z-score"
  | "max-rl";

interface AdvantageRule {
  readonly description: string;
  readonly inGroups: boolean;
  readonly estimate: (rewards: Tensor, options: GroupOptions) => Tensor;
}

const forms: Readonly<Record<AdvantageForm, AdvantageRule>> = {
  "raw": { description: "A = r", inGroups: false, estimate: (rewards) => rewards },
  "group-z-score": {
    description: "A = (r - mean)/(std + 1e-4) of the group",
    inGroups: true,
    estimate: groupZScore,
  },
  "group-mean": {
    description: "A = r - mean of the group",
    inGroups: true,
    estimate: groupMeanBaseline,
  },
  "leave-one-out": {
    description: "A = r - mean of the group's others",
    inGroups: true,
    estimate: leaveOneOut,
  },
  "batch-z-score": {
    description: "A = (r - mean)/(std + 1e-8) of the batch",
    inGroups: false,
    estimate: (rewards) => batchZScore(rewards),
  },
  "max-rl": {
    description: "A = (r - mean)/mean of the group",
    inGroups: true,
    estimate: maxRl,
  },
};

/**
 * An advantage estimator by its name, with its usual constants: `raw` (the reward itself),
 * {@linkcode groupZScore}, {@linkcode groupMeanBaseline}, {@linkcode leaveOneOut},
 * {@linkcode batchZScore} or {@linkcode maxRl}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { estimator } from "@unitune/objectives";
 *
 * const { estimate } = estimator("group-mean", 2);
 * assertEquals(await estimate(tensor([1, 0])).data(), new Float32Array([0.5, -0.5]));
 * ```
 *
 * @param form Which.
 * @param groupSize Answers to each prompt, in consecutive rows; 8 unless told.
 * @returns The estimator.
 * @throws {RangeError} If the size is no positive integer, or 1 where a group is compared.
 */
export function estimator(form: AdvantageForm, groupSize = 8): AdvantageEstimator {
  checkName("estimator: form", form, forms);
  checkPositiveInteger("estimator: groupSize", groupSize);
  const { description, inGroups, estimate } = forms[form];
  if (inGroups) checkGroups("estimator", groupSize, groupSize);
  return {
    description: inGroups ? `${description} of ${groupSize}` : description,
    groupSize: inGroups ? groupSize : 1,
    estimate: (rewards) => estimate(rewards, { groupSize }),
  };
}
