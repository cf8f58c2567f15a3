/** Policies, and models: policies at given parameters. */
import { type Head, type SharedPrefix, stopGradient, type Tensor } from "@unitune/core";
import type { Positions } from "./positions.ts";
import { mapPrediction, type Prediction, predictionOf } from "./prediction.ts";

/** Options of a pass through a policy. */
export interface ReadOptions {
  /** A key (u32 `[2]`) for dropout (default none: the policy is deterministic). */
  readonly key?: Tensor;
  /** The position of each token, i32 `[B, T]` (default: 0 to T - 1 in every row). */
  readonly positions?: Tensor;
  /**
   * The number of each token's text, where a row holds several, i32 `[B, T]`: a token sees only
   * tokens of its own text (default: one text a row). A policy that reads packed batches has to heed
   * it, and the positions.
   */
  readonly segments?: Tensor;
  /**
   * The tokens that rows have in common (default: none are known). A policy may read them once, in
   * place of once a row; the positions behind those that the prefix tells to read are not needed.
   */
  readonly prefix?: SharedPrefix;
}

/**
 * A policy: pure functions of parameters, from token ids to embeddings, from embeddings to hidden
 * states, and from hidden states to the logits of the next token. Embeddings are a step of their
 * own because intuitive states mix them. Hidden states are one because several heads may read them,
 * and because the log-probabilities of a linear head can be computed without holding its logits.
 *
 * {@linkcode policyOfLogits} makes a policy of one function to logits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tanh, type Tensor, tensor } from "@unitune/core";
 * import { modelOf, type Policy } from "@unitune/objectives";
 *
 * // A head that is tied to the embedding, and a critic on the same hidden states.
 * const policy: Policy<{ table: Tensor; value: Tensor }> = {
 *   embed: ({ table }, ids) => gather(table, ids),
 *   hidden: (_, embeddings) => tanh(embeddings),
 *   head: ({ table }) => ({ weight: table }),
 *   value: ({ value }) => ({ weight: value }),
 * };
 * const params = { table: tensor([[0, 1], [2, 0], [0, 0]]), value: tensor([[1, 1]]) };
 * const model = modelOf(policy, params);
 * const { logits, values } = model.predict(model.embed(tensor([[1, 0]], { dtype: "i32" })));
 * assertEquals([logits().shape, values().shape], [[1, 2, 3], [1, 2]]);
 * ```
 *
 * @typeParam P The tree of parameters.
 */
export interface Policy<P> {
  /** Token ids `[B, T]` (i32) to token embeddings `[B, T, E]`. */
  readonly embed: (params: P, ids: Tensor) => Tensor;
  /** Embeddings `[B, T, E]` to hidden states `[B, T, D]`, at t from positions up to t only. */
  readonly hidden: (params: P, embeddings: Tensor, options?: ReadOptions) => Tensor;
  /**
   * The head: from hidden states to the logits of the next token. The head of a reward model has one
   * output, the score of an answer that ends at the position.
   */
  readonly head: (params: P) => Head;
  /** The critic, a head of one output: the value of the state. Only PPO needs it. */
  readonly value?: (params: P) => Head;
}

/** A policy that is one function from embeddings to logits. */
export interface LogitsPolicy<P> {
  /** Token ids `[B, T]` (i32) to token embeddings `[B, T, E]`. */
  readonly embed: (params: P, ids: Tensor) => Tensor;
  /** Embeddings `[B, T, E]` to logits `[B, T, V]`, at t from positions up to t only. */
  readonly logits: (params: P, embeddings: Tensor, options?: ReadOptions) => Tensor;
}

/**
 * A policy from one function to logits: its hidden states are the logits, and its head leaves them
 * as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, matmul, type Tensor, tensor } from "@unitune/core";
 * import { modelOf, policyOfLogits } from "@unitune/objectives";
 *
 * const bigram = policyOfLogits<{ table: Tensor; head: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: ({ head }, embeddings) => matmul(embeddings, head),
 * });
 * const model = modelOf(bigram, { table: tensor([[1], [2]]), head: tensor([[3, 4]]) });
 * const { logits } = model.predict(model.embed(tensor([[1, 0]], { dtype: "i32" })));
 * assertEquals(await logits().data(), new Float32Array([6, 8, 3, 4]));
 * ```
 *
 * @param policy Embeddings, and logits of them.
 * @returns The policy.
 */
export function policyOfLogits<P>({ embed, logits }: LogitsPolicy<P>): Policy<P> {
  return { embed, hidden: logits, head: () => (hidden) => hidden };
}

/** Options of a prediction. */
export interface PredictOptions extends ReadOptions {
  /**
   * The temperature T, above 0 (default 1): the prediction is `softmax(logits / T)`. Values and scores
   * do not depend on it.
   */
  readonly temperature?: number;
  /**
   * The positions that log-probabilities, entropies and arg max are needed at (default: all).
   * Elsewhere they are not computed: NaN, and 0 for the arg max.
   */
  readonly needed?: Positions;
}

/** A policy at given parameters: all that an estimation sees of a model. */
export interface Model {
  /** Token ids `[B, T]` (i32) to token embeddings `[B, T, E]`. */
  readonly embed: (ids: Tensor) => Tensor;
  /**
   * The prediction after each position, from embeddings `[B, T, E]`. A call is one pass through the
   * hidden states.
   */
  readonly predict: (embeddings: Tensor, options?: PredictOptions) => Prediction;
}

/**
 * A policy at given parameters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, type Tensor, tensor } from "@unitune/core";
 * import { modelOf, policyOfLogits } from "@unitune/objectives";
 *
 * const bigram = policyOfLogits<{ table: Tensor }>({
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: (_, embeddings) => embeddings,
 * });
 * const model = modelOf(bigram, { table: tensor([[0, 3], [1, 0]]) });
 * const { argmax } = model.predict(model.embed(tensor([[0, 1]], { dtype: "i32" })));
 * assertEquals(await argmax().data(), new Int32Array([1, 0]));
 * ```
 *
 * @param policy The policy.
 * @param params Its parameters.
 * @returns The policy with the parameters filled in.
 */
export function modelOf<P>({ embed, hidden, head, value }: Policy<P>, params: P): Model {
  return {
    embed: (ids) => embed(params, ids),
    predict: (embeddings, { temperature = 1, needed, ...options } = {}) =>
      predictionOf(hidden(params, embeddings, options), {
        head: head(params),
        temperature,
        ...(needed === undefined ? {} : { needed }),
        ...(value === undefined ? {} : { value: value(params) }),
      }),
  };
}

/**
 * A model of one function to logits, such as a fixed teacher.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, tensor } from "@unitune/core";
 * import { modelOfLogits } from "@unitune/objectives";
 *
 * const table = tensor([[0, 3], [1, 0]]);
 * const model = modelOfLogits({ embed: (ids) => gather(table, ids), logits: (x) => x });
 * const { logits } = model.predict(model.embed(tensor([[1]], { dtype: "i32" })));
 * assertEquals(await logits().data(), new Float32Array([1, 0]));
 * ```
 *
 * @param model Embeddings, and logits of them.
 * @returns The model.
 */
export function modelOfLogits({ embed, logits }: {
  readonly embed: (ids: Tensor) => Tensor;
  readonly logits: (embeddings: Tensor, options?: ReadOptions) => Tensor;
}): Model {
  const policy = policyOfLogits<null>({
    embed: (_, ids) => embed(ids),
    logits: (_, embeddings, options) => logits(embeddings, options),
  });
  return modelOf(policy, null);
}

/** The model as a constant: no gradient reaches its parameters. */
export function withoutGradient({ embed, predict }: Model): Model {
  return {
    embed: (ids) => stopGradient(embed(ids)),
    predict: (embeddings, options) => mapPrediction(predict(embeddings, options), stopGradient),
  };
}

/** The model as a function: it ignores keys, so there is no dropout. */
export function withoutDropout({ embed, predict }: Model): Model {
  return {
    embed,
    predict: (embeddings, { key: _key, ...options } = {}) => predict(embeddings, options),
  };
}

/**
 * The step, the random keys and the memory of an evaluation. All of it is data: a compiled step is
 * the same program at every step.
 */
export interface Context {
  /** The number of optimizer steps done, an i32 scalar. */
  readonly step: Tensor;
  /** Keys (u32 `[2]`); without them nothing is random: no dropout, no noise. */
  readonly keys?: {
    /** The same for every micro-batch of a step. */
    readonly step: Tensor;
    /** The micro-batch's own. */
    readonly batch: Tensor;
  };
  /**
   * The scalars that the objective remembers, by name (default: as they are before the first step).
   */
  readonly memory?: Readonly<Record<string, Tensor>>;
}
