/**
 * A head of one number on any language model: the value of a state (the critic of PPO), or the reward
 * of an answer. It reads the hidden states that the token head reads, so that a policy and its critic
 * share a trunk.
 *
 * Shapes: B sequences, T tokens, D width.
 */
import { type LinearHead, type Tensor, zeros } from "@unitune/core";
import type { HiddenOptions, LanguageModel, LanguageModelConfig } from "./language_model.ts";

/** Parameters of a language model and of a head of one number. */
export interface ScoredParameters<P> {
  /** The parameters of the language model. */
  readonly model: P;
  /** The head, without offset. */
  readonly score: ScoreParameters;
}

/** Parameters of a head of one number. */
export interface ScoreParameters {
  /** `[1, D]`. */
  readonly weight: Tensor;
}

/**
 * Parameters with a new head, which gives 0 everywhere: so a value starts at "as expected", and a
 * reward model at a tie, with a loss of `ln 2`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gpt, gptPresets, withScore } from "@unitune/models";
 *
 * const model = gpt({ ...gptPresets.nano, vocabulary: 65 });
 * const params = withScore(model, model.init(key(0)));
 * assertEquals(params.score.weight.shape, [1, 64]);
 * ```
 *
 * @param model The language model.
 * @param params Its parameters, trained or not.
 * @returns The same parameters, and the head's.
 */
export function withScore<P>({ config }: LanguageModel<P>, params: P): ScoredParameters<P> {
  return { model: params, score: { weight: zeros([1, config.width]) } };
}

/**
 * The head of one number at each position: `h_t . w`, with h the hidden states.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headScores, key, tensor } from "@unitune/core";
 * import { actorCritic, gpt, gptPresets, scoreHead } from "@unitune/models";
 *
 * const model = actorCritic(gpt({ ...gptPresets.nano, vocabulary: 65 }));
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2, 3]], { dtype: "i32" })));
 * const scores = headScores(scoreHead(params), hidden);
 * assertEquals(await scores.data(), new Float32Array([0, 0, 0]));
 * ```
 *
 * @param params The parameters.
 * @returns The head.
 */
export function scoreHead({ score }: ScoredParameters<unknown>): LinearHead {
  return score;
}

/** A language model with a value head: an actor and its critic, for PPO. */
export interface ActorCritic<P = unknown, C = unknown>
  extends LanguageModel<ScoredParameters<P>, C> {
  /** {@linkcode scoreHead}: the values of the states. */
  value(params: ScoredParameters<P>): LinearHead;
}

/**
 * A language model with a value head, which is a language model again. Both heads read the same
 * hidden states: one pass through the trunk, with the same dropout.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headLogits, headScores, key, tensor } from "@unitune/core";
 * import { actorCritic, gpt, gptPresets } from "@unitune/models";
 *
 * const model = actorCritic(gpt({ ...gptPresets.nano, vocabulary: 65 }));
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headLogits(model.head(params), hidden).shape, [1, 2, 65]);
 * assertEquals(headScores(model.value(params), hidden).shape, [1, 2]);
 * ```
 *
 * @param model The language model.
 * @returns The model with the head.
 */
export function actorCritic<P, C>(model: LanguageModel<P, C>): ActorCritic<P, C> {
  return {
    config: model.config,
    init: (key) => withScore(model, model.init(key)),
    embed: (params, ids) => model.embed(params.model, ids),
    hidden: (params, embeddings, options) => model.hidden(params.model, embeddings, options),
    head: (params) => model.head(params.model),
    emptyCache: (batch, columns) => model.emptyCache(batch, columns),
    decode: (params, ids, cache, place) => model.decode(params.model, ids, cache, place),
    value: scoreHead,
  };
}

/** A language model with a head of one output in place of the token head: a reward model. */
export interface RewardModel<P = unknown> {
  /** The configuration of the language model. */
  readonly config: LanguageModelConfig;
  /** Embeddings, as the language model's. */
  embed(params: ScoredParameters<P>, ids: Tensor): Tensor;
  /** Hidden states, as the language model's. */
  hidden(params: ScoredParameters<P>, embeddings: Tensor, options?: HiddenOptions): Tensor;
  /** {@linkcode scoreHead}: the score of an answer that ends at a position. */
  head(params: ScoredParameters<P>): LinearHead;
}

/**
 * The reward model on the trunk of a language model.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headScores, key, tensor } from "@unitune/core";
 * import { gpt, gptPresets, rewardModelOn, withScore } from "@unitune/models";
 *
 * const policy = gpt({ ...gptPresets.nano, vocabulary: 65 });
 * const model = rewardModelOn(policy);
 * const params = withScore(policy, policy.init(key(0)));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headScores(model.head(params), hidden).shape, [1, 2]);
 * ```
 *
 * @param model The language model.
 * @returns The reward model.
 */
export function rewardModelOn<P>(model: LanguageModel<P>): RewardModel<P> {
  const { config, embed, hidden } = actorCritic(model);
  return { config, embed, hidden, head: scoreHead };
}
