/**
 * The two passes of a decoder, written once: over whole sequences, and after the tokens of a cache.
 * They differ in the positions and in the keys and values that are attended to, which the blocks of
 * an architecture are handed.
 *
 * Shapes: B sequences, T tokens, V vocabulary, D width, Hq heads of queries, Hkv heads of keys and
 * values, Dh width of a head, S columns of a cache.
 */
import {
  add,
  arange,
  attention,
  type AttentionMaskOptions,
  type AttentionOptions,
  dims,
  dynamicUpdate,
  headLogits,
  joinedRows,
  type LinearHead,
  reshape,
  ShapeError,
  type Tensor,
  zeros,
} from "@unitune/core";
import type { BlockTransform, LanguageModel, LanguageModelConfig } from "../language_model.ts";
import { lastStates } from "../layers.ts";

/** The queries, keys and values of a layer. */
export interface Heads {
  /** `[B, T, Hq, Dh]`. */
  readonly queries: Tensor;
  /** `[B, T, Hkv, Dh]`. */
  readonly keys: Tensor;
  /** `[B, T, Hkv, Dh]`. */
  readonly values: Tensor;
}

/** Keys and values of the tokens so far, one entry a layer. */
export type KeyValueCache = readonly {
  /** `[B, S, Hkv, Dh]`. */
  readonly keys: Tensor;
  /** `[B, S, Hkv, Dh]`. */
  readonly values: Tensor;
}[];

/** The part of attention that an architecture decides; a pass decides the rest. */
export type AttentionKind = Pick<AttentionOptions, "window" | "scale" | "softcap">;

/** What a pass hands to the blocks of an architecture. */
export interface Pass {
  /** The positions of the tokens, i32 `[1 or B, T]`. */
  readonly positions: Tensor;
  /** Causal attention of a layer over the tokens that the pass knows, `[B, T, Hq, Dh]`. */
  attend(layer: number, heads: Heads, kind: AttentionKind): Tensor;
  /** Makes of each block, from the stream before it to the one behind it, what is applied. */
  readonly wrap: BlockTransform;
}

/** Leaves blocks as they are. */
const unwrapped: BlockTransform = (block) => block;

/** The functions of an architecture from which its passes are made. */
export interface DecoderParts<P, C extends LanguageModelConfig> {
  /** The readable name, for errors. */
  readonly name: string;
  /** The configuration. */
  readonly config: C;
  /** Heads of keys and values, Hkv, and their width, Dh. */
  readonly cached: { readonly heads: number; readonly width: number };
  /** New parameters. */
  init(key: Tensor): P;
  /** Token ids `[B, T]` to embeddings `[B, T, D]`. */
  embed(params: P, ids: Tensor): Tensor;
  /** All blocks: the residual stream `[B, T, D]` behind the last of them. */
  blocks(params: P, x: Tensor, pass: Pass): Tensor;
  /** The normalization before the head, `[..., D] -> [..., D]`. */
  norm(params: P, x: Tensor): Tensor;
  /** The head. */
  head(params: P): LinearHead;
}

/** A decoder with a cache of keys and values. */
export interface Decoder<P = unknown, C extends LanguageModelConfig = LanguageModelConfig>
  extends LanguageModel<P, KeyValueCache> {
  /** The configuration. */
  readonly config: C;
  /** The head. */
  head(params: P): LinearHead;
}

/**
 * A language model of the parts of an architecture.
 *
 * @param parts The functions of the architecture.
 * @returns The model.
 */
export function decoder<P, C extends LanguageModelConfig>(
  { name, config, cached, init, embed, blocks, norm, head }: DecoderParts<P, C>,
): Decoder<P, C> {
  const { context, layers, width } = config;
  return {
    config,
    init,
    embed,
    head,
    hidden(params, embeddings, { positions, segments, prefix, wrap = unwrapped } = {}) {
      const { T } = dims(embeddings, `B T ${width}`, `${name}: embeddings`);
      if (T > context) {
        throw new ShapeError(
          `${name}: embeddings: got ${T} tokens; expected at most ${context}, the model's context`,
        );
      }
      if (prefix !== undefined) {
        const rows = joinedRows(embeddings.shape, prefix);
        const last = blocks(params, rows.join(embeddings), {
          positions: rows.positions,
          attend: (_, { queries, keys, values }, kind) => rows.attend(queries, keys, values, kind),
          wrap,
        });
        return rows.part(norm(params, last)); // [B, T, D]
      }
      const mask = { causal: true, ...segments !== undefined && { segments } };
      const last = blocks(params, embeddings, {
        positions: positions ?? reshape(arange(T), [1, T]),
        attend: (_, { queries, keys, values }, kind) =>
          attention(queries, keys, values, { ...mask, ...kind }),
        wrap,
      });
      return norm(params, last); // [B, T, D]
    },
    emptyCache(batch, columns) {
      const shape = [batch, columns, cached.heads, cached.width];
      return Array.from({ length: layers }, () => ({ keys: zeros(shape), values: zeros(shape) }));
    },
    decode(params, ids, cache, { start, count }) {
      const { B, T } = dims(ids, "B T", `${name}: ids`);
      const [first] = cache;
      if (first === undefined) throw new ShapeError(`${name}: the cache has no layers`);
      dims(first.keys, `${B} S H Dh`, `${name}: cached keys`);
      // What stands behind a row's tokens, padding of its prompt, is behind all of its queries.
      const mask: AttentionMaskOptions = { causal: true, start };
      const next = [...cache];
      const states = blocks(params, embed(params, ids), {
        positions: add(arange(T), reshape(start, [B, 1])), // [B, T]
        attend(layer, { queries, keys, values }, kind) {
          const past = cache[layer];
          if (past === undefined) throw new ShapeError(`${name}: the cache has no layer ${layer}`);
          const seen = {
            keys: dynamicUpdate(past.keys, 1, start, keys), // [B, S, Hkv, Dh]
            values: dynamicUpdate(past.values, 1, start, values), // [B, S, Hkv, Dh]
          };
          next[layer] = seen;
          return attention(queries, seen.keys, seen.values, { ...mask, ...kind });
        },
        wrap: unwrapped,
      }); // [B, T, D]
      const last = norm(params, lastStates(states, count)); // [B, D]
      return { logits: headLogits(head(params), last), cache: next };
    },
  };
}

/** Heads side by side to heads apart: `[B, T, H Dh] -> [B, T, H, Dh]`. */
export function splitHeads(x: Tensor, headWidth: number): Tensor {
  const { B, T, W } = dims(x, "B T W", "heads");
  return reshape(x, [B, T, W / headWidth, headWidth]);
}

/** Heads apart to heads side by side: `[B, T, H, Dh] -> [B, T, H Dh]`. */
export function joinHeads(x: Tensor): Tensor {
  const { B, T, H, Dh } = dims(x, "B T H Dh", "heads");
  return reshape(x, [B, T, H * Dh]);
}
