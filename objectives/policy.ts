/** What an objective needs of a model. */
import { checkRange, div, ranges, stopGradient, type Tensor } from "@unitune/core";

/**
 * A policy: pure functions from parameters and token ids, by way of embeddings, to the logits of
 * the next token. Embeddings and logits are apart because intuitive states are mixed embeddings.
 *
 * @typeParam P The tree of parameters.
 */
export interface Policy<P> {
  /** Token ids `[B, T]` (i32) to token embeddings `[B, T, D]`. */
  readonly embed: (params: P, ids: Tensor) => Tensor;
  /**
   * Embeddings `[B, T, D]` to logits `[B, T, V]`, those at t from positions up to t only. With a
   * key (u32 `[2]`) the policy may be random (dropout); without one it is a function.
   */
  readonly logits: (
    params: P,
    embeddings: Tensor,
    options?: { readonly key?: Tensor },
  ) => Tensor;
  /**
   * Embeddings `[B, T, D]` to values `[B, T]`, of the state at t from positions up to t only. Who
   * learns values needs it (PPO); nobody else does.
   */
  readonly values?: (params: P, embeddings: Tensor) => Tensor;
}

/** A policy at given parameters: all that an estimation sees of a model. */
export interface Model {
  /** Token ids `[B, T]` (i32) to token embeddings `[B, T, D]`. */
  readonly embed: (ids: Tensor) => Tensor;
  /** Embeddings `[B, T, D]` to logits `[B, T, V]`; random with a key only. */
  readonly logits: (embeddings: Tensor, options?: { readonly key?: Tensor }) => Tensor;
  /** Embeddings `[B, T, D]` to values of the states, `[B, T]`; of a model with a value head. */
  readonly values?: (embeddings: Tensor) => Tensor;
}

/**
 * A policy at given parameters.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gather, matmul, type Tensor, tensor } from "@unitune/core";
 * import { modelOf, type Policy } from "@unitune/objectives";
 *
 * const bigram: Policy<{ table: Tensor; head: Tensor }> = {
 *   embed: ({ table }, ids) => gather(table, ids),
 *   logits: ({ head }, embeddings) => matmul(embeddings, head),
 * };
 * const model = modelOf(bigram, { table: tensor([[1], [2]]), head: tensor([[3, 4]]) });
 * const logits = model.logits(model.embed(tensor([[1, 0]], { dtype: "i32" })));
 * assertEquals(await logits.data(), new Float32Array([6, 8, 3, 4]));
 * ```
 *
 * @param policy The policy.
 * @param params Its parameters.
 * @returns The policy with the parameters filled in.
 */
export function modelOf<P>({ embed, logits, values }: Policy<P>, params: P): Model {
  return {
    embed: (ids) => embed(params, ids),
    logits: (embeddings, options) => logits(params, embeddings, options),
    ...(values === undefined ? {} : { values: (embeddings) => values(params, embeddings) }),
  };
}

/**
 * A model at a temperature: `pi_T(a | s) = softmax(logits / T)`. Batches hold the temperature
 * (`temperature` of {@linkcode Demonstrations}); whatever reads logits asks the model through this
 * function.
 *
 * @param model The model.
 * @param temperature The divisor T of the logits, above 0; at 1 the model is returned as it is.
 * @returns The model at that temperature; its embeddings and values are the same.
 * @throws {RangeError} If the temperature is not a number above 0.
 */
export function atTemperature(model: Model, temperature: number): Model {
  checkRange("temperature", temperature, ranges.positive);
  if (temperature === 1) return model;
  return {
    ...model,
    logits: (embeddings, options) => div(model.logits(embeddings, options), temperature),
  };
}

/** The model as a constant: no gradient reaches its parameters. */
export function withoutGradient({ embed, logits, values }: Model): Model {
  return {
    embed: (ids) => stopGradient(embed(ids)),
    logits: (embeddings, options) => stopGradient(logits(embeddings, options)),
    ...(values === undefined ? {} : { values: (embeddings) => stopGradient(values(embeddings)) }),
  };
}

/** The model as a function: no dropout, whatever the key. */
export function withoutDropout(model: Model): Model {
  return { ...model, logits: (embeddings) => model.logits(embeddings) };
}

/**
 * When and with what randomness a model is looked at. All of it is data: a compiled step is the
 * same program at every step.
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
}
