/**
 * An architecture from outside: a decoder with rotary positions and a head of its own, as a row that
 * no file of ours knows.
 *
 * Shapes: B sequences, T tokens, V vocabulary, D width, H heads of width Dh, S columns.
 */
import {
  add,
  arange,
  attention,
  type AttentionMaskOptions,
  cast,
  concat,
  cos,
  dims,
  dynamicSlice,
  dynamicUpdate,
  foldKey,
  gather,
  headLogits,
  type LinearHead,
  mean,
  mul,
  normal,
  ones,
  reshape,
  rsqrt,
  sin,
  slice,
  square,
  sub,
  tanh,
  type Tensor,
  tensor,
  zeros,
} from "@unitune/core";
import {
  type Architecture,
  dottedPath,
  type LanguageModel,
  type LanguageModelConfig,
  type Linear,
  linear,
  numberSetting,
  requireSettings,
} from "@unitune/models";

/** The configuration. */
export interface RotaryConfig extends LanguageModelConfig {
  readonly modelType: "toy_rotary";
  readonly heads: number;
  /** The base of the wave lengths. */
  readonly theta: number;
}

type Weight = { readonly weight: Tensor };

type RotaryBlock = {
  readonly norm: Weight;
  readonly q: Linear;
  readonly k: Linear;
  readonly v: Linear;
  readonly o: Linear;
  readonly up: Linear;
  readonly down: Linear;
};

/** The parameters. */
export type RotaryParameters = {
  readonly embed: Weight;
  readonly layers: readonly RotaryBlock[];
  readonly norm: Weight;
  readonly lm_head: Weight;
};

/** Keys and values of the tokens so far, one entry a layer. */
export type RotaryCache = readonly { readonly k: Tensor; readonly v: Tensor }[];

/** The model. */
export interface Rotary extends LanguageModel<RotaryParameters, RotaryCache> {
  readonly config: RotaryConfig;
  head(params: RotaryParameters): LinearHead;
}

/** `x / sqrt(mean x^2) * gain` (Zhang and Sennrich 2019). */
function rmsNorm(x: Tensor, { weight }: Weight): Tensor {
  const scale = rsqrt(add(mean(square(x), { axes: [-1], keepDims: true }), 1e-5));
  return mul(mul(x, scale), weight);
}

/**
 * Rotary positions (Su et al. 2021): the pair (i, i + Dh/2) of each head turns by the angle
 * `p theta^(-2 i / Dh)` at position p. `[B, T, H, Dh]`.
 */
function rotate(x: Tensor, positions: Tensor, theta: number): Tensor {
  const { T, Dh } = dims(x, "B T H Dh");
  const half = Dh / 2;
  const frequencies = Array.from({ length: half }, (_, i) => theta ** (-i / half));
  const { dtype } = x;
  const places = reshape(cast(positions, dtype), [-1, T, 1, 1]);
  const angles = mul(places, tensor(frequencies, { dtype }));
  const [c, s] = [cos(angles), sin(angles)];
  const [a, b] = [slice(x, 3, 0, half), slice(x, 3, half, Dh)];
  return concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3);
}

function rotary(config: RotaryConfig): Rotary {
  const { width, heads, layers, vocabulary, theta } = config;
  if (width % (2 * heads) !== 0) {
    throw new RangeError(`toy: a width of ${width} is not made of ${heads} heads of even width`);
  }
  const byHead = (x: Tensor) => {
    const { B, T } = dims(x, "B T D");
    return reshape(x, [B, T, heads, width / heads]);
  };
  /** A block on `[B, T, D]`; `seen` makes the keys and values that are attended to. */
  const run = (
    block: RotaryBlock,
    x: Tensor,
    positions: Tensor,
    mask: AttentionMaskOptions,
    seen: (kv: RotaryCache[number]) => RotaryCache[number] = (kv) => kv,
  ) => {
    const normed = rmsNorm(x, block.norm);
    const q = rotate(byHead(linear(normed, block.q)), positions, theta);
    const k = rotate(byHead(linear(normed, block.k)), positions, theta);
    const kv = seen({ k, v: byHead(linear(normed, block.v)) });
    const attended = reshape(attention(q, kv.k, kv.v, mask), x.shape);
    const y = add(x, linear(attended, block.o));
    return { x: add(y, linear(tanh(linear(y, block.up)), block.down)), kv };
  };
  const embed = ({ embed }: RotaryParameters, ids: Tensor) => gather(embed.weight, ids);
  const head = ({ lm_head }: RotaryParameters): LinearHead => lm_head;
  return {
    config,
    init: (key) => {
      let site = 0;
      const weight = (rows: number, columns: number): Weight => ({
        weight: normal(foldKey(key, site++), [rows, columns], { standardDeviation: 0.5 }),
      });
      const norm = () => ({ weight: ones([width]) });
      return {
        embed: weight(vocabulary, width),
        layers: Array.from({ length: layers }, () => ({
          norm: norm(),
          q: weight(width, width),
          k: weight(width, width),
          v: weight(width, width),
          o: weight(width, width),
          up: weight(2 * width, width),
          down: weight(width, 2 * width),
        })),
        norm: norm(),
        lm_head: weight(vocabulary, width),
      };
    },
    embed,
    hidden: (params, embeddings, { positions, segments } = {}) => {
      const { T } = dims(embeddings, `B T ${width}`, "toy: embeddings");
      const places = positions ?? reshape(arange(T), [1, T]);
      const mask = { causal: true, ...segments !== undefined && { segments } };
      const last = params.layers.reduce(
        (x, block) => run(block, x, places, mask).x,
        embeddings,
      );
      return rmsNorm(last, params.norm);
    },
    head,
    emptyCache: (batch, columns) => {
      const empty = () => zeros([batch, columns, heads, width / heads]);
      return Array.from({ length: layers }, () => ({ k: empty(), v: empty() }));
    },
    decode: (params, ids, cache, { start, count }) => {
      const { B, T } = dims(ids, "B T", "toy: ids");
      const positions = add(arange(T), reshape(start, [B, 1]));
      let x = embed(params, ids);
      const next = params.layers.map((block, layer) => {
        const past = cache[layer];
        if (past === undefined) throw new RangeError(`toy: the cache has no layer ${layer}`);
        const mask = { causal: true, start };
        const done = run(block, x, positions, mask, ({ k, v }) => ({
          k: dynamicUpdate(past.k, 1, start, k),
          v: dynamicUpdate(past.v, 1, start, v),
        }));
        x = done.x;
        return done.kv;
      });
      const end = count === undefined ? slice(x, 1, T - 1) : dynamicSlice(x, 1, sub(count, 1), 1);
      const last = reshape(end, [B, width]);
      return { logits: headLogits(head(params), rmsNorm(last, params.norm)), cache: next };
    },
  };
}

const NAME = "Toy";

/** The row. */
export const toy: Architecture<Rotary> = {
  modelType: "toy_rotary",
  name: NAME,
  classes: { languageModel: "ToyForCausalLM", rewardModel: "ToyForSequenceClassification" },
  make: rotary,
  readConfig: (settings) => {
    requireSettings(NAME, settings, { tie_word_embeddings: [false], rope_scaling: [null] });
    const size = (name: string) => numberSetting(NAME, settings, name);
    return {
      modelType: "toy_rotary",
      vocabulary: size("vocab_size"),
      context: size("max_position_embeddings"),
      layers: size("num_hidden_layers"),
      heads: size("num_attention_heads"),
      width: size("hidden_size"),
      theta: size("rope_theta"),
    };
  },
  writeConfig: ({ vocabulary, context, layers, heads, width, theta }) => ({
    vocab_size: vocabulary,
    max_position_embeddings: context,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    hidden_size: width,
    rope_theta: theta,
    tie_word_embeddings: false,
  }),
  tensors: {
    prefix: "model.",
    nameOf: (path) => {
      const name = dottedPath(path);
      return name === "lm_head.weight" ? name : `model.${name}`;
    },
    isBuffer: (name) => name.endsWith(".inv_freq"),
    tied: () => ({}),
  },
  projections: {
    names: ["q", "k", "v", "o", "up", "down"],
    layout: "out-in",
    usual: ["q", "v"],
  },
  sizes: ({ vocabulary, context, layers, heads, width, theta }) => ({
    ...{ vocabulary, context, layers, heads, width, theta },
  }),
  presets: {
    "toy-tiny": {
      modelType: "toy_rotary",
      ...{ context: 10, layers: 2, heads: 2, width: 8, theta: 100 },
    },
  },
};
