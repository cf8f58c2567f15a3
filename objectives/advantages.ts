/** Advantages from rewards: how much better than expected a sampled answer was. */
import {
  add,
  and,
  cast,
  checkOptions,
  checkRange,
  clip,
  concat,
  dims,
  div,
  equal,
  greaterEqual,
  maximum,
  mul,
  notEqual,
  ranges,
  reshape,
  rsqrt,
  slice,
  sqrt,
  sub,
  type Tensor,
  where,
  zeros,
} from "@unitune/core";
import { checkGroups, checkName, checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import { discountedSum } from "./discount.ts";
import { checkMask } from "./host.ts";
import { masked, maskedCount, maskedMean, maskedSum } from "./log_probs.ts";
import { safeRatio } from "./loss.ts";
import { centred, fromOneOf, standardDeviation, varianceOf } from "./moments.ts";

/** Rewards in groups, and a mask of those that count. */
interface Groups {
  /** `[N, G]`. */
  readonly rewards: Tensor;
  /** 1 where a reward counts, 0 elsewhere, `[N, G]`. */
  readonly counted: Tensor;
}

const overGroup = { axes: [-1], keepDims: true } as const;

/** 1 for each reward that counts, `[B]`: a number whose answer is not left out. */
function countedOf(name: string, rewards: Tensor, counted: Tensor | undefined): Tensor {
  checkShapes(name, ["B"], { rewards, ...(counted === undefined ? {} : { counted }) });
  const isNumber = equal(rewards, rewards);
  const counts = counted === undefined ? isNumber : and(isNumber, notEqual(counted, 0));
  return cast(counts, rewards.dtype);
}

/**
 * Rewards `[B]` in groups of consecutive rows; the whole batch is one group if no size is given.
 */
function grouped(
  name: string,
  rewards: Tensor,
  counted: Tensor | undefined,
  groupSize?: number,
): Groups {
  const counts = countedOf(name, rewards, counted);
  const { B } = dims(rewards, "B", name);
  if (groupSize !== undefined) checkGroups(name, B, groupSize);
  const shape = [-1, groupSize ?? B];
  return { rewards: reshape(rewards, shape), counted: reshape(counts, shape) };
}

/** Advantages `[B]` of groups `[N, G]`: 0 where a reward does not count. */
function ungrouped(advantages: Tensor, counted: Tensor): Tensor {
  return reshape(masked(advantages, counted), [-1]);
}

/** `r - mean` of each group. */
const centredGroups = ({ rewards, counted }: Groups): Tensor =>
  centred(rewards, counted, overGroup);

/** The unbiased standard deviation of each group, `[N, 1]`. */
const standardDeviationOf = (groups: Groups): Tensor =>
  standardDeviation(centredGroups(groups), groups.counted, overGroup);

/** The rewards that an estimator reads. */
export interface CountedOptions {
  /**
   * 1 for each reward that counts, 0 for the others, `[B]` (default: all of them). A reward that
   * does not count, or is NaN (it could not be determined), takes no part in means and standard
   * deviations; its advantage is 0.
   */
  readonly counted?: Tensor | undefined;
}

/** The options of group advantages: the rows that answer the same prompt. */
export interface GroupOptions extends CountedOptions {
  /** Answers to each prompt, at least 2, in consecutive rows. */
  readonly groupSize: number;
}

/** The options of a z-score. */
export interface ZScoreOptions {
  /**
   * Added to the standard deviation, at least 0, so that nearly equal rewards are not magnified
   * (default 1e-4). Equal rewards give 0 for every epsilon.
   */
  readonly epsilon?: number;
}

const zScoreRanges = { epsilon: ranges.nonNegative };

/**
 * GRPO's advantages (arXiv 2402.03300): `(r - mean) / (std + epsilon)` in each group, std unbiased.
 * Exactly 0 where all rewards of a group agree.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { groupZScore } from "@unitune/objectives";
 *
 * const rewards = tensor([0.2, 0.5, 0, 0.4], { dtype: "f64" });
 * const [first = NaN] = await groupZScore(rewards, { groupSize: 4, epsilon: 1e-6 }).data();
 * assertAlmostEquals(first, -0.3382392, 1e-7);
 * const equal = groupZScore(tensor([0.7, 0.7, 0.7]), { groupSize: 3 });
 * assertEquals(await equal.data(), new Float32Array([0, 0, 0]));
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows.
 * @param options The size of a group, at least 2, epsilon, and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member, or epsilon is negative.
 */
export function groupZScore(
  rewards: Tensor,
  { groupSize, counted, epsilon = 1e-4 }: GroupOptions & ZScoreOptions,
): Tensor {
  checkOptions("groupZScore", zScoreRanges, { epsilon });
  const groups = grouped("groupZScore", rewards, counted, groupSize);
  const scale = add(standardDeviationOf(groups), epsilon);
  return ungrouped(safeRatio(centredGroups(groups), scale), groups.counted);
}

/**
 * Dr. GRPO's advantages (arXiv 2503.20783): `r - mean` in each group. Exactly 0 where all rewards
 * of a group agree.
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
 * @param options The size of a group, at least 2, and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function groupMeanBaseline(
  rewards: Tensor,
  { groupSize, counted }: GroupOptions,
): Tensor {
  const groups = grouped("groupMeanBaseline", rewards, counted, groupSize);
  return ungrouped(centredGroups(groups), groups.counted);
}

/**
 * GRPO's advantages with the standard deviation of the whole batch (arXiv 2508.08221; TRL's
 * `scale_rewards="batch"`): `(r - mean of the group) / (std of the batch + epsilon)`, std unbiased.
 * The mean is the prompt's, as in {@linkcode groupZScore}; {@linkcode batchZScore} subtracts the
 * batch's. Exactly 0 where all rewards of a group agree.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { groupMeanBatchStd } from "@unitune/objectives";
 *
 * // Standard deviations of 0.5 in the first group, 0 in the second, and 2.0616 in the batch.
 * const rewards = tensor([1, 0, 4, 4], { dtype: "f64" });
 * const [first = NaN, , last] = await groupMeanBatchStd(rewards, { groupSize: 2 }).data();
 * assertAlmostEquals(first, 0.5 / (Math.sqrt(12.75 / 3) + 1e-4));
 * assertAlmostEquals(last ?? NaN, 0);
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows.
 * @param options The size of a group, at least 2, epsilon, and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member, or epsilon is negative.
 */
export function groupMeanBatchStd(
  rewards: Tensor,
  { groupSize, counted, epsilon = 1e-4 }: GroupOptions & ZScoreOptions,
): Tensor {
  checkOptions("groupMeanBatchStd", zScoreRanges, { epsilon });
  const groups = grouped("groupMeanBatchStd", rewards, counted, groupSize);
  const batch = grouped("groupMeanBatchStd", rewards, counted);
  const scale = add(standardDeviationOf(batch), epsilon);
  return ungrouped(safeRatio(centredGroups(groups), scale), groups.counted);
}

/**
 * RLOO's advantages (arXiv 2402.14740): r minus the mean of the group's other rewards, which is
 * `G/(G-1) (r - mean)`. Exactly 0 where all rewards of a group agree, or only one counts.
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
 * @param options The size of a group, at least 2, and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function leaveOneOut(rewards: Tensor, { groupSize, counted }: GroupOptions): Tensor {
  const groups = grouped("leaveOneOut", rewards, counted, groupSize);
  // Computed from differences to one of the group's rewards, so that equal rewards give exactly 0.
  const own = fromOneOf(groups.rewards, groups.counted, overGroup);
  const total = maskedSum(own, groups.counted, overGroup);
  const size = maskedCount(groups.counted, own.dtype, overGroup);
  const others = div(sub(total, own), maximum(sub(size, 1), 1));
  return ungrouped(sub(own, others), groups.counted);
}

/**
 * MaxRL's advantages: `(r - m) / m`, m the group's mean; 0 where the mean is 0. For rewards from 0.
 * Exactly 0 where all rewards of a group agree.
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
 * @param options The size of a group, at least 2, and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member.
 */
export function maxRl(rewards: Tensor, { groupSize, counted }: GroupOptions): Tensor {
  const groups = grouped("maxRl", rewards, counted, groupSize);
  const average = maskedMean(groups.rewards, groups.counted, overGroup);
  const relative = where(equal(average, 0), 0, safeRatio(centredGroups(groups), average));
  return ungrouped(relative, groups.counted);
}

/**
 * REINFORCE++'s advantages (arXiv 2501.03262): `(r - mean) / (std + epsilon)` over the whole batch,
 * std unbiased. Exactly 0 where all rewards agree, and for a single row.
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
 * @param options The number added to the standard deviation (default 1e-8), and which rewards count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the batch is empty.
 * @throws {RangeError} If epsilon is negative.
 */
export function batchZScore(
  rewards: Tensor,
  { counted, epsilon = 1e-8 }: CountedOptions & ZScoreOptions = {},
): Tensor {
  checkOptions("batchZScore", zScoreRanges, { epsilon });
  const batch = grouped("batchZScore", rewards, counted);
  const scale = add(standardDeviationOf(batch), epsilon);
  return ungrouped(safeRatio(centredGroups(batch), scale), batch.counted);
}

/** The options of {@linkcode passRate}. */
export interface PassRateOptions extends GroupOptions {
  /** The least and, from 1 downwards, the largest pass rate, from 0 to 1/2 (default 0.02). */
  readonly margin?: number;
  /** `"group"` divides by the population's standard deviation, `sqrt(q (1 - q))` (default `"none"`). */
  readonly scale?: "none" | "group";
}

/**
 * NFT's advantages of right and wrong answers (arXiv 2505.18116): `1[r >= 1] - q`, q the share of
 * the group's answers that are right, cut to 0.02..0.98. So they are 0 in no group.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { passRate } from "@unitune/objectives";
 *
 * const rewards = tensor([1, 0, 0, 0], { dtype: "f64" });
 * assertEquals([...await passRate(rewards, { groupSize: 4 }).data()], [0.75, -0.25, -0.25, -0.25]);
 * ```
 *
 * @param rewards `[B]`, groups in consecutive rows; an answer is right from 1.
 * @param options The size of a group, at least 2, the limits of q, the scale, and which rewards
 * count.
 * @returns Advantages, `[B]`.
 * @throws {ShapeError} If the rows are not whole groups.
 * @throws {RangeError} If a group has a single member, or the margin is out of range.
 */
export function passRate(
  rewards: Tensor,
  { groupSize, counted, margin = 0.02, scale = "none" }: PassRateOptions,
): Tensor {
  checkOptions("passRate", { margin: { min: 0, max: 0.5 } }, { margin });
  const groups = grouped("passRate", rewards, counted, groupSize);
  const right = cast(greaterEqual(groups.rewards, 1), rewards.dtype);
  const rate = clip(maskedMean(right, groups.counted, overGroup), margin, 1 - margin);
  const advantages = sub(right, rate);
  return ungrouped(
    scale === "none" ? advantages : safeRatio(advantages, sqrt(mul(rate, sub(1, rate)))),
    groups.counted,
  );
}

/** The options of generalised advantage estimation. */
export interface GaeOptions {
  /** The discount g of later rewards, from 0 to 1 (default 1). */
  readonly gamma?: number;
  /** The share l of longer looks ahead, from 0 to 1 (default 0.95). */
  readonly lambda?: number;
}

/** The options of GAE, checked, its defaults filled in. */
export function gaeConstants(
  name: string,
  { gamma = 1, lambda = 0.95 }: GaeOptions,
): Required<GaeOptions> {
  checkOptions(name, { gamma: ranges.share, lambda: ranges.share }, { gamma, lambda });
  return { gamma, lambda };
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
  const { gamma, lambda } = gaeConstants("gaeAdvantages", options);
  checkShapes("gaeAdvantages", ["B", "T"], { rewards });
  const { B, T } = dims(rewards, "B T");
  dims(values, `${B} ${T + 1}`, "gaeAdvantages: values");
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
 * @param scores `[B]`; the score of a row without answer tokens is lost.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param penalties Penalties subtracted from each answer token, `[B, T]`, such as a weighted KL
 * (default: none).
 * @returns Rewards, `[B, T]`.
 * @throws {ShapeError} If the shapes do not fit or the batch is empty.
 */
export function tokenRewards(scores: Tensor, mask: Tensor, penalties?: Tensor): Tensor {
  checkShapes("tokenRewards", ["B"], { scores });
  checkShapes("tokenRewards", ["B", "T"], {
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
  const { B } = dims(values, "B T", "gaeAdvantages: values");
  const own = masked(values, mask);
  const padded = concat([own, zeros([B, 1], values.dtype)], 1);
  const advantages = masked(gaeAdvantages(masked(rewards, mask), padded, options), mask);
  return { advantages, returns: add(advantages, own) };
}

/** The options of whitening. */
export interface WhitenOptions {
  /** Whether the mean becomes 0 (default true; otherwise it is kept). */
  readonly shiftMean?: boolean;
  /** The number added to the variance (default 1e-8). */
  readonly epsilon?: number;
}

/**
 * `(x - mean) / sqrt(var + epsilon)` over the positions where the mask is 1, var unbiased (0 where
 * fewer than two positions count). Values that agree become exactly 0.
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
 * @param x Values, any shape. Every position is whitened; mean and variance are computed over unmasked
 * positions only.
 * @param mask 1 where a value counts, 0 elsewhere, in the same shape.
 * @param options Whether the mean is taken away, and epsilon.
 * @returns The whitened values, in the same shape.
 * @throws {RangeError} If epsilon is negative, or the mask is on the host and neither 0 nor 1 somewhere.
 */
export function maskedWhiten(
  x: Tensor,
  mask: Tensor,
  { shiftMean = true, epsilon = 1e-8 }: WhitenOptions = {},
): Tensor {
  checkOptions("maskedWhiten", zScoreRanges, { epsilon });
  checkMask("maskedWhiten", mask);
  const deviations = centred(x, mask, {});
  const scale = add(varianceOf(deviations, mask, {}), epsilon);
  // Without an epsilon, values that agree have no scale, and none is needed.
  const white = mul(deviations, rsqrt(where(equal(scale, 0), 1, scale)));
  return shiftMean ? white : add(white, maskedMean(x, mask));
}

/** The estimator of advantages from rewards, as a part of an objective. */
export interface AdvantageEstimator {
  /** The estimator in a few words. */
  readonly description: string;
  /** The size of the groups of rows that are compared; a batch may be cut between groups only. */
  readonly groupSize: number;
  /**
   * Rewards `[B]` to advantages `[B]`. Rewards that do not count (0 in `counted`, `[B]`) take no
   * part in means and standard deviations, and their advantage is 0.
   */
  readonly estimate: (rewards: Tensor, counted?: Tensor) => Tensor;
}

/** The form in which an answer's reward is compared; see {@linkcode estimator}. */
export type AdvantageForm =
  | "raw"
  | "sign"
  | "group-z-score"
  | "group-mean"
  | "group-mean-batch-std"
  | "leave-one-out"
  | "batch-z-score"
  | "max-rl"
  | "pass-rate"
  | "pass-rate-z-score";

interface AdvantageRule {
  readonly description: string;
  readonly inGroups: boolean;
  readonly estimate: (rewards: Tensor, options: GroupOptions) => Tensor;
}

const forms: Readonly<Record<AdvantageForm, AdvantageRule>> = {
  "raw": {
    description: "A = r",
    inGroups: false,
    estimate: (rewards, { counted }) => masked(rewards, countedOf("raw", rewards, counted)),
  },
  "sign": {
    description: "A = r >= 1 ? 1 : -1",
    inGroups: false,
    estimate: (rewards, { counted }) =>
      masked(
        sub(mul(cast(greaterEqual(rewards, 1), rewards.dtype), 2), 1),
        countedOf("sign", rewards, counted),
      ),
  },
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
  "group-mean-batch-std": {
    description: "A = (r - mean)/(std of the batch + 1e-4), mean of the group",
    inGroups: true,
    estimate: groupMeanBatchStd,
  },
  "leave-one-out": {
    description: "A = r - mean of the group's others",
    inGroups: true,
    estimate: leaveOneOut,
  },
  "batch-z-score": {
    description: "A = (r - mean)/(std + 1e-8) of the batch",
    inGroups: false,
    estimate: (rewards, { counted }) => batchZScore(rewards, { counted }),
  },
  "max-rl": {
    description: "A = (r - mean)/mean of the group",
    inGroups: true,
    estimate: maxRl,
  },
  "pass-rate": {
    description: "A = 1[r >= 1] - q, pass rate q",
    inGroups: true,
    estimate: passRate,
  },
  "pass-rate-z-score": {
    description: "A = (1[r >= 1] - q)/sqrt(q (1 - q)), pass rate q",
    inGroups: true,
    estimate: (rewards, options) => passRate(rewards, { ...options, scale: "group" }),
  },
};

/**
 * An advantage estimator by its name, with its usual constants: `raw` (the reward itself),
 * `sign` (1 for a reward of at least 1, else -1),
 * {@linkcode groupZScore}, {@linkcode groupMeanBaseline}, {@linkcode groupMeanBatchStd},
 * {@linkcode leaveOneOut}, {@linkcode batchZScore}, {@linkcode maxRl} or {@linkcode passRate}.
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
 * @param form The form of the comparison.
 * @param groupSize Answers to each prompt, in consecutive rows (default 8).
 * @returns The estimator.
 * @throws {RangeError} If the size is no positive integer, or 1 where a group is compared.
 */
export function estimator(
  form: AdvantageForm,
  groupSize = objectiveDefaults.groupSize,
): AdvantageEstimator {
  checkName("estimator: form", form, forms);
  checkRange("estimator: groupSize", groupSize, ranges.integerFrom(1));
  const { description, inGroups, estimate } = forms[form];
  if (inGroups) checkGroups("estimator", groupSize, groupSize);
  return {
    description: inGroups ? `${description} of ${groupSize}` : description,
    groupSize: inGroups ? groupSize : 1,
    estimate: (rewards, counted) => estimate(rewards, { groupSize, counted }),
  };
}
