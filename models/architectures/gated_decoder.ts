/**
 * Gated decoders: Llama (Touvron et al. 2023, arXiv 2302.13971) and its relatives, described by data.
 * Pre-norm blocks of RMS norms, attention with rotary positions and grouped queries, and a perceptron
 * whose hidden layer is multiplied by a gate (Shazeer 2020, arXiv 2002.05202).
 *
 * Shapes: B sequences, T tokens, V vocabulary, D width, Hq heads of queries, Hkv heads of keys and
 * values, Dh width of a head, F width of the perceptron.
 */
import { add, foldKey, full, gather, mul, normal, type Tensor, zeros } from "@unitune/core";
import { type Gain, type Linear, linear, rmsNormalized } from "../layers.ts";
import { activations } from "./activations.ts";
import { type Decoder, decoder, joinHeads, type Pass, splitHeads } from "./decoder.ts";
import { checkGatedDecoderConfig, type GatedDecoderConfig } from "./gated_decoder_config.ts";
import { initialDeviations } from "./initial_weights.ts";
import { rotate, type Turn, turnAt } from "./rotary.ts";

/** Parameters of a block; the names are those of the published tensors. */
export type GatedBlock = {
  /** Normalization before attention. */
  readonly input_layernorm: Gain;
  /** Attention. */
  readonly self_attn: {
    /** Queries, `[Hq Dh, D]`. */
    readonly q_proj: Linear;
    /** Keys, `[Hkv Dh, D]`. */
    readonly k_proj: Linear;
    /** Values, `[Hkv Dh, D]`. */
    readonly v_proj: Linear;
    /** Back to the residual stream, `[D, Hq Dh]`. */
    readonly o_proj: Linear;
    /** Normalization of the queries of a head, `[Dh]`, where there is one. */
    readonly q_norm?: Gain;
    /** Normalization of the keys of a head, `[Dh]`, where there is one. */
    readonly k_norm?: Gain;
  };
  /** Normalization before the perceptron; where there are output norms, of the result of attention. */
  readonly post_attention_layernorm: Gain;
  /** Where there are output norms: normalization before the perceptron. */
  readonly pre_feedforward_layernorm?: Gain;
  /** Where there are output norms: normalization of the result of the perceptron. */
  readonly post_feedforward_layernorm?: Gain;
  /** The perceptron. */
  readonly mlp: {
    /** The gate, `[F, D]`. */
    readonly gate_proj: Linear;
    /** To the hidden layer, `[F, D]`. */
    readonly up_proj: Linear;
    /** Back to the residual stream, `[D, F]`. */
    readonly down_proj: Linear;
  };
};

/** Parameters of a gated decoder; the names are those of the published tensors. */
export type GatedDecoderParameters = {
  /** Token embedding, `[V, D]`. */
  readonly embed_tokens: { readonly weight: Tensor };
  /** The blocks, first to last. */
  readonly layers: readonly GatedBlock[];
  /** Normalization before the head. */
  readonly norm: Gain;
  /** The head, `[V, D]`, unless it is tied to the token embedding. */
  readonly lm_head?: { readonly weight: Tensor };
};

/** A gated decoder as pure functions of its parameters. */
export type GatedDecoder<M extends string = string> = Decoder<
  GatedDecoderParameters,
  GatedDecoderConfig<M>
>;

/** New parameters: normal weights (see {@linkcode initialDeviations}), gains 1, biases 0. */
function initialParameters(config: GatedDecoderConfig, key: Tensor): GatedDecoderParameters {
  const { vocabulary, layers, width, heads, keyValueHeads, headWidth, hiddenWidth } = config;
  const { biases, gainOffset, headNorms, outputNorms, tied } = config;
  const { weight, residual } = initialDeviations(config);
  const matrix = (from: Tensor, rows: number, columns: number, standardDeviation = weight) => ({
    weight: normal(from, [rows, columns], { standardDeviation }),
  });
  const gain = (size: number): Gain => ({ weight: full([size], 1 - gainOffset) });
  const withBias = (hasBias: boolean, linear: { readonly weight: Tensor }, out: number): Linear =>
    hasBias ? { ...linear, bias: zeros([out]) } : linear;
  const block = (from: Tensor): GatedBlock => {
    const toHeads = (site: number, count: number) => {
      const out = count * headWidth;
      return withBias(biases.heads, matrix(foldKey(from, site), out, width), out);
    };
    const o = matrix(foldKey(from, 3), width, heads * headWidth, residual);
    const toHidden = (site: number) =>
      withBias(biases.perceptron, matrix(foldKey(from, site), hiddenWidth, width), hiddenWidth);
    const down = matrix(foldKey(from, 6), width, hiddenWidth, residual);
    return {
      input_layernorm: gain(width),
      self_attn: {
        q_proj: toHeads(0, heads),
        k_proj: toHeads(1, keyValueHeads),
        v_proj: toHeads(2, keyValueHeads),
        o_proj: withBias(biases.attended, o, width),
        ...headNorms && { q_norm: gain(headWidth), k_norm: gain(headWidth) },
      },
      post_attention_layernorm: gain(width),
      ...outputNorms && {
        pre_feedforward_layernorm: gain(width),
        post_feedforward_layernorm: gain(width),
      },
      mlp: {
        gate_proj: toHidden(4),
        up_proj: toHidden(5),
        down_proj: withBias(biases.perceptron, down, width),
      },
    };
  };
  return {
    embed_tokens: matrix(foldKey(key, 0), vocabulary, width),
    layers: Array.from({ length: layers }, (_, layer) => block(foldKey(key, 2 + layer))),
    norm: gain(width),
    ...!tied && { lm_head: matrix(foldKey(key, 1), vocabulary, width) },
  };
}

/** `x / rms(x) * (gain + offset)`. */
type Norm = (x: Tensor, gain: Gain) => Tensor;

function normOf({ epsilon, gainOffset }: GatedDecoderConfig): Norm {
  return (x, { weight }) => {
    const gain = gainOffset === 0 ? weight : add(weight, gainOffset);
    return mul(rmsNormalized(x, epsilon), gain);
  };
}

/** The part of a pass that belongs to one layer. */
interface LayerPass extends Pick<Pass, "attend"> {
  readonly layer: number;
  readonly turn: Turn;
  readonly window: number | null;
  readonly norm: Norm;
}

/** Attention of a layer on the normalized residual stream, `[B, T, D]`. */
function attended(
  config: GatedDecoderConfig,
  { self_attn }: GatedBlock,
  x: Tensor,
  { layer, turn, attend, norm, window }: LayerPass,
): Tensor {
  const { headWidth, scoreWidth, scoreSoftcap } = config;
  const headsOf = (projection: Linear, gain?: Gain) => {
    const heads = splitHeads(linear(x, projection), headWidth);
    return gain === undefined ? heads : norm(heads, gain);
  };
  const { q_proj, k_proj, v_proj, o_proj, q_norm, k_norm } = self_attn;
  const heads = {
    queries: rotate(headsOf(q_proj, q_norm), turn), // [B, T, Hq, Dh]
    keys: rotate(headsOf(k_proj, k_norm), turn), // [B, T, Hkv, Dh]
    values: headsOf(v_proj), // [B, T, Hkv, Dh]
  };
  const seen = attend(layer, heads, {
    scale: 1 / Math.sqrt(scoreWidth ?? headWidth),
    ...scoreSoftcap !== null && { softcap: scoreSoftcap },
    ...window !== null && { window },
  });
  return linear(joinHeads(seen), o_proj);
}

/** `W_down (act(W_gate x) * W_up x)`: `[B, T, D] -> [B, T, D]`. */
function gatedPerceptron(
  { gate_proj, up_proj, down_proj }: GatedBlock["mlp"],
  act: (x: Tensor) => Tensor,
  x: Tensor,
): Tensor {
  return linear(mul(act(linear(x, gate_proj)), linear(x, up_proj)), down_proj);
}

/** A block on the residual stream, `[B, T, D] -> [B, T, D]`. */
function throughBlock(
  config: GatedDecoderConfig,
  block: GatedBlock,
  x: Tensor,
  pass: LayerPass,
): Tensor {
  const { norm } = pass;
  const act = activations[config.activation];
  const { mlp, pre_feedforward_layernorm: before, post_feedforward_layernorm: behind } = block;
  const fromAttention = attended(config, block, norm(x, block.input_layernorm), pass);
  if (before === undefined || behind === undefined) {
    const y = add(x, fromAttention); // [B, T, D]
    return add(y, gatedPerceptron(mlp, act, norm(y, block.post_attention_layernorm)));
  }
  const y = add(x, norm(fromAttention, block.post_attention_layernorm)); // [B, T, D]
  return add(y, norm(gatedPerceptron(mlp, act, norm(y, before)), behind));
}

/**
 * A gated decoder as a record of pure functions: a policy for objectives, a model for generation.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { headLogits, key, tensor } from "@unitune/core";
 * import { languageModel, presetConfig } from "@unitune/models";
 *
 * const model = languageModel(presetConfig("nano-llama", { vocabulary: 65 }));
 * const params = model.init(key(0));
 * const hidden = model.hidden(params, model.embed(params, tensor([[1, 2]], { dtype: "i32" })));
 * assertEquals(headLogits(model.head(params), hidden).shape, [1, 2, 65]);
 * ```
 *
 * @param name The readable name of the architecture.
 * @param asked The configuration.
 * @returns The model.
 * @throws {RangeError} If no model has such a configuration.
 */
export function gatedDecoder<M extends string>(
  name: string,
  asked: GatedDecoderConfig<M>,
): GatedDecoder<M> {
  const config = checkGatedDecoderConfig(name, asked);
  const { width, headWidth, keyValueHeads, kinds, logitSoftcap } = config;
  const norm = normOf(config);
  return decoder<GatedDecoderParameters, GatedDecoderConfig<M>>({
    name,
    config,
    cached: { heads: keyValueHeads, width: headWidth },
    init: (key) => initialParameters(config, key),
    embed({ embed_tokens }, ids) {
      const embeddings = gather(embed_tokens.weight, ids); // [B, T, D]
      return config.scaledEmbeddings ? mul(embeddings, Math.sqrt(width)) : embeddings;
    },
    blocks({ layers }, x, { positions, attend, wrap }) {
      const passes = kinds.map(({ window, rotary }) => ({
        window,
        turn: turnAt(rotary, headWidth, positions, x.dtype),
      }));
      return layers.reduce((stream, block, layer) => {
        const pass = passes[layer % passes.length];
        if (pass === undefined) throw new RangeError(`${name}: layer ${layer} has no kind`);
        const own = { layer, attend, norm, ...pass };
        return wrap((x) => throughBlock(config, block, x, own))(stream);
      }, x);
    },
    norm: (params, x) => norm(x, params.norm),
    head: ({ embed_tokens, lm_head = embed_tokens }) => ({
      ...lm_head,
      ...logitSoftcap !== null && { softcap: logitSoftcap },
    }),
  });
}
