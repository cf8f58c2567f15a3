/**
 * GPT-2 (Radford et al. 2019, "Language models are unsupervised multitask learners"): a pre-norm
 * transformer decoder with learned positions and a head tied to the token embedding.
 *
 * Shapes: B sequences, T tokens, V vocabulary, C context, D width, H heads, Dh = D / H, S columns of
 * a cache.
 */
import {
  add,
  arange,
  attention,
  attentionMask,
  type AttentionMaskOptions,
  dims,
  dynamicUpdate,
  foldKey,
  gather,
  gelu,
  headLogits,
  joinedRows,
  type LinearHead,
  matmul,
  mul,
  normal,
  ones,
  reshape,
  type Shape,
  ShapeError,
  slice,
  softmax,
  type Tensor,
  transpose,
  transposeLast,
  where,
  zeros,
} from "@unitune/core";
import type { CachePlace, HiddenOptions, LanguageModel } from "../language_model.ts";
import { dropout, lastStates, layerNorm, project, type WeightAndBias } from "../layers.ts";
import { checkGptConfig, type GptConfig, type GptSizes } from "./gpt2_config.ts";
import { initialDeviations } from "./initial_weights.ts";

/** Parameters of one transformer block. */
export type GptBlock = {
  /** Normalization before attention. */
  readonly ln_1: WeightAndBias;
  /** Attention. */
  readonly attn: {
    /** Queries, keys and values, `[D, 3 D]`. */
    readonly c_attn: WeightAndBias;
    /** Back to the residual stream, `[D, D]`. */
    readonly c_proj: WeightAndBias;
  };
  /** Normalization before the perceptron. */
  readonly ln_2: WeightAndBias;
  /** Perceptron of one hidden layer. */
  readonly mlp: {
    /** To the hidden layer, `[D, 4 D]`. */
    readonly c_fc: WeightAndBias;
    /** Back to the residual stream, `[4 D, D]`. */
    readonly c_proj: WeightAndBias;
  };
};

/** Parameters of a GPT; the names are those of GPT-2's published tensors. */
export type GptParameters = {
  /** Token embedding, `[V, D]`; its transpose is the head. */
  readonly wte: { readonly weight: Tensor };
  /** Position embedding, `[C, D]`. */
  readonly wpe: { readonly weight: Tensor };
  /** The blocks, first to last. */
  readonly h: readonly GptBlock[];
  /** Normalization before the head. */
  readonly ln_f: WeightAndBias;
};

/** Keys and values of the tokens so far, one entry a layer. */
export type GptCache = readonly {
  /** `[B, S, H, Dh]`. */
  readonly keys: Tensor;
  /** `[B, S, H, Dh]`. */
  readonly values: Tensor;
}[];

/** A GPT of given sizes as pure functions of its parameters. */
export interface Gpt extends LanguageModel<GptParameters, GptCache> {
  /** The sizes. */
  readonly config: GptConfig;
  /** {@linkcode tiedHead}. */
  head(params: GptParameters): LinearHead;
}

/**
 * A score that hides a column, where weights are computed one by one. It is finite, so that a row that
 * sees no column, as padding does, is finite as well.
 */
const HIDDEN = -1e9;

/**
 * GPT-2's initialization, at any width: weights of standard deviation `0.02 sqrt(768 / D)`, so that
 * sums over D terms are as large as in GPT-2, whose 0.02 belongs to D = 768. Weights that write to
 * the residual stream are divided by `sqrt(2 L)`; gains are 1, offsets 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gptPresets, initGpt } from "@unitune/models";
 *
 * const params = initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 });
 * assertEquals(params.wte.weight.shape, [65, 64]);
 * assertEquals(params.h[0]?.attn.c_attn.weight.shape, [64, 192]);
 * ```
 *
 * @param key A random key; the same key gives the same parameters.
 * @param config The sizes.
 * @returns The parameters, computed when first read.
 * @throws {RangeError} If no model has such sizes; see {@linkcode checkGptConfig}.
 */
export function initGpt(key: Tensor, config: GptSizes): GptParameters {
  const { vocabulary, context, layers, width } = checkGptConfig(config);
  const { weight: scaled, residual } = initialDeviations({ width, layers });
  const weight = (from: Tensor, shape: Shape, standardDeviation = scaled) =>
    normal(from, shape, { standardDeviation });
  const norm = (): WeightAndBias => ({ weight: ones([width]), bias: zeros([width]) });
  const linear = (from: Tensor, input: number, output: number, std = scaled): WeightAndBias => ({
    weight: weight(from, [input, output], std),
    bias: zeros([output]),
  });
  const block = (from: Tensor): GptBlock => ({
    ln_1: norm(),
    attn: {
      c_attn: linear(foldKey(from, 0), width, 3 * width),
      c_proj: linear(foldKey(from, 1), width, width, residual),
    },
    ln_2: norm(),
    mlp: {
      c_fc: linear(foldKey(from, 2), width, 4 * width),
      c_proj: linear(foldKey(from, 3), 4 * width, width, residual),
    },
  });
  return {
    wte: { weight: weight(foldKey(key, 0), [vocabulary, width]) },
    wpe: { weight: weight(foldKey(key, 1), [context, width]) },
    h: Array.from({ length: layers }, (_, layer) => block(foldKey(key, 2 + layer))),
    ln_f: norm(),
  };
}

/**
 * Token embeddings, without positions.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { embedTokens, gptPresets, initGpt } from "@unitune/models";
 *
 * const params = initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 });
 * assertEquals(embedTokens(params, tensor([[1, 2, 3]], { dtype: "i32" })).shape, [1, 3, 64]);
 * ```
 *
 * @param params The model's parameters.
 * @param ids Token ids, i32 `[B, T]`.
 * @returns `[B, T, D]`; NaN for an id outside the vocabulary.
 */
export function embedTokens(params: GptParameters, ids: Tensor): Tensor {
  return gather(params.wte.weight, ids);
}

/**
 * The last block's output at each position, normalized: the states that heads read. Position t sees
 * 0 to t.
 *
 * It takes embeddings rather than ids, so that they may be mixed. Positions are added here. Dropout
 * (on embeddings, attention weights and the output of each half of a block) happens only with a
 * key.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { embedTokens, gptPresets, hiddenStates, initGpt } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const params = initGpt(key(0), config);
 * const embeddings = embedTokens(params, tensor([[1, 2, 3]], { dtype: "i32" }));
 * assertEquals(hiddenStates(config, params, embeddings).shape, [1, 3, 64]);
 * ```
 *
 * @param config The sizes.
 * @param params The model's parameters.
 * @param embeddings Token embeddings, `[B, T, D]`.
 * @param options `key` turns dropout on; `positions` and `segments` are for rows of several texts,
 * and `prefix` for rows that begin alike; `wrap` makes other functions of the blocks.
 * @returns Hidden states, `[B, T, D]`.
 * @throws {ShapeError} If the embeddings have another width or are longer than the context.
 */
export function hiddenStates(
  config: GptSizes,
  params: GptParameters,
  embeddings: Tensor,
  { key, positions, segments, prefix, wrap = (block) => block }: HiddenOptions = {},
): Tensor {
  const { T } = dims(embeddings, `B T ${config.width}`, "GPT: embeddings");
  if (T > config.context) {
    throw new ShapeError(
      `GPT: embeddings: got ${T} tokens; expected at most ${config.context}, the model's context`,
    );
  }
  const drop: Drop | undefined = key === undefined || config.dropout === 0
    ? undefined
    : (x, site) => dropout(x, config.dropout, foldKey(key, site));

  // Dropout draws for every row by itself, so rows are not joined then.
  const rows = prefix === undefined || drop !== undefined
    ? undefined
    : joinedRows(embeddings.shape, prefix);
  const { weight } = params.wpe;
  const places = rows?.positions ?? positions;
  const positional = places === undefined ? slice(weight, 0, 0, T) : gather(weight, places);
  const mask = { causal: true, ...segments !== undefined && { segments } };
  const look = (heads: Heads, drop?: Drop) =>
    rows === undefined
      ? attend(heads, mask, drop)
      : sideBySide(rows.attend(heads.queries, heads.keys, heads.values));

  let x = add(rows?.join(embeddings) ?? embeddings, positional); // [B, T, D]
  x = drop?.(x, 0) ?? x;
  params.h.forEach((block, layer) => {
    const dropHere: Drop | undefined = drop && ((x, site) => drop(x, 1 + 3 * layer + site));
    x = wrap((x) => {
      const attended = look(projectHeads(config, block, x), dropHere); // [B, T, D]
      return completeBlock(block, x, attended, dropHere);
    })(x); // [B, T, D]
  });
  const hidden = layerNorm(x, params.ln_f);
  return rows?.part(hidden) ?? hidden; // [B, T, D]
}

/**
 * The head of a GPT: the token embedding, without bias.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { gptPresets, initGpt, tiedHead } from "@unitune/models";
 *
 * const params = initGpt(key(0), { ...gptPresets.nano, vocabulary: 65 });
 * assertEquals(tiedHead(params).weight.shape, [65, 64]);
 * ```
 *
 * @param params The model's parameters.
 * @returns The head.
 */
export function tiedHead({ wte }: GptParameters): LinearHead {
  return { weight: wte.weight };
}

/**
 * Logits of the token after each position, from token embeddings: the head on the hidden states.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { applyGpt, embedTokens, gptPresets, initGpt } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const params = initGpt(key(0), config);
 * const embeddings = embedTokens(params, tensor([[1, 2, 3]], { dtype: "i32" }));
 * assertEquals(applyGpt(config, params, embeddings).shape, [1, 3, 65]);
 * ```
 *
 * @param config The sizes.
 * @param params The model's parameters.
 * @param embeddings Token embeddings, `[B, T, D]`.
 * @param options `key` turns dropout on; `positions` and `segments` are for rows of several texts.
 * @returns Logits, `[B, T, V]`.
 * @throws {ShapeError} If the embeddings have another width or are longer than the context.
 */
export function applyGpt(
  config: GptSizes,
  params: GptParameters,
  embeddings: Tensor,
  options: HiddenOptions = {},
): Tensor {
  return headLogits(tiedHead(params), hiddenStates(config, params, embeddings, options));
}

/**
 * A cache without tokens.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { emptyGptCache, gptPresets } from "@unitune/models";
 *
 * const cache = emptyGptCache({ ...gptPresets.nano, vocabulary: 65 }, 8, 48);
 * assertEquals(cache.map(({ keys }) => keys.shape), [[8, 48, 2, 32], [8, 48, 2, 32]]);
 * ```
 *
 * @param config The sizes.
 * @param batch Rows, B.
 * @param columns Columns, S.
 * @returns Zeros.
 */
export function emptyGptCache(config: GptSizes, batch: number, columns: number): GptCache {
  const shape = [batch, columns, config.heads, config.width / config.heads];
  return Array.from(
    { length: config.layers },
    () => ({ keys: zeros(shape), values: zeros(shape) }),
  );
}

/**
 * Logits of the token after the last of `ids`, which follow the tokens in a cache; the same as
 * {@linkcode applyGpt} gives for all the tokens. A position beyond the context gives NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { decodeGpt, emptyGptCache, gptPresets, initGpt } from "@unitune/models";
 *
 * const config = { ...gptPresets.nano, vocabulary: 65 };
 * const params = initGpt(key(0), config);
 * const place = {
 *   start: tensor([0, 0], { dtype: "i32" }),
 *   count: tensor([3, 1], { dtype: "i32" }),
 * };
 * const ids = tensor([[7, 8, 9], [9, 0, 0]], { dtype: "i32" });
 * const { logits } = decodeGpt(config, params, ids, emptyGptCache(config, 2, 8), place);
 * assertEquals(logits.shape, [2, 65]);
 * ```
 *
 * @param config The sizes.
 * @param params The model's parameters.
 * @param ids Token ids, i32 `[B, T]`; any id where a row has padding.
 * @param cache Keys and values of the tokens before.
 * @param place The place of the tokens in the cache.
 * @returns Logits `[B, V]` and the cache with the tokens in it.
 */
export function decodeGpt(
  config: GptSizes,
  params: GptParameters,
  ids: Tensor,
  cache: GptCache,
  { start, count }: CachePlace,
): { readonly logits: Tensor; readonly cache: GptCache } {
  const { B, T } = dims(ids, "B T", "GPT: ids");
  const [first] = cache;
  if (first === undefined) throw new ShapeError("GPT: the cache has no layers");
  dims(first.keys, `${B} S H Dh`, "GPT: cached keys");
  const positions = add(arange(T), reshape(start, [B, 1])); // [B, T]
  // What stands behind a row's tokens, padding of its prompt, is behind all of its queries.
  const mask = { causal: true, start };

  let x = add(embedTokens(params, ids), gather(params.wpe.weight, positions)); // [B, T, D]
  const next = params.h.map((block, layer) => {
    const past = cache[layer];
    if (past === undefined) throw new ShapeError(`GPT: the cache has no layer ${layer}`);
    const { queries, keys, values } = projectHeads(config, block, x);
    const seen = {
      keys: dynamicUpdate(past.keys, 1, start, keys), // [B, S, H, Dh]
      values: dynamicUpdate(past.values, 1, start, values), // [B, S, H, Dh]
    };
    x = completeBlock(block, x, attend({ queries, ...seen }, mask)); // [B, T, D]
    return seen;
  });
  const last = layerNorm(lastStates(x, count), params.ln_f); // [B, D]
  return { logits: headLogits(tiedHead(params), last), cache: next };
}

/** Dropout at one of a block's sites, or nothing. */
type Drop = (x: Tensor, site: number) => Tensor;

const keep: Drop = (x) => x;

/** A block's dropout sites. */
const SITES = { attention: 0, attended: 1, perceptron: 2 } as const;

/** Queries, keys and values, each `[B, T, H, Dh]`. */
interface Heads {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
}

function projectHeads({ heads, width }: GptSizes, { ln_1, attn }: GptBlock, x: Tensor): Heads {
  const { B, T } = dims(x, "B T D");
  const joined = project(layerNorm(x, ln_1), attn.c_attn); // [B, T, 3 D]
  const part = (index: number) =>
    reshape(slice(joined, 2, index * width, (index + 1) * width), [B, T, heads, width / heads]);
  return { queries: part(0), keys: part(1), values: part(2) };
}

/**
 * Attention of every head (Vaswani et al. 2017), the heads side by side: `[B, T, D]`. It is one
 * primitive, unless dropout acts on its weights.
 */
function attend(
  { queries, keys, values }: Heads,
  mask: AttentionMaskOptions,
  drop?: Drop,
): Tensor {
  const { B, T, H, Dh } = dims(queries, "B T H Dh");
  if (drop === undefined) return sideBySide(attention(queries, keys, values, mask));
  const { S } = dims(keys, `${B} S ${H} ${Dh}`);
  const byHead = (x: Tensor) => transpose(x, [0, 2, 1, 3]); // [B, H, T, Dh] and back
  const products = matmul(byHead(queries), transposeLast(byHead(keys)));
  const scores = mul(products, 1 / Math.sqrt(Dh)); // [B, H, T, S]
  const visible = attentionMask({ B, T, S }, mask);
  const weights = drop(softmax(where(visible, scores, HIDDEN)), SITES.attention);
  return sideBySide(byHead(matmul(weights, byHead(values))));
}

/** Heads apart to heads side by side: `[B, T, H, Dh] -> [B, T, H Dh]`. */
function sideBySide(x: Tensor): Tensor {
  const { B, T, H, Dh } = dims(x, "B T H Dh");
  return reshape(x, [B, T, H * Dh]);
}

/** The residual stream after a block: with attention's result added, then the perceptron's. */
function completeBlock(block: GptBlock, x: Tensor, attended: Tensor, drop = keep): Tensor {
  const { attn, ln_2, mlp } = block;
  const y = add(x, drop(project(attended, attn.c_proj), SITES.attended)); // [B, T, D]
  const hidden = gelu(project(layerNorm(y, ln_2), mlp.c_fc)); // [B, T, 4 D]
  return add(y, drop(project(hidden, mlp.c_proj), SITES.perceptron)); // [B, T, D]
}

/**
 * A GPT as a record of pure functions: a policy for objectives, a model for generation.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headLogits, key, tensor } from "@unitune/core";
 * import { gpt, gptPresets } from "@unitune/models";
 *
 * const model = gpt({ ...gptPresets.nano, vocabulary: 65 });
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headLogits(model.head(params), hidden).shape, [1, 2, 65]);
 * ```
 *
 * @param sizes The sizes.
 * @returns The model.
 * @throws {RangeError} If no model has such sizes; see {@linkcode checkGptConfig}.
 */
export function gpt(sizes: GptSizes): Gpt {
  const config = checkGptConfig(sizes);
  return {
    config,
    init: (key) => initGpt(key, config),
    embed: embedTokens,
    hidden: (params, embeddings, options) => hiddenStates(config, params, embeddings, options),
    head: tiedHead,
    emptyCache: (batch, columns) => emptyGptCache(config, batch, columns),
    decode: (params, ids, cache, place) => decodeGpt(config, params, ids, cache, place),
  };
}
