/**
 * What has to hold before the first step. A run for which it does not has something wrong with its
 * reference, its data or its masks, and would train on that without anybody noticing.
 *
 * @module
 */

import type { ObjectiveEntry } from "@unitune/objectives";
import { UserError } from "../text/errors.ts";
import { describeObjective, type TrainSettings } from "../settings.ts";

/** A metric that is known before the first step. */
export interface Identity {
  /** The metric. */
  readonly metric: string;
  /** Its value. */
  readonly value: number;
  /** Why it has that value. */
  readonly because: string;
  /** The fault if the metric has another value. */
  readonly otherwise: string;
  /** The tolerance (default: the rounding of losses). */
  readonly tolerance?: number;
}

/**
 * The metrics of a stage that are known before its first step.
 *
 * @param settings The settings of the stage.
 * @returns The identities.
 *
 * @example
 * ```ts
 * import { identitiesOf, trainSettings } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const [identity] = identitiesOf(trainSettings({ objective: "dpo" }));
 * assertEquals([identity?.metric, identity?.value], ["loss", Math.LN2]);
 * ```
 */
export function identitiesOf(settings: TrainSettings): readonly Identity[] {
  const { objective, temperature } = settings;
  const { stepZero } = describeObjective(settings);
  if (stepZero !== undefined) {
    return [{ metric: "loss", value: stepZero, ...starts[objective.trains] }];
  }
  if (objective.data !== "rollouts") return [];
  const sampled = {
    value: 0,
    because:
      "the answers were sampled by the policy that learns from them, so that every ratio is 1",
    otherwise: "the log-probabilities of the answers are not those of the policy",
  };
  // Logits are divided by the temperature, and their rounding with them.
  const tolerance = LOG_RATIO_TOLERANCE * Math.max(1, 1 / temperature);
  return [
    { metric: LOG_RATIO, tolerance, ...sampled },
    { metric: "clip_ratio/low", ...sampled },
    { metric: "clip_ratio/high", ...sampled },
  ];
}

/** The reasons for a loss that is known before the first step, by the model that is trained. */
const starts: Readonly<
  Record<ObjectiveEntry["trains"], Pick<Identity, "because" | "otherwise">>
> = {
  "policy": {
    because: "the policy is its own reference, so that every log-ratio is 0",
    otherwise: "the reference is not the policy that the stage starts from, or the two were " +
      "asked with different masks, tokens or dropout",
  },
  "process reward model": {
    because: "the head of a new process reward model gives 0, so that every step may be right or " +
      "wrong",
    otherwise: "the process reward model is not a new one, or a score is read from padding",
  },
  "reward model": {
    because: "the head of a new reward model gives 0, so that all answers tie",
    otherwise: "the reward model is not a new one, or a score is read from padding",
  },
};

/** The name of the mean `|log p - log p_old|` over the tokens of answers. */
export const LOG_RATIO = "log_ratio";

/**
 * How far the log-probabilities of answers may be from those that they were sampled with, on average
 * over tokens and at temperature 1. In f32 two programs differ by some 1e-6; where products take
 * operands in f16, an operand may round to a neighbour, 2^-11 of it away.
 */
const LOG_RATIO_TOLERANCE = 1e-3;

/**
 * How far a value may be from what it should be, relative to 1 or to the value if that is larger:
 * the policy and its reference are asked by two programs, which round differently. Of f32 with sums
 * over tens of tokens that is a hundred times their rounding.
 */
const TOLERANCE = 1e-4;

/**
 * Refuses a start at which something does not hold.
 *
 * @param objective The objective's name.
 * @param identities What is known.
 * @param metrics The metrics before the first step.
 * @throws {UserError} Where a metric is not what it has to be: with what it is, and why that is
 * wrong.
 *
 * @example
 * ```ts
 * import { checkIdentities, identitiesOf, trainSettings, UserError } from "@unitune/training";
 * import { assertThrows } from "@std/assert";
 *
 * const identities = identitiesOf(trainSettings({ objective: "dpo" }));
 * checkIdentities("dpo", identities, { loss: 0.6931472 });
 * assertThrows(() => checkIdentities("dpo", identities, { loss: 0.71 }), UserError, "0.693147");
 * ```
 */
export function checkIdentities(
  objective: string,
  identities: readonly Identity[],
  metrics: Readonly<Record<string, number>>,
): void {
  for (const { metric, value, because, otherwise, tolerance = TOLERANCE } of identities) {
    const found = metrics[metric];
    // Not every objective on rollouts clips on both sides.
    if (found === undefined) continue;
    if (Math.abs(found - value) <= tolerance * Math.max(1, Math.abs(value))) continue;
    throw new UserError(
      `${objective} was stopped before its first step: its ${metric} is ${found.toPrecision(6)}, ` +
        `and has to be ${value.toPrecision(6)}, since ${because}. So ${otherwise}`,
    );
  }
}
