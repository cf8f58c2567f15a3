/** Answers sampled from a policy, and their rewards, as estimations. */
import {
  add,
  argmax,
  cast,
  checkOptions,
  concat,
  dims,
  equal,
  evaluate,
  gather,
  greater,
  iota,
  mapTree,
  mul,
  type Range,
  ranges,
  reshape,
  stopGradient,
  sub,
  type Tensor,
  tensor,
  where,
  zeros,
} from "@unitune/core";
import {
  type AdvantageEstimator,
  answerAdvantages,
  gaeConstants,
  type GaeOptions,
  maskedWhiten,
  tokenRewards,
} from "./advantages.ts";
import { checkGroups, checkName, checkShapes } from "./checks.ts";
import { objectiveDefaults } from "./defaults.ts";
import type { Estimation, PriorStates, Signal } from "./estimation.ts";
import {
  checkDemonstrations,
  type Demonstrations,
  gold,
  predicted,
  readOf,
  targetsOf,
} from "./gold.ts";
import { masked, maskedSum } from "./log_probs.ts";
import type { PolicyEvidence, RolloutEvidence, Sides, ValueEvidence } from "./optimization.ts";
import type { Model } from "./policy.ts";
import { mapPrediction } from "./prediction.ts";
import { checkKlEstimator, klEstimate, type KlEstimator } from "./regularizers.ts";
import { answered, checkRollouts, rolloutMetrics } from "./rollout_metrics.ts";
import { type ReferenceScores, seen } from "./signals.ts";

/**
 * Tokens that a policy sampled: sequences, a mask of the sampled tokens, their temperature and
 * their log-probabilities. {@linkcode rolloutsOf} makes such a batch from samples. Demonstrations
 * are no such batch, since the policy that they come from is unknown.
 *
 * A sampler draws from `pi_T(a | s) = softmax(logits / T)`, so an objective learns about pi_T from
 * its answers. The batch holds T, and every model predicts at T: log-probabilities (old, new and
 * the reference's), their ratios, KL and entropy all belong to `logits / T`.
 *
 * Top-k and top-p do not enter log-probabilities. They truncate the distribution to draw from, and
 * a ratio of two truncated distributions is 0 or infinite where the truncations differ.
 */
export interface SampledTokens extends Demonstrations {
  /** 1 on the sampled tokens, 0 elsewhere, `[B, T]`. */
  readonly mask: Tensor;
  /** The temperature that the tokens were sampled at, above 0. */
  readonly temperature: number;
  /**
   * Log-probabilities of the tokens under the policy that sampled them, at that temperature,
   * `[B, T]`, in nats: the entry at t belongs to `ids[b, t]`.
   */
  readonly oldLogProbs: Tensor;
}

/** The scores of rollouts that signals read. */
export interface RolloutScores extends Pick<SampledTokens, "mask" | "oldLogProbs"> {
  /** The reward of each answer, `[B]`. */
  readonly rewards: Tensor;
  /** Penalties, subtracted from the reward at each token, `[B, T]` (default: none). */
  readonly penalties?: Tensor;
}

/** Sampled answers and their rewards. Answers to the same prompt stand in consecutive rows. */
export interface Rollouts extends SampledTokens, RolloutScores {}

/** Refuses a batch that no sampler made, for callers whose types are not checked. */
function checkSampled(batch: Partial<SampledTokens>): void {
  const missing = (["oldLogProbs", "temperature"] as const)
    .filter((name) => batch[name] === undefined);
  if (missing.length === 0) return;
  throw new TypeError(
    `sampled: got a batch without ${missing.join(" and ")}; expected rollouts, as rolloutsOf ` +
      `makes them: demonstrations are learned from on their own prefixes (gold)`,
  );
}

/**
 * The states that the model itself reaches: the prefixes of its own answers. Both sides are
 * compared there, so the human's preference is a reward on the model's states. The model predicts
 * at the temperature that sampled the answers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sampled } from "@unitune/objectives";
 *
 * assertEquals(sampled.description.data, ["rollout"]);
 * ```
 */
export const sampled: PriorStates<SampledTokens, SampledTokens> = {
  description: {
    humanStates: { kind: "prefix", of: "own" },
    modelStates: { kind: "prefix", of: "own" },
    models: ["policy"],
    data: ["rollout"],
    forwardPasses: 1,
  },
  collect(_model, batch) {
    checkSampled(batch);
    checkDemonstrations(batch);
    checkShapes("sampled", ["B", "T"], { mask: batch.mask, oldLogProbs: batch.oldLogProbs });
    return batch;
  },
  evaluate: gold.evaluate,
};

/** The tensors that {@linkcode advantage} collects. */
export interface Advantaged {
  /** The rewards, `[B]`. */
  readonly rewards: Tensor;
  /** Advantages of answers, `[B]`. */
  readonly advantages: Tensor;
  /** Log-probabilities of the tokens under the policy that sampled them, `[B, T-1]`. */
  readonly oldLogProbs: Tensor;
}

/**
 * Rewards of answers, turned into advantages: how much better than expected each answer was. The
 * sum of an answer's penalties is subtracted from its reward. A row without answer tokens, such as
 * an answer that cannot be scored, takes no part in the baseline of the others.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantage, estimate, estimator, sampled } from "@unitune/objectives";
 *
 * const { signal } = estimate(sampled, advantage(estimator("leave-one-out", 4))).description;
 * assertEquals(signal, "reward, A = r - mean of the group's others of 4");
 * ```
 *
 * @param estimator The estimator of advantages.
 * @returns The signal.
 */
export function advantage(
  { description, groupSize, estimate }: AdvantageEstimator,
): Signal<RolloutScores, Advantaged, RolloutEvidence & PolicyEvidence> {
  return {
    description: {
      signal: (reward) => `${reward}, ${description}`,
      models: ["reward"],
      data: ["reward", "old log-probs"],
      asks: [],
      groupSize,
    },
    collect(_model, batch) {
      checkRollouts("advantage", batch);
      const { mask, penalties, oldLogProbs } = batch;
      const rewards = penalties === undefined
        ? batch.rewards
        : sub(batch.rewards, cast(maskedSum(penalties, mask, { axes: [-1] }), batch.rewards.dtype));
      return {
        rewards: batch.rewards,
        advantages: estimate(rewards, answered(targetsOf(mask))),
        oldLogProbs: targetsOf(oldLogProbs),
      };
    },
    compare(states, { rewards, advantages, oldLogProbs }) {
      const evidence = seen(states);
      const { dtype } = evidence.mask;
      return {
        evidence: {
          ...evidence,
          advantages: cast(advantages, dtype),
          oldLogProbs: cast(oldLogProbs, dtype),
        },
        metrics: rolloutMetrics(cast(rewards, dtype), evidence.mask, groupSize),
      };
    },
  };
}

/** The options of {@linkcode gae}. */
export interface ActorCriticOptions extends GaeOptions {
  /**
   * Whether advantages are whitened over the batch, as PPO's code does; then cutting a batch into
   * micro-batches changes its loss (default false).
   */
  readonly whiten?: boolean;
  /**
   * The source of the values of states, by which advantages are estimated: `"precomputed"`, from
   * the batch (`oldValues`), so that a batch may be used for several steps; `"asked"`, from the
   * policy that learns, where the batch has none (default `"asked"`).
   */
  readonly values?: "precomputed" | "asked";
}

/** The tensors that {@linkcode gae} collects; all but the rewards `[B, T-1]`. */
export interface Valued extends Advantaged {
  /** Values when the rollouts were made. */
  readonly oldValues: Tensor;
  /** The returns to predict. */
  readonly returns: Tensor;
}

/** Values of the states when the rollouts were made, where a batch is used more than once. */
export interface ValueScores {
  /**
   * `[B, T]`: the entry at t belongs to the state before `ids[b, t]` (default: the policy's own
   * values).
   */
  readonly oldValues?: Tensor;
}

/**
 * Rewards of answers and values of states, turned into advantages of tokens by generalised
 * advantage estimation. The reward stands at an answer's last token; penalties at each. The policy
 * must have a value head ({@linkcode Policy}'s `value`).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gae, sampled } from "@unitune/objectives";
 *
 * const { models } = estimate(sampled, gae({ lambda: 0.9 })).description;
 * assertEquals(models, ["policy", "reward", "value"]);
 * ```
 *
 * @param options Discount, lambda, whitening, and where values come from.
 * @returns The signal, which throws a TypeError if precomputed values are not in the batch.
 * @throws {RangeError} If an option is out of range.
 */
export function gae(
  options: ActorCriticOptions = {},
): Signal<
  RolloutScores & ValueScores,
  Valued,
  RolloutEvidence & PolicyEvidence & ValueEvidence
> {
  const { gamma, lambda } = gaeConstants("gae", options);
  const { whiten = false, values = "asked" } = options;
  checkName("gae: values", values, { precomputed: true, asked: true });
  const given = values === "precomputed";
  return {
    description: {
      signal: (reward) => `${reward}, GAE(${gamma}, ${lambda})${whiten ? ", whitened" : ""}`,
      models: ["reward", "value"],
      data: ["reward", "old log-probs", ...given ? ["old values"] as const : []],
      asks: given ? [] : ["policy"],
      advantages: "tokens",
    },
    collect(model, batch, ask) {
      checkRollouts("gae", batch);
      const { rewards, penalties, oldLogProbs } = batch;
      if (given && batch.oldValues === undefined) {
        throw new TypeError(
          "gae: got rollouts without oldValues, the values of their states; expected them with " +
            "precomputed values",
        );
      }
      const oldValues = batch.oldValues === undefined
        ? ask(model).values()
        : targetsOf(batch.oldValues);
      const { dtype } = oldValues;
      const mask = targetsOf(batch.mask);
      const ofTokens = tokenRewards(
        cast(rewards, dtype),
        mask,
        ...(penalties === undefined ? [] : [cast(targetsOf(penalties), dtype)]),
      );
      const { advantages, returns } = answerAdvantages(ofTokens, oldValues, mask, options);
      return {
        rewards,
        advantages: whiten ? maskedWhiten(advantages, mask) : advantages,
        returns,
        oldValues,
        oldLogProbs: targetsOf(oldLogProbs),
      };
    },
    compare(states, { rewards, ...collected }) {
      const evidence = seen(states);
      const { dtype } = evidence.mask;
      return {
        evidence: {
          ...evidence,
          values: states.values,
          ...mapTree(collected, (x) => cast(x, dtype)),
        },
        metrics: rolloutMetrics(cast(rewards, dtype), evidence.mask, 1),
      };
    },
  };
}

/** The options of {@linkcode penalized}. */
export interface PenaltyOptions {
  /** The weight of the KL, at least 0. */
  readonly coefficient: number;
  /** The estimator of the KL (default `"k1"`). */
  readonly estimator?: KlEstimator;
}

/**
 * A signal on rewards less a KL: at each token, `coefficient` times the estimated KL of the policy
 * that sampled from its reference (PPO's way; as a part of the loss it is {@linkcode kl}).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gae, penalized } from "@unitune/objectives";
 *
 * const { data } = penalized({ coefficient: 0.05 }, gae()).description;
 * assertEquals(data, ["reward", "old log-probs", "reference log-probs"]);
 * ```
 *
 * @param options The coefficient and the estimator.
 * @param signal The signal on rewards.
 * @returns The signal on the rewards less the penalty.
 * @throws {RangeError} If the coefficient is negative.
 */
export function penalized<B extends RolloutScores, X, E>(
  { coefficient, estimator = "k1" }: PenaltyOptions,
  signal: Signal<B, X, E>,
): Signal<B & ReferenceScores, X, E> {
  checkOptions("penalized", { coefficient: ranges.nonNegative }, { coefficient });
  checkKlEstimator("penalized", estimator);
  const { description } = signal;
  return {
    ...signal,
    description: {
      ...description,
      signal: (reward) => description.signal(`${reward} - ${coefficient} KL (${estimator})`),
      models: [...description.models, "reference"],
      data: [...description.data, "reference log-probs"],
    },
    collect(model, batch, ask) {
      const { mask, oldLogProbs, referenceLogProbs } = batch;
      const penalty = mul(
        masked(klEstimate(oldLogProbs, referenceLogProbs, estimator), mask),
        coefficient,
      );
      const penalties = batch.penalties === undefined ? penalty : add(batch.penalties, penalty);
      return signal.collect(model, { ...batch, penalties }, ask);
    },
  };
}

/**
 * The best (or worst) row of each group of consecutive rows, `[B/G]` (i32), among the rows that
 * have an answer; the first of equals.
 */
function extremeRows({ rewards, mask }: Rewarded, groupSize: number, sign: 1 | -1): Tensor {
  const has = answered(targetsOf(mask));
  checkShapes("ranked", ["B"], { rewards, "the rows of the mask": has });
  checkGroups("ranked", dims(rewards, "B").B, groupSize);
  const groups = reshape(where(greater(has, 0), mul(rewards, sign), -Infinity), [-1, groupSize]);
  const within = argmax(groups);
  return add(within, mul(iota(within.shape, 0), groupSize));
}

/** Some rows of every tensor of a batch. */
function rowsOf<B>(batch: B, rows: Tensor): B {
  return mapTree(batch, (leaf) => gather(leaf, rows));
}

/** The rewards by which answers are ranked. */
export interface Rewarded {
  /**
   * 1 on the sampled tokens, 0 elsewhere, `[B, T]`; a row without sampled tokens is neither best
   * nor worst.
   */
  readonly mask: Tensor;
  /** `[B]`, groups in consecutive rows. */
  readonly rewards: Tensor;
}

/** The options of {@linkcode ranked} and {@linkcode best}. */
export interface RankingOptions {
  /** Answers to each prompt, at least 2, in consecutive rows (default 2). */
  readonly groupSize?: number;
}

/** The ties that {@linkcode ranked} collects beside its pairs. */
export interface Ties {
  /** Whether the best and the worst answer of a group have the same reward, `[B/G]` (bool). */
  readonly tied: Tensor;
}

/**
 * A model that is a constant on tied pairs: there the gradients of the two sides would cancel, up
 * to rounding.
 */
function constantOnTies({ embed, predict }: Model, tied: Tensor): Model {
  const { B } = dims(tied, "B", "ranked: tied");
  const settled = (x: Tensor) => {
    const isTied = reshape(tied, [B, ...x.shape.slice(1).map(() => 1)]);
    return where(isTied, stopGradient(x), x);
  };
  return {
    embed,
    predict: (embeddings, options) => mapPrediction(predict(embeddings, options), settled),
  };
}

/**
 * An estimation on groups of answers from one on pairs: the best answer of each group is the chosen
 * one, the worst the rejected one. A group whose rewards agree is a pair of one answer with itself,
 * whose gradient is exactly 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { againstReference, estimate, paired, ranked, sampled } from "@unitune/objectives";
 *
 * const online = ranked(paired(estimate(sampled, againstReference("precomputed"))));
 * assertEquals(online.description.data, ["rollout", "reference log-probs", "reward"]);
 * ```
 *
 * @param pairs The estimation on pairs.
 * @param options The size of a group.
 * @returns The estimation on groups.
 * @throws {RangeError} If a group has a single member.
 */
export function ranked<B, C extends object, E>(
  pairs: Estimation<Sides<B>, C, E>,
  { groupSize = objectiveDefaults.rankedGroupSize }: RankingOptions = {},
): Estimation<B & Rewarded, C & Ties, E> {
  checkGroups("ranked", groupSize, groupSize);
  const { description } = pairs;
  return {
    description: {
      ...description,
      signal: `${description.signal}; best of ${groupSize} over worst`,
      models: [...description.models, "reward"],
      data: [...description.data.filter((name) => name !== "chosen and rejected"), "reward"],
      groupSize,
      learnedShare: 2 / groupSize,
    },
    collect(model, batch, context) {
      const chosen = rowsOf(batch, extremeRows(batch, groupSize, 1));
      const rejected = rowsOf(batch, extremeRows(batch, groupSize, -1));
      const tied = equal(chosen.rewards, rejected.rewards);
      return { ...pairs.collect(model, { chosen, rejected }, context), tied };
    },
    evaluate: (model, collected, context) =>
      pairs.evaluate(constantOnTies(model, collected.tied), collected, context),
  };
}

/**
 * An estimation on the best answer of each group, the first of equals.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { best, estimate, indicator, sampled } from "@unitune/objectives";
 *
 * const bestOfFour = best(estimate(sampled, indicator), { groupSize: 4 });
 * assertEquals(bestOfFour.description.models, ["policy", "reward"]);
 * ```
 *
 * @param estimation On single answers.
 * @param options The size of a group.
 * @returns The estimation on groups.
 * @throws {RangeError} If a group has a single member.
 */
export function best<B, C, E>(
  estimation: Estimation<B, C, E>,
  { groupSize = objectiveDefaults.rankedGroupSize }: RankingOptions = {},
): Estimation<B & Rewarded, C, E> {
  checkGroups("best", groupSize, groupSize);
  const { description } = estimation;
  return {
    description: {
      ...description,
      signal: `${description.signal}; best of ${groupSize}`,
      models: [...description.models, "reward"],
      data: [...description.data, "reward"],
      groupSize,
      learnedShare: 1 / groupSize,
    },
    collect: (model, batch, context) =>
      estimation.collect(model, rowsOf(batch, extremeRows(batch, groupSize, 1)), context),
    evaluate: estimation.evaluate,
  };
}

/** A sampled answer and its prompt. */
export interface Sample {
  /** The prompt's token ids. */
  readonly prompt: readonly number[];
  /** The sampled token ids, the stop token included. */
  readonly completion: readonly number[];
  /** The world's answer to each token of both (default: the tokens themselves). */
  readonly observations?: readonly number[];
}

/**
 * The reward of an answer: a number, or whether the answer is right (1 or 0); null if it cannot be
 * determined. May be slow.
 */
export type Reward = (
  sample: Sample,
  row: number,
) => number | boolean | null | Promise<number | boolean | null>;

/** The options of {@linkcode packSamples}. */
export interface PackOptions {
  /** The length T that rows are padded to (default: the length of the longest). */
  readonly length?: number;
  /** The token that pads (default 0). */
  readonly pad?: number;
  /** Answers to each prompt, in consecutive rows (default: all rows are one group). */
  readonly groupSize?: number;
}

const packRanges: Readonly<Record<keyof PackOptions, Range>> = {
  length: ranges.integerFrom(2),
  pad: ranges.integerFrom(0),
  groupSize: ranges.integerFrom(1),
};

/** Samples as rows, not yet scored by the policy that gave them. */
export interface PackedSamples extends Demonstrations, Rewarded {}

/** The mean of numbers: exact if all are equal, 0 if there are none. */
function exactMean([first = 0, ...others]: readonly number[]): number {
  const beyond = others.reduce((total, other) => total + (other - first), 0);
  return first + beyond / (others.length + 1);
}

/**
 * Samples and their rewards as the rows of a batch. An answer without a reward teaches nothing: its
 * tokens are masked, so that {@linkcode advantage} leaves it out of its group. Its reward is shown
 * as the mean of its group's scored answers, 0 where none is scored.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { packSamples } from "@unitune/objectives";
 *
 * const sample = { prompt: [0], completion: [1, 2] };
 * const { mask, rewards } = packSamples([sample, sample, sample], [1, null, 0]);
 * assertEquals(await rewards.data(), new Float32Array([1, 0.5, 0]));
 * assertEquals(await mask.data(), new Float32Array([0, 1, 1, 0, 0, 0, 0, 1, 1]));
 * ```
 *
 * @param samples Answers; answers to one prompt stand in consecutive rows.
 * @param rewards The reward of each answer, null if it cannot be determined.
 * @param options Length, padding and groups.
 * @returns The rows.
 * @throws {RangeError} If there are no samples, one does not fit, or a reward is no finite number.
 */
export function packSamples(
  samples: readonly Sample[],
  rewards: readonly (number | null)[],
  { length, pad = 0, groupSize = samples.length }: PackOptions = {},
): PackedSamples {
  if (samples.length === 0) {
    throw new RangeError("packSamples: expected at least one sample, got 0");
  }
  checkOptions("packSamples", packRanges, { length, pad, groupSize });
  if (samples.length % groupSize !== 0) {
    throw new RangeError(
      `packSamples: expected a multiple of groupSize ${groupSize} samples, got ${samples.length}`,
    );
  }
  const longest = samples.reduce(
    (most, { prompt, completion }) => Math.max(most, prompt.length + completion.length),
    0,
  );
  const width = length ?? longest;
  if (longest > width || width < 2) {
    throw new RangeError(
      `packSamples: length: expected at least ${
        Math.max(longest, 2)
      }, the longest sample, got ${width}`,
    );
  }
  const wrong = rewards.findIndex((value) => value !== null && !Number.isFinite(value));
  if (wrong >= 0 || rewards.length !== samples.length) {
    throw new RangeError(
      wrong >= 0
        ? `packSamples: expected a finite reward for row ${wrong}, got ${rewards[wrong]}`
        : `packSamples: expected ${samples.length} rewards, got ${rewards.length}`,
    );
  }
  const row = (values: readonly number[], filler: number) =>
    Array.from({ length: width }, (_, t) => values[t] ?? filler);
  const isScored = (i: number) => rewards[i] !== null;
  const values = rewards.map((value, i) => {
    if (value !== null) return value;
    const first = i - i % groupSize;
    return exactMean(rewards.slice(first, first + groupSize).filter((other) => other !== null));
  });
  const tokensOf = (of: (sample: Sample) => readonly number[]) =>
    tensor(samples.map((sample) => row(of(sample), pad)), { dtype: "i32" });
  const said = (s: Sample) => [...s.prompt, ...s.completion];
  const isInWorld = samples.some((s) => s.observations !== undefined);
  return {
    ids: tokensOf(said),
    mask: tensor(
      samples.map((s, i) =>
        row([...s.prompt.map(() => 0), ...s.completion.map(() => isScored(i) ? 1 : 0)], 0)
      ),
    ),
    rewards: tensor(values),
    ...(isInWorld ? { observations: tokensOf((s) => s.observations ?? said(s)) } : {}),
  };
}

/**
 * The log-probabilities of a batch's tokens under a model, at the batch's temperature, as batches
 * hold them: `[B, T]`, at t of `ids[b, t]` after the tokens before it; 0 at the first.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { gather, tensor, zeros } from "@unitune/core";
 * import { modelOfLogits, scoreTokens } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => gather(zeros([2, 2]), ids), logits: (x) => x });
 * const ids = tensor([[0, 1]], { dtype: "i32" });
 * const [first, second = NaN] = await scoreTokens(model, { ids }).data();
 * assertAlmostEquals(first ?? NaN, 0);
 * assertAlmostEquals(second, -Math.LN2, 1e-6);
 * ```
 *
 * @param model The model.
 * @param batch Token ids `[B, T]` (i32), T at least 2, with the observations and the temperature if
 * the batch has them.
 * @returns Log-probabilities, `[B, T]`, in nats; NaN off the learned tokens where the batch says how
 * many these are.
 * @throws {RangeError} If the temperature is not a number above 0.
 */
export function scoreTokens(
  model: Model,
  batch: Pick<Demonstrations, "ids" | "observations" | "temperature"> & Partial<Demonstrations>,
): Tensor {
  const { ids } = batch;
  const { B } = dims(ids, "B T", "scoreTokens: ids");
  const logProbs = predicted(model, model.embed(readOf(batch)), batch, {}).logProbs(targetsOf(ids));
  return concat([zeros([B, 1], logProbs.dtype), logProbs], 1);
}

/** The options of {@linkcode rolloutsOf}. */
export interface RolloutOptions extends PackOptions {
  /** The temperature that the samples were drawn at, above 0 (default 1). */
  readonly temperature?: number;
}

/**
 * A batch of rollouts from samples: rows are padded, answers rewarded, and their tokens scored
 * under the model that sampled them, at the sampling temperature.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, zeros } from "@unitune/core";
 * import { modelOfLogits, type Reward, rolloutsOf } from "@unitune/objectives";
 *
 * const model = modelOfLogits({ embed: (ids) => gather(zeros([3, 3]), ids), logits: (x) => x });
 * const samples = [{ prompt: [0], completion: [1, 2] }, { prompt: [0], completion: [2] }];
 * const isRight: Reward = ({ completion }) => completion[0] === 1;
 * const { mask, rewards } = await rolloutsOf(model, samples, isRight);
 * assertEquals(await rewards.data(), new Float32Array([1, 0]));
 * assertEquals(await mask.data(), new Float32Array([0, 1, 1, 0, 1, 0]));
 * ```
 *
 * @param model The policy that sampled, at its parameters.
 * @param samples Answers; answers to one prompt stand in consecutive rows.
 * @param reward The reward of an answer.
 * @param options The temperature, length, padding and groups.
 * @returns The batch.
 * @throws {RangeError} If there are no samples, one does not fit, a reward is no finite number, or
 * the temperature is not above 0.
 */
export async function rolloutsOf(
  model: Model,
  samples: readonly Sample[],
  reward: Reward,
  { temperature = 1, ...options }: RolloutOptions = {},
): Promise<Rollouts> {
  const rewards = await Promise.all(samples.map(async (sample, row) => {
    const value = await reward(sample, row);
    return value === null ? null : Number(value);
  }));
  const batch = { ...packSamples(samples, rewards, options), temperature };
  return { ...batch, oldLogProbs: evaluate(scoreTokens(model, batch)) };
}
