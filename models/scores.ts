/**
 * A GPT with a head of one number: the value of a state (the critic of PPO), or the reward of an
 * answer. The head reads what the token head reads, so a policy and its critic share a trunk; under
 * Hugging Face's name for it, a reward model is a GPT2ForSequenceClassification of one label.
 */
import { dims, matmul, reshape, type Tensor, transposeLast, zeros } from "@unitune/core";
import type { GptConfig } from "./config.ts";
import {
  embedTokens,
  type Gpt,
  gpt,
  type GptOptions,
  type GptParameters,
  hiddenStates,
} from "./gpt.ts";

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
 * The number at each position: `h_t . w`, with h the trunk's last state, normalized; that at t from
 * tokens 0 to t.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { embedTokens, gptPresets, initGpt, scoreGpt, withScore } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const params = withScore(initGpt(key(0), config));
 * const embeddings = embedTokens(params, tensor([[1, 2, 3]], { dtype: "i32" }));
 * const scores = scoreGpt(config, params, embeddings);
 * assertEquals(await scores.data(), new Float32Array([0, 0, 0]));
 * ```
 *
 * @param config The sizes.
 * @param params The parameters.
 * @param embeddings Token embeddings, `[B, T, D]`.
 * @param options `key` turns dropout on.
 * @returns `[B, T]`.
 * @throws {ShapeError} If the embeddings are of another width or longer than the context.
 */
export function scoreGpt(
  config: GptConfig,
  params: ScoringGptParameters,
  embeddings: Tensor,
  options: GptOptions = {},
): Tensor {
  const { B, T } = dims(embeddings, "B T D", "GPT: embeddings");
  const hidden = hiddenStates(config, params, embeddings, options); // [B, T, D]
  return reshape(matmul(hidden, transposeLast(params.score.weight)), [B, T]);
}

/** A GPT with a value head: an actor and its critic, for PPO. */
export interface ActorCriticGpt extends Omit<Gpt, "init"> {
  /** A GPT's initialization, with a head that gives 0. */
  init(key: Tensor): ScoringGptParameters;
  /** {@linkcode scoreGpt}. */
  values(params: ScoringGptParameters, embeddings: Tensor): Tensor;
}

/**
 * A GPT with a value head as a record of pure functions. Where logits and values are asked together,
 * the trunk is computed once: equal expressions are one instruction of a program.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { actorCriticGpt, gptPresets } from "@unitune/models";
 *
 * const model = actorCriticGpt({ ...gptPresets.nano, vocabulary: 65 });
 * const params = model.init(key(0));
 * const values = model.values(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(values.shape, [1, 2]);
 * ```
 *
 * @param config The sizes.
 * @returns The model.
 * @throws {RangeError} If no model has such sizes.
 */
export function actorCriticGpt(config: GptConfig): ActorCriticGpt {
  const model = gpt(config);
  return {
    ...model,
    init: (key) => withScore(model.init(key)),
    values: (params, embeddings) => scoreGpt(config, params, embeddings),
  };
}

/** A GPT whose only logit is a score: a reward model. */
export interface RewardGpt {
  /** The sizes. */
  readonly config: GptConfig;
  /** {@linkcode embedTokens}. */
  embed(params: ScoringGptParameters, ids: Tensor): Tensor;
  /** {@linkcode scoreGpt}, as `[B, T, 1]`. */
  logits(params: ScoringGptParameters, embeddings: Tensor, options?: GptOptions): Tensor;
}

/**
 * A reward model as a record of pure functions.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { gptPresets, initGpt, rewardGpt, withScore } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const model = rewardGpt(config);
 * const params = withScore(initGpt(key(0), config));
 * const logits = model.logits(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(logits.shape, [1, 2, 1]);
 * ```
 *
 * @param config The sizes.
 * @returns The model.
 */
export function rewardGpt(config: GptConfig): RewardGpt {
  return {
    config,
    embed: embedTokens,
    logits: (params, embeddings, options) => {
      const { B, T } = dims(embeddings, "B T D", "GPT: embeddings");
      return reshape(scoreGpt(config, params, embeddings, options), [B, T, 1]);
    },
  };
}
