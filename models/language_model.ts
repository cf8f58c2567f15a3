/**
 * The type of every language model, of any architecture: pure functions of a tree of parameters,
 * which is opaque to everyone else.
 *
 * Shapes: B sequences, T tokens, V vocabulary, D width, S columns of a cache.
 */
import { type Head, key, leavesOf, type SharedPrefix, sizeOf, type Tensor } from "@unitune/core";

/** The part of a configuration that every language model has; architectures add their own. */
export interface LanguageModelConfig {
  /** The architecture's name in Hugging Face's `config.json`, such as `gpt2`. */
  readonly modelType: string;
  /** Number of tokens, V. */
  readonly vocabulary: number;
  /** Largest number of tokens in a sequence. */
  readonly context: number;
  /** Number of blocks, L. */
  readonly layers: number;
  /** Width of the hidden states, D. */
  readonly width: number;
}

/** Options of a pass through a model's hidden states. */
export interface HiddenOptions {
  /** A key (u32 `[2]`) for dropout (default none: the model is deterministic). */
  readonly key?: Tensor;
  /** The position of each token, i32 `[B, T]` (default 0 to T - 1 in every row). */
  readonly positions?: Tensor;
  /**
   * The number of each token's text, where a row holds several texts, i32 `[B, T]`: a token sees
   * only tokens of its own text (default: one text a row).
   */
  readonly segments?: Tensor;
  /**
   * The tokens that rows have in common, and so their embeddings, which may be read once (default:
   * every row is read by itself). It goes with neither positions nor segments, and changes results by
   * rounding only; those at positions that it leaves out are of no use.
   */
  readonly prefix?: SharedPrefix;
  /**
   * Makes another function of each block, from the residual stream `[B, T, D]` before it to the one
   * behind it: such as autodiff's `checkpoint`, by which the values inside a block are computed again
   * for its gradient (default: blocks stay as they are).
   */
  readonly wrap?: BlockTransform;
}

/** Makes another function of a block. */
export type BlockTransform = (block: (x: Tensor) => Tensor) => (x: Tensor) => Tensor;

/** The place of new tokens behind those in a cache; every row has as many of them as it likes. */
export interface CachePlace {
  /** The number of tokens that each row has in the cache, i32 `[B]`: the column of its next one. */
  readonly start: Tensor;
  /** The number of new tokens of each row, at least 1, i32 `[B]`; behind them is padding (default: T). */
  readonly count?: Tensor;
}

/** The part of a language model that generation needs: parameters P, and a cache C. */
export interface CachedModel<P, C> {
  /** The number of tokens, and the longest sequence of them. */
  readonly config: Pick<LanguageModelConfig, "vocabulary" | "context">;
  /**
   * A cache of a number of rows and columns, without tokens: a tree of tensors `[B, S, ...]`, in which
   * a token of a row has its own column.
   */
  emptyCache(batch: number, columns: number): C;
  /**
   * Logits `[B, V]` of the token after the last of `ids` (i32 `[B, T]`) in each row, which follow the
   * tokens in the cache: the head's logits on the hidden states of all the tokens. A row's result
   * depends on its own tokens only.
   */
  decode(
    params: P,
    ids: Tensor,
    cache: C,
    place: CachePlace,
  ): { readonly logits: Tensor; readonly cache: C };
}

/**
 * A language model as pure functions of its parameters: a policy for objectives, and a model for
 * generation.
 *
 * Its functions are methods, so that the types of parameters and cache can be forgotten: every
 * language model is a `LanguageModel`, whose parameters are of type `unknown`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headLogits, key, type Tensor, tensor } from "@unitune/core";
 * import { gpt, gptPresets, type LanguageModel } from "@unitune/models";
 *
 * function logitsOf(model: LanguageModel, params: unknown, ids: Tensor): Tensor {
 *   return headLogits(model.head(params), model.hidden(params, model.embed(params, ids)));
 * }
 *
 * const model = gpt({ ...gptPresets.nano, vocabulary: 65 });
 * const ids = tensor([[1, 2, 3]], { dtype: "i32" });
 * assertEquals(logitsOf(model, model.init(key(0)), ids).shape, [1, 3, 65]);
 * ```
 *
 * @typeParam P The tree of parameters.
 * @typeParam C The cache of the tokens so far.
 */
export interface LanguageModel<P = unknown, C = unknown> extends CachedModel<P, C> {
  /** The configuration. */
  readonly config: LanguageModelConfig;
  /** New parameters of a random key (u32 `[2]`), computed when first read. */
  init(key: Tensor): P;
  /** Token ids (i32 `[B, T]`) to embeddings `[B, T, D]`, without positions. */
  embed(params: P, ids: Tensor): Tensor;
  /**
   * Embeddings `[B, T, D]` to the hidden states that heads read, `[B, T, D]`: the states at t
   * depend on positions up to t only.
   */
  hidden(params: P, embeddings: Tensor, options?: HiddenOptions): Tensor;
  /** The head: from hidden states to logits `[B, T, V]` of the next token. */
  head(params: P): Head;
}

/** The tree of parameters of a language model. */
export type ParametersOf<M extends LanguageModel> = ReturnType<M["init"]>;

/**
 * The number of parameters, tied ones counted once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { countParameters, gpt, gptPresets } from "@unitune/models";
 *
 * const model = gpt({ ...gptPresets["nano-cpu"], vocabulary: 65 });
 * assertEquals(countParameters(model), 809_856);
 * ```
 *
 * @param model The model.
 * @returns The number of elements that `init` makes. None of them is computed.
 */
export function countParameters(model: LanguageModel): number {
  return leavesOf(model.init(key(0))).reduce((total, { shape }) => total + sizeOf(shape), 0);
}
