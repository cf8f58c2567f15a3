/**
 * Right answers among rollouts: who wrote a token, advantages by author, and the returns of tokens that
 * a better model judges.
 */
import {
  add,
  cast,
  checkOptions,
  dims,
  div,
  greater,
  greaterEqual,
  mapTree,
  max,
  maximum,
  mul,
  neg,
  ranges,
  reshape,
  stopGradient,
  sub,
  sum,
  type Tensor,
  unsqueeze,
  where,
} from "@unitune/core";
import type { AdvantageEstimator } from "./advantages.ts";
import { checkGroups } from "./checks.ts";
import type { ModelRole } from "./description.ts";
import { discountedSum } from "./discount.ts";
import type { Estimation, Signal } from "./estimation.ts";
import { targetsOf } from "./gold.ts";
import { logRatio, masked } from "./log_probs.ts";
import { meanOver } from "./metrics.ts";
import type { GivenEvidence, PolicyEvidence, RolloutEvidence } from "./optimization.ts";
import type { Model } from "./policy.ts";
import { type Guided, guidedPart, predictedBehind, type TeacherReading } from "./privileged.ts";
import { answered, checkRollouts, rolloutMetrics } from "./rollout_metrics.ts";
import type { Advantaged, Rollouts, RolloutScores } from "./rollouts.ts";
import { type ReferenceScores, seen } from "./signals.ts";
import { answerGate } from "./unified/gradient.ts";

/** The tokens that {@linkcode authored} collects. */
export interface Authored {
  /** 1 on given tokens, 0 elsewhere, `[B, T-1]`. */
  readonly given: Tensor;
}

/**
 * Who wrote each token: whether it was given to the policy, or is its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantage, authored, both, estimate, estimator, sampled } from "@unitune/objectives";
 *
 * const signal = both(advantage(estimator("group-mean", 8)), authored);
 * assertEquals(estimate(sampled, signal).description.data.includes("given tokens"), true);
 * ```
 */
export const authored: Signal<Guided, Authored, GivenEvidence & PolicyEvidence> = {
  description: {
    signal: () => "author of each token",
    models: [],
    data: ["given tokens"],
    asks: [],
  },
  collect: (_model, batch) => ({
    given: targetsOf(guidedPart("authored", batch, "given")),
  }),
  compare(states, { given }) {
    const evidence = seen(states);
    return { evidence: { ...evidence, given: cast(given, evidence.mask.dtype) }, metrics: {} };
  },
};

/** The options of {@linkcode authorAdvantage}. */
export interface AuthorAdvantageOptions {
  /** The estimator of answers that are the policy's alone, among each other. */
  readonly own: AdvantageEstimator;
  /** The estimator of given tokens, among all answers. */
  readonly theirs: AdvantageEstimator;
  /** The estimator of the policy's tokens behind given ones, among all answers (default `theirs`). */
  readonly continued?: AdvantageEstimator;
}

/**
 * Advantages by author, in groups of which some answers are demonstrations, or begin with one: an
 * answer that is the policy's alone is compared with others like it, tokens that were given with all
 * answers, and so are the policy's tokens behind them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { authorAdvantage, estimate, estimator, sampled } from "@unitune/objectives";
 *
 * const [own, theirs] = [estimator("group-mean", 8), estimator("raw")];
 * const { data } = estimate(sampled, authorAdvantage({ own, theirs })).description;
 * assertEquals(data, ["rollout", "reward", "old log-probs", "given tokens"]);
 * ```
 *
 * @param options The estimators.
 * @returns The signal.
 */
export function authorAdvantage(
  { own, theirs, continued = theirs }: AuthorAdvantageOptions,
): Signal<
  RolloutScores & Guided,
  Advantaged & Authored,
  RolloutEvidence & GivenEvidence & PolicyEvidence
> {
  const groupSize = Math.max(own.groupSize, theirs.groupSize, continued.groupSize);
  const behind = continued === theirs ? "" : `; own tokens behind them: ${continued.description}`;
  return {
    description: {
      signal: (reward) =>
        `${reward}, ${own.description}, own answers; given tokens: ${theirs.description}${behind}`,
      models: ["reward"],
      data: ["reward", "old log-probs", "given tokens"],
      asks: [],
      groupSize,
      advantages: "tokens",
    },
    collect(_model, batch) {
      checkRollouts("authorAdvantage", batch);
      const { rewards, oldLogProbs } = batch;
      const given = targetsOf(guidedPart("authorAdvantage", batch, "given"));
      const mask = targetsOf(batch.mask);
      const isGiven = greater(mul(given, cast(mask, given.dtype)), 0);
      const helped = max(cast(isGiven, mask.dtype), { axes: [-1] });
      const counted = answered(mask);
      const ofRow = ({ estimate }: AdvantageEstimator, rows: Tensor) =>
        unsqueeze(estimate(rewards, rows), -1);
      const ofHelped = where(isGiven, ofRow(theirs, counted), ofRow(continued, counted));
      const alone = ofRow(own, mul(counted, sub(1, helped)));
      return {
        rewards,
        advantages: where(greater(unsqueeze(helped, -1), 0), ofHelped, alone),
        oldLogProbs: targetsOf(oldLogProbs),
        given,
      };
    },
    compare(states, { rewards, ...collected }) {
      const evidence = seen(states);
      const { dtype } = evidence.mask;
      return {
        evidence: { ...evidence, ...mapTree(collected, (x) => cast(x, dtype)) },
        metrics: rolloutMetrics(cast(rewards, dtype), evidence.mask, groupSize),
      };
    },
  };
}

/** The options of {@linkcode gatedByPassRate}. */
export interface PassGateOptions {
  /** Answers to each prompt, at least 2, in consecutive rows, demonstrations among them. */
  readonly groupSize: number;
  /** The pass rate of the policy's own answers above which they teach (default 0: any success). */
  readonly threshold?: number;
  /** The reward from which an answer has passed (default 1). */
  readonly passing?: number;
}

/**
 * The gate of hybrid post-training (HPT, arXiv 2509.04419) on groups that hold a demonstration: a
 * prompt whose own answers pass often enough is learned from them, every other prompt from its
 * demonstration. The part shut out is masked; {@linkcode gate} does so where both are batches of
 * their own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantage, estimate, estimator, gatedByPassRate, sampled } from "@unitune/objectives";
 *
 * const plain = estimate(sampled, advantage(estimator("group-mean", 8)));
 * const { data } = gatedByPassRate({ groupSize: 8 }, plain).description;
 * assertEquals(data, ["rollout", "reward", "old log-probs", "given tokens"]);
 * ```
 *
 * @param options The pass rate that decides.
 * @param estimation The estimation on such groups.
 * @returns The gated estimation.
 * @throws {RangeError} If the threshold is out of range, the passing reward not finite, or a group has
 * a single member.
 */
export function gatedByPassRate<B extends Rollouts & Guided, C, E>(
  { groupSize, threshold = 0, passing = 1 }: PassGateOptions,
  estimation: Estimation<B, C, E>,
): Estimation<B, C, E> {
  const limits = { threshold: ranges.share, passing: ranges.finite };
  checkOptions("gatedByPassRate", limits, { threshold, passing });
  checkGroups("gatedByPassRate", groupSize, groupSize);
  const { description } = estimation;
  return {
    ...estimation,
    description: {
      ...description,
      signal:
        `${description.signal}; own answers where pass rate > ${threshold}, else given tokens`,
      data: [...new Set([...description.data, "given tokens"] as const)],
      groupSize: Math.max(description.groupSize, groupSize),
      gate: answerGate(threshold),
    },
    collect(model, batch, context) {
      const { mask, rewards } = batch;
      const { B } = dims(mask, "B T", "gatedByPassRate: mask");
      checkGroups("gatedByPassRate", B, groupSize);
      const given = cast(guidedPart("gatedByPassRate", batch, "given"), mask.dtype);
      const helped = max(mul(mask, given), { axes: [-1] });
      const own = mul(answered(mask), sub(1, helped));
      const groups = (x: Tensor) => reshape(x, [-1, groupSize]);
      const inGroup = (x: Tensor) => sum(groups(x), { axes: [-1], keepDims: true });
      const passes = mul(own, cast(greaterEqual(rewards, passing), own.dtype));
      // Counts are compared, as they are exact where rates are rounded.
      const isOpen = greater(inGroup(passes), mul(inGroup(own), threshold));
      const open = cast(isOpen, own.dtype);
      const taught = add(mul(groups(own), open), mul(groups(helped), sub(1, open)));
      const rows = reshape(taught, [B, 1]);
      return estimation.collect(model, { ...batch, mask: mul(mask, rows) }, context);
    },
  };
}

/** The tensors that {@linkcode monitored} collects. */
export type Monitored = Pick<Advantaged, "rewards" | "oldLogProbs">;

/**
 * Rollouts whose rewards are logged and not learned from, and the log-probabilities of the policy
 * that sampled them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { both, monitored, teacher } from "@unitune/objectives";
 *
 * assertEquals(both(monitored, teacher("self")).description.models, []);
 * ```
 */
export const monitored: Signal<
  RolloutScores,
  Monitored,
  Pick<RolloutEvidence, "oldLogProbs"> & PolicyEvidence
> = {
  description: {
    signal: () => "own answers",
    models: [],
    data: ["old log-probs"],
    asks: [],
  },
  collect(_model, batch) {
    checkRollouts("monitored", batch);
    return { rewards: batch.rewards, oldLogProbs: targetsOf(batch.oldLogProbs) };
  },
  compare(states, { rewards, oldLogProbs }) {
    const evidence = seen(states);
    const { mask } = evidence;
    return {
      evidence: { ...evidence, oldLogProbs: cast(oldLogProbs, mask.dtype) },
      metrics: rolloutMetrics(cast(rewards, mask.dtype), mask, 1),
    };
  },
};

/** The options of {@linkcode tokenReturns}. */
export interface TokenReturnOptions {
  /**
   * The judge of tokens: a model at its parameters, the policy itself (`"self"`), or the reference
   * whose log-probabilities the batch holds (`"reference"`).
   */
  readonly by: Model | "self" | "reference";
  /** What a model that judges reads (default `"same"`). */
  readonly reading?: TeacherReading;
  /** The weight c of a token's log-ratio, finite (default 1). */
  readonly coefficient?: number;
  /** The discount g of later tokens, from 0 to 1 (default 0: each token for itself). */
  readonly discount?: number;
  /** Whether a return is divided by the sum of its discounts, `sum_{i >= t} g^(i-t)` (default no). */
  readonly lengthNormalized?: boolean;
  /** The estimator of the answer's advantage, which is added at each token (default: none). */
  readonly answer?: AdvantageEstimator;
}

/** The tensors that {@linkcode tokenReturns} collects. */
export interface Returned extends Advantaged {
  /** `log p_old - log p_judge` of each token, `[B, T-1]`: an estimate of the reverse KL. */
  readonly gaps: Tensor;
}

/**
 * Returns of tokens by a judge of them, without a value head: `A_t = sum_{i >= t} g^(i-t) c (log
 * p_judge(y_i) - log p_old(y_i))`. With a teacher and g = 0 the policy gradient on it is on-policy
 * distillation, the reverse KL of sampled tokens; with the reference and g = 1 it is a KL in the
 * reward; between them, and divided by the sum of the discounts, it is MiniLLM's (arXiv 2306.08543). It
 * logs `teacher_kl`, the mean gap.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, sampled, tokenReturns } from "@unitune/objectives";
 *
 * const { data } = estimate(sampled, tokenReturns({ by: "reference", discount: 1 })).description;
 * assertEquals(data, ["rollout", "old log-probs", "reference log-probs"]);
 * ```
 *
 * @param options The judge, the weight, the discount, and the answer's advantage.
 * @returns The signal.
 * @throws {RangeError} If an option is out of range.
 */
export function tokenReturns(
  options: TokenReturnOptions & { readonly by: "reference" },
): Signal<RolloutScores & ReferenceScores, Returned, RolloutEvidence & PolicyEvidence>;
/** The same with a model that is asked. */
export function tokenReturns(
  options: TokenReturnOptions & { readonly by: Model | "self" },
): Signal<RolloutScores & Guided, Returned, RolloutEvidence & PolicyEvidence>;
export function tokenReturns(
  { by, reading = "same", coefficient = 1, discount = 0, lengthNormalized = false, answer }:
    TokenReturnOptions,
): Signal<RolloutScores & ReferenceScores & Guided, Returned, RolloutEvidence & PolicyEvidence> {
  const limits = { coefficient: ranges.finite, discount: ranges.share };
  checkOptions("tokenReturns", limits, { coefficient, discount });
  const { groupSize } = answer ?? { groupSize: 1 };
  const who = by === "self" || by === "reference" ? by : "teacher";
  const models: readonly ModelRole[] = who === "self" ? [] : [who];
  const asking = who === "self" ? "policy" : who;
  const isPrivileged = reading === "privileged" && by !== "reference";
  const gap = `${coefficient === 1 ? "" : `${coefficient} `}log(p_${who}/p_old)`;
  const summed = `sum_{i >= t} ${discount}^(i-t)`;
  const later = `${summed} ${gap}${lengthNormalized ? ` / ${summed}` : ""}`;
  const returns = `A_t = ${discount === 0 ? gap : later}`;
  return {
    description: {
      signal: (reward) =>
        (answer === undefined ? returns : `${returns} + ${reward}, ${answer.description}`) +
        (isPrivileged ? `, ${who} behind a privileged prompt` : ""),
      models: [...models, ...answer === undefined ? [] : ["reward"] as const],
      data: [
        "old log-probs",
        ...answer === undefined ? [] : ["reward"] as const,
        ...by === "reference" ? ["reference log-probs"] as const : [],
        ...isPrivileged ? ["privileged prompt"] as const : [],
      ],
      asks: by === "reference" ? [] : [isPrivileged ? `privileged ${asking}` : asking],
      groupSize,
      advantages: "tokens",
    },
    collect(model, batch, ask) {
      checkRollouts("tokenReturns", batch);
      const mask = targetsOf(batch.mask);
      const old = targetsOf(batch.oldLogProbs);
      const judged = () => {
        if (by === "reference") return targetsOf(batch.referenceLogProbs);
        const judge = by === "self" ? model : by;
        if (!isPrivileged) return ask(judge).logProbs();
        return predictedBehind(judge, guidedPart("tokenReturns", batch, "privileged"), batch)
          .logProbs();
      };
      const ratios = masked(stopGradient(logRatio(judged(), cast(old, old.dtype))), mask);
      const returned = (x: Tensor) => masked(discountedSum(x, discount), mask);
      const sums = returned(mul(ratios, coefficient));
      // At least 1 on an answer; off it both are 0.
      const lengths = () => maximum(returned(cast(mask, sums.dtype)), 1);
      const ofTokens = lengthNormalized ? div(sums, lengths()) : sums;
      return {
        rewards: batch.rewards,
        advantages: answer === undefined ? ofTokens : sumWithAnswer(ofTokens, batch, answer),
        oldLogProbs: old,
        gaps: neg(ratios),
      };
    },
    compare(states, { rewards, gaps, ...collected }) {
      const evidence = seen(states);
      const { mask } = evidence;
      const { dtype } = mask;
      return {
        evidence: { ...evidence, ...mapTree(collected, (x) => cast(x, dtype)) },
        metrics: {
          ...rolloutMetrics(cast(rewards, dtype), mask, groupSize),
          teacher_kl: meanOver(cast(gaps, dtype), mask),
        },
      };
    },
  };
}

/** Returns of tokens, and the advantage of their answer at each. */
function sumWithAnswer(
  ofTokens: Tensor,
  { rewards, mask }: RolloutScores,
  { estimate }: AdvantageEstimator,
): Tensor {
  const ofAnswers = estimate(rewards, answered(targetsOf(mask)));
  return add(ofTokens, unsqueeze(cast(ofAnswers, ofTokens.dtype), -1));
}
