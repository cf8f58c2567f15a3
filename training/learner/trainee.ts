/**
 * The model that a stage trains: the policy, a policy with a critic, or a reward model.
 *
 * @module
 */

import { checkpoint } from "@unitune/autodiff";
import type { Head, Tensor } from "@unitune/core";
import {
  actorCritic,
  type HiddenOptions,
  type LanguageModel,
  rewardModelOn,
  type ScoredParameters,
  withScore,
} from "@unitune/models";
import type { ObjectiveEntry } from "@unitune/objectives";
import type { Models } from "./models.ts";

/** A policy whose parameters only itself looks into. */
// Methods, so that the type of the parameters may be forgotten.
export interface TrainablePolicy {
  /** Token ids `[B, T]` (i32) to embeddings. */
  embed(params: unknown, ids: Tensor): Tensor;
  /** Embeddings to hidden states. */
  hidden(params: unknown, embeddings: Tensor, options?: HiddenOptions): Tensor;
  /** The head that is trained. */
  head(params: unknown): Head;
  /** The critic, where there is one. */
  value?(params: unknown): Head;
}

/**
 * The same policy, which computes the values inside of its blocks again for their gradient.
 *
 * @param policy The policy.
 * @returns The policy with the same predictions and gradients, of less memory.
 */
export function recomputing(policy: TrainablePolicy): TrainablePolicy {
  return {
    ...policy,
    hidden: (params, embeddings, options) =>
      policy.hidden(params, embeddings, { ...options, wrap: checkpoint }),
  };
}

/** A model that is trained. */
export interface Trainee {
  /** Its functions. */
  readonly policy: TrainablePolicy;
  /** The number of tokens: embeddings and heads have a row for each. */
  readonly vocabulary: number;
  /** Its parameters before the first step. */
  readonly params: unknown;
  /** The models of the run with its parameters as they are then. */
  models(params: unknown): Models;
}

/** The models that a stage hands on beside the one that it trains. */
type HandedOn = Omit<Models, "teacher">;

/**
 * The model that a stage trains by an objective.
 *
 * @param objective What it trains, and whether it has a critic.
 * @param model The policy.
 * @param start The models before the stage.
 * @returns The model, with a new head where it has one more.
 */
export function traineeOf(
  { trains, values }: Pick<ObjectiveEntry, "trains" | "values">,
  model: LanguageModel,
  { teacher: _teacher, ...start }: Models,
): Trainee {
  const { vocabulary } = model.config;
  if (trains !== "policy") return { vocabulary, ...judgeOf(model, start, judges[trains]) };
  if (values) return { vocabulary, ...actorOf(model, start) };
  return {
    vocabulary,
    policy: model,
    params: start.policy,
    models: (policy) => ({ ...start, policy }),
  };
}

/** The places of the models that score, among those of a run. */
const judges = {
  "reward model": "rewardModel",
  "process reward model": "processRewardModel",
} as const satisfies Readonly<
  Record<Exclude<ObjectiveEntry["trains"], "policy">, keyof HandedOn>
>;

function judgeOf(
  model: LanguageModel,
  start: HandedOn,
  name: typeof judges[keyof typeof judges],
): Omit<Trainee, "vocabulary"> {
  return {
    policy: rewardModelOn(model),
    params: withScore(model, start.policy),
    models: (judge: ScoredParameters<unknown>) => ({ ...start, [name]: judge }),
  };
}

function actorOf(model: LanguageModel, start: HandedOn): Omit<Trainee, "vocabulary"> {
  return {
    policy: actorCritic(model),
    params: withScore(model, start.policy),
    models: (actor: ScoredParameters<unknown>) => ({ ...start, policy: actor.model }),
  };
}
