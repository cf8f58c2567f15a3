/**
 * GPT-NeoX (Black et al. 2022, arXiv 2204.06745): a decoder with layer norms, rotary positions on a
 * part of each head, and attention beside the perceptron.
 *
 * Shapes: B sequences, T tokens, V vocabulary, D width, H heads, Dh = D / H, F width of the
 * perceptron.
 */
import { add, foldKey, gather, normal, ones, slice, type Tensor, zeros } from "@unitune/core";
import { layerNorm, type Linear, linear, type WeightAndBias } from "../layers.ts";
import { activations } from "./activations.ts";
import { type Decoder, decoder, joinHeads, type Pass, splitHeads } from "./decoder.ts";
import { checkGptNeoXConfig, type GptNeoXConfig, rotatedElements } from "./gpt_neox_config.ts";
import { initialDeviations } from "./initial_weights.ts";
import { rotate, type Turn, turnAt } from "./rotary.ts";

/** Parameters of a block; the names are those of the published tensors. */
export type GptNeoXBlock = {
  /** Normalization before attention. */
  readonly input_layernorm: WeightAndBias;
  /** Normalization before the perceptron. */
  readonly post_attention_layernorm: WeightAndBias;
  /** Attention. */
  readonly attention: {
    /** Queries, keys and values, head by head, `[3 D, D]`. */
    readonly query_key_value: Linear;
    /** Back to the residual stream, `[D, D]`. */
    readonly dense: Linear;
  };
  /** Perceptron of one hidden layer. */
  readonly mlp: {
    /** To the hidden layer, `[F, D]`. */
    readonly dense_h_to_4h: Linear;
    /** Back to the residual stream, `[D, F]`. */
    readonly dense_4h_to_h: Linear;
  };
};

/** Parameters of a GPT-NeoX; the names are those of the published tensors. */
export type GptNeoXParameters = {
  /** Token embedding, `[V, D]`. */
  readonly embed_in: { readonly weight: Tensor };
  /** The blocks, first to last. */
  readonly layers: readonly GptNeoXBlock[];
  /** Normalization before the head. */
  readonly final_layer_norm: WeightAndBias;
  /** The head, `[V, D]`, unless it is tied to the token embedding. */
  readonly embed_out?: { readonly weight: Tensor };
};

/** A GPT-NeoX as pure functions of its parameters. */
export type GptNeoX = Decoder<GptNeoXParameters, GptNeoXConfig>;

/** New parameters: normal weights (see {@linkcode initialDeviations}), gains 1, biases 0. */
function initialParameters(config: GptNeoXConfig, key: Tensor): GptNeoXParameters {
  const { vocabulary, layers, width, hiddenWidth, hasAttentionBias, tied } = config;
  const { weight, residual } = initialDeviations(config);
  const matrix = (from: Tensor, rows: number, columns: number, standardDeviation = weight) => ({
    weight: normal(from, [rows, columns], { standardDeviation }),
  });
  const norm = (): WeightAndBias => ({ weight: ones([width]), bias: zeros([width]) });
  const bias = (size: number) => ({ bias: zeros([size]) });
  const block = (from: Tensor): GptNeoXBlock => ({
    input_layernorm: norm(),
    post_attention_layernorm: norm(),
    attention: {
      query_key_value: {
        ...matrix(foldKey(from, 0), 3 * width, width),
        ...hasAttentionBias && bias(3 * width),
      },
      dense: {
        ...matrix(foldKey(from, 1), width, width, residual),
        ...hasAttentionBias && bias(width),
      },
    },
    mlp: {
      dense_h_to_4h: {
        ...matrix(foldKey(from, 2), hiddenWidth, width),
        ...bias(hiddenWidth),
      },
      dense_4h_to_h: {
        ...matrix(foldKey(from, 3), width, hiddenWidth, residual),
        ...bias(width),
      },
    },
  });
  return {
    embed_in: matrix(foldKey(key, 0), vocabulary, width),
    layers: Array.from({ length: layers }, (_, layer) => block(foldKey(key, 2 + layer))),
    final_layer_norm: norm(),
    ...!tied && { embed_out: matrix(foldKey(key, 1), vocabulary, width) },
  };
}

/** The part of a pass that belongs to one layer. */
interface LayerPass extends Pick<Pass, "attend"> {
  readonly layer: number;
  readonly turn: Turn;
}

/** Attention of a layer on the normalized residual stream, `[B, T, D]`. */
function attended(
  { heads, width }: GptNeoXConfig,
  { query_key_value, dense }: GptNeoXBlock["attention"],
  x: Tensor,
  { layer, turn, attend }: LayerPass,
): Tensor {
  const headWidth = width / heads;
  const joined = splitHeads(linear(x, query_key_value), 3 * headWidth); // [B, T, H, 3 Dh]
  const part = (index: number) => slice(joined, 3, index * headWidth, (index + 1) * headWidth);
  const [queries, keys, values] = [rotate(part(0), turn), rotate(part(1), turn), part(2)];
  return linear(joinHeads(attend(layer, { queries, keys, values }, {})), dense);
}

/** A block on the residual stream, `[B, T, D] -> [B, T, D]`. */
function throughBlock(
  config: GptNeoXConfig,
  { input_layernorm, post_attention_layernorm, attention, mlp }: GptNeoXBlock,
  x: Tensor,
  pass: LayerPass,
): Tensor {
  const { epsilon, activation, isParallel } = config;
  const fromAttention = attended(config, attention, layerNorm(x, input_layernorm, epsilon), pass);
  const y = add(x, fromAttention); // [B, T, D]
  const read = layerNorm(isParallel ? x : y, post_attention_layernorm, epsilon);
  const hidden = activations[activation](linear(read, mlp.dense_h_to_4h)); // [B, T, F]
  return add(y, linear(hidden, mlp.dense_4h_to_h));
}

/**
 * A GPT-NeoX as a record of pure functions: a policy for objectives, a model for generation.
 *
 * @param asked The configuration.
 * @returns The model.
 * @throws {RangeError} If no model has such a configuration.
 */
export function makeGptNeoX(asked: GptNeoXConfig): GptNeoX {
  const config = checkGptNeoXConfig(asked);
  const { heads, width, rotary, epsilon } = config;
  return decoder<GptNeoXParameters, GptNeoXConfig>({
    name: "GPT-NeoX",
    config,
    cached: { heads, width: width / heads },
    init: (key) => initialParameters(config, key),
    embed: ({ embed_in }, ids) => gather(embed_in.weight, ids), // [B, T, D]
    blocks({ layers }, x, { positions, attend, wrap }) {
      const turn = turnAt(rotary, rotatedElements(config), positions, x.dtype);
      return layers.reduce(
        (stream, block, layer) =>
          wrap((x) => throughBlock(config, block, x, { layer, turn, attend }))(stream),
        x,
      );
    },
    norm: ({ final_layer_norm }, x) => layerNorm(x, final_layer_norm, epsilon),
    head: ({ embed_in, embed_out = embed_in }) => embed_out,
  });
}
