/**
 * A GPT with a head of one number: the value of a state (the critic of PPO), or the reward of an
 * answer. The head reads what the token head reads, so a policy and its critic share a trunk; under
 * Hugging Face's name for it, a reward model is a GPT2ForSequenceClassification of one label.
 */
import { dims, type LinearHead, type Tensor, zeros } from "@unitune/core";
import type { GptConfig } from "./config.ts";
import { type Gpt, gpt, type GptOptions, type GptParameters } from "./gpt.ts";

/** Parameters of a GPT and of its head of one number. */
export type ScoringGptParameters = GptParameters & {
  /** The head, without offset: `[1, D]`. */
  readonly score: { readonly weight: Tensor };
};

/**
 * Parameters with a head that gives 0 everywhere. So a value starts at "as expected", and a reward
 * model at a tie: its loss at `ln 2`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gptPresets, initGpt, withScore } from "@unitune/models";
 *
 * const params = withScore(initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 }));
 * assertEquals(params.score.weight.shape, [1, 64]);
 * ```
 *
 * @param params A GPT's parameters, trained or not.
 * @returns The same with the head, in place of the one that they may have.
 */
export function withScore(params: GptParameters): ScoringGptParameters {
  const { D } = dims(params.wte.weight, "V D", "withScore: wte");
  return { ...params, score: { weight: zeros([1, D]) } };
}

/**
 * The GPT's own parameters, without a head of one number.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gptPresets, initGpt, withoutScore, withScore } from "@unitune/models";
 *
 * const params = withScore(initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 }));
 * assert(!("score" in withoutScore(params)));
 * ```
 *
 * @param params Parameters with or without the head.
 * @returns Those of the GPT.
 */
export function withoutScore({ wte, wpe, h, ln_f }: GptParameters): GptParameters {
  return { wte, wpe, h, ln_f };
}

/**
 * Whether parameters have a head of one number.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gptPresets, hasScore, initGpt, withScore } from "@unitune/models";
 *
 * const params = initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 });
 * assert(!hasScore(params) && hasScore(withScore(params)));
 * ```
 *
 * @param params Parameters.
 * @returns True where they have.
 */
export function hasScore(params: GptParameters): params is ScoringGptParameters {
  return "score" in params;
}

/**
 * The head of one number at each position: `h_t . w`, with h the GPT's hidden states.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headScores, key, tensor } from "@unitune/core";
 * import { actorCriticGpt, gptPresets, scoreHead } from "@unitune/models";
 *
 * const model = actorCriticGpt({ ...gptPresets.nano, vocabulary: 65 });
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2, 3]], { dtype: "i32" })));
 * const scores = headScores(scoreHead(params), hidden);
 * assertEquals(await scores.data(), new Float32Array([0, 0, 0]));
 * ```
 *
 * @param params The parameters.
 * @returns The head.
 */
export function scoreHead({ score }: ScoringGptParameters): LinearHead {
  return score;
}

/** A GPT with a value head: an actor and its critic, for PPO. */
export interface ActorCriticGpt extends Omit<Gpt, "init"> {
  /** A GPT's initialization, with a head that gives 0. */
  init(key: Tensor): ScoringGptParameters;
  /** {@linkcode scoreHead}: the values of the states. */
  value(params: ScoringGptParameters): LinearHead;
}

/**
 * A GPT with a value head as a record of pure functions. Both heads read the same hidden states: one
 * pass through the trunk, with the same dropout.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headLogits, headScores, key, tensor } from "@unitune/core";
 * import { actorCriticGpt, gptPresets } from "@unitune/models";
 *
 * const model = actorCriticGpt({ ...gptPresets.nano, vocabulary: 65 });
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headLogits(model.head(params), hidden).shape, [1, 2, 65]);
 * assertEquals(headScores(model.value(params), hidden).shape, [1, 2]);
 * ```
 *
 * @param config The sizes.
 * @returns The model.
 * @throws {RangeError} If no model has such sizes.
 */
export function actorCriticGpt(config: GptConfig): ActorCriticGpt {
  const model = gpt(config);
  return { ...model, init: (key) => withScore(model.init(key)), value: scoreHead };
}

/** A GPT with a head of one output in place of the token head: a reward model. */
export interface RewardGpt {
  /** The sizes. */
  readonly config: GptConfig;
  /** Token embeddings, as a GPT's. */
  embed(params: ScoringGptParameters, ids: Tensor): Tensor;
  /** Hidden states, as a GPT's. */
  hidden(params: ScoringGptParameters, embeddings: Tensor, options?: GptOptions): Tensor;
  /** {@linkcode scoreHead}: the score of an answer that ends at a position. */
  head(params: ScoringGptParameters): LinearHead;
}

/**
 * A reward model as a record of pure functions.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headScores, key, tensor } from "@unitune/core";
 * import { gptPresets, initGpt, rewardGpt, withScore } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const model = rewardGpt(config);
 * const params = withScore(initGpt(key(0), config));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headScores(model.head(params), hidden).shape, [1, 2]);
 * ```
 *
 * @param config The sizes.
 * @returns The model.
 * @throws {RangeError} If no model has such sizes.
 */
export function rewardGpt(config: GptConfig): RewardGpt {
  const { embed, hidden } = gpt(config);
  return { config, embed, hidden, head: scoreHead };
}
