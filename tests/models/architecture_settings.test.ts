/** The settings of `config.json` that each architecture reads, and those that it refuses by name. */
import { assertEquals, assertThrows } from "@std/assert";
import { architectureOf, CheckpointError, type ModelSettings } from "@unitune/models";

/** Settings that every architecture of the table reads. */
const common: ModelSettings = {
  vocab_size: 11,
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  max_position_embeddings: 16,
};

const llamas = ["llama", "mistral", "qwen2", "qwen3"];
const gemmas = ["gemma2", "gemma3_text"];
const gated = [...llamas, ...gemmas];
const all = [...gated, "gpt_neox"];
/** Those in which all layers have the same positions. */
const shared = [...llamas, "gemma2", "gpt_neox"];
const read = (modelType: string, settings: ModelSettings) =>
  architectureOf(modelType).readConfig({ ...common, ...settings });

type Refusal = readonly [modelTypes: readonly string[], settings: ModelSettings, message: string];

const yarn = { rope_type: "yarn", factor: 2 };

const refused: Readonly<Record<string, Refusal>> = {
  "an activation that is not there": [
    [...llamas, "gpt_neox"],
    { hidden_act: "relu" },
    'hidden_act is "relu", expected "silu" or "swish" or "gelu"',
  ],
  "another activation of Gemma": [
    gemmas,
    { hidden_activation: "quick_gelu" },
    'hidden_activation is "quick_gelu", expected',
  ],
  "attention to later tokens": [
    gemmas,
    { use_bidirectional_attention: true },
    "use_bidirectional_attention is true",
  ],
  "bounds of scores that transformers leaves out": [
    ["gemma3_text"],
    { attn_logit_softcapping: 50 },
    "attn_logit_softcapping is 50, expected null",
  ],
  "positions that are not apart for the kinds of layers": [
    ["gemma3_text"],
    { rope_parameters: { rope_theta: 5 } },
    "rope_parameters.rope_theta is 5, expected settings for each of full_attention and",
  ],
  "scaled positions of layers with a window": [
    ["gemma3_text"],
    { rope_parameters: { sliding_attention: { rope_type: "linear", factor: 2 } } },
    'rope_parameters.sliding_attention.rope_type is "linear", expected "default"',
  ],
  "layers with a window, and no window": [
    gemmas,
    { sliding_window: null },
    "sliding_window is null, expected a number",
  ],
  "dropout of the residual stream": [["gpt_neox"], { hidden_dropout: 0.1 }, "hidden_dropout is"],
  "dropout of attention": [all, { attention_dropout: 0.1 }, "attention_dropout is 0.1"],
  "quantized weights": [
    all,
    { quantization_config: { bits: 4 } },
    'quantization_config is {"bits":4}',
  ],
  "positions of some elements": [gated, { partial_rotary_factor: 0.5 }, "partial_rotary_factor is"],
  "positions of some elements, in rope_parameters": [
    [...llamas, "gemma2"],
    { rope_parameters: { partial_rotary_factor: 0.5 } },
    "partial_rotary_factor is 0.5, expected 1",
  ],
  "dynamic positions": [
    all,
    { rope_scaling: { type: "dynamic", factor: 2 } },
    'rope_scaling.rope_type is "dynamic", expected "default" or "linear" or "llama3" or "yarn"',
  ],
  "long positions": [
    shared,
    { rope_parameters: { rope_type: "longrope" } },
    'rope_parameters.rope_type is "longrope"',
  ],
  "scaled positions without a factor": [
    all,
    { rope_scaling: { rope_type: "linear" } },
    "rope_scaling.factor is missing, expected a number",
  ],
  "an unknown setting of positions": [
    all,
    { rope_scaling: { ...yarn, mrope_section: [1, 2] } },
    "rope_scaling.mrope_section is [1,2]",
  ],
  "a setting of other positions": [
    all,
    { rope_scaling: { rope_type: "linear", factor: 2, beta_fast: 8 } },
    "rope_scaling.beta_fast is 8",
  ],
  "positions that are no object": [all, { rope_scaling: "linear" }, 'rope_scaling is "linear"'],
  "a base that is no number": [gated, { rope_theta: "1e6" }, 'rope_theta is "1e6"'],
  "a tied head that is no truth value": [
    all,
    { tie_word_embeddings: 1 },
    "tie_word_embeddings is 1",
  ],
  "no width": [all, { hidden_size: undefined }, "hidden_size is missing"],
  "biases that are no truth value": [["llama"], { mlp_bias: "yes" }, 'mlp_bias is "yes"'],
  "kinds of layers": [["mistral"], { layer_types: ["full_attention"] }, "layer_types is"],
  "positions of neighbouring elements": [
    ["llama"],
    { rope_interleaved: true },
    "rope_interleaved is true, expected false",
  ],
  "multimodal positions": [["qwen2"], { use_mrope: true }, "use_mrope is true, expected false"],
  "an unknown kind of layer": [
    ["qwen2", "qwen3"],
    { layer_types: Array.from({ length: 4 }, () => "chunked_attention") },
    "layer_types is",
  ],
  "kinds of too few layers": [
    ["qwen2", "qwen3"],
    { layer_types: ["full_attention"] },
    'layer_types is ["full_attention"], expected a list of 4 names',
  ],
  "windows that are off": [
    ["qwen2", "qwen3"],
    { layer_types: Array.from({ length: 4 }, () => "sliding_attention") },
    "use_sliding_window is missing, expected true",
  ],
  "windows without a size": [
    ["qwen2", "qwen3"],
    {
      layer_types: Array.from({ length: 4 }, () => "sliding_attention"),
      use_sliding_window: true,
      sliding_window: null,
    },
    "sliding_window is null, expected a number",
  ],
};

for (const [name, [modelTypes, settings, message]] of Object.entries(refused)) {
  Deno.test(`settings with ${name} are refused by name`, () => {
    for (const modelType of modelTypes) {
      assertThrows(() => read(modelType, settings), CheckpointError, message, modelType);
    }
  });
}

const impossible: Readonly<Record<string, readonly [settings: ModelSettings, message: string]>> = {
  "heads of keys that do not divide those of queries": [
    { num_key_value_heads: 3 },
    "4 heads of queries do not divide into groups for 3 heads",
  ],
  "a window of no token": [
    { sliding_window: 0, use_sliding_window: true, max_window_layers: 0 },
    "window is 0, expected a positive integer or null",
  ],
  "heads of odd width": [{ head_dim: 3 }, "headWidth is 3, expected an even number"],
  "no layers": [{ num_hidden_layers: 0 }, "layers is 0"],
  "absurdly many layers": [{ num_hidden_layers: 1e6 }, "layers is 1000000"],
  "a negative epsilon": [{ rms_norm_eps: -1 }, "epsilon is -1, expected a number above 0"],
};

for (const [name, [settings, message]] of Object.entries(impossible)) {
  Deno.test(`no gated decoder has ${name}`, () => {
    for (const modelType of gated) {
      if (modelType === "llama" && "sliding_window" in settings) continue;
      // Without layers there is no list of kinds, which is found first.
      const expected = /qwen|gemma/.test(modelType) && message === "layers is 0"
        ? "there are no layers"
        : message;
      assertThrows(() => read(modelType, settings), RangeError, expected, modelType);
    }
  });
}

const impossibleNeoX: Readonly<Record<string, readonly [ModelSettings, string]>> = {
  "heads that do not divide the width": [{ num_attention_heads: 3 }, "8 does not divide into 3"],
  "an odd number of rotated elements": [
    { num_attention_heads: 2, rotary_pct: 0.75 },
    "3 of 4 elements of a head are rotated, expected an even number",
  ],
  "no rotated elements": [{ rotary_pct: 0.25 }, "0 of 2 elements of a head are rotated"],
  "an epsilon of 0": [{ rotary_pct: 1, layer_norm_eps: 0 }, "epsilon is 0"],
  "a base of 0": [{ rotary_pct: 1, rotary_emb_base: 0 }, "base is 0, expected a number above 0"],
};

for (const [name, [settings, message]] of Object.entries(impossibleNeoX)) {
  Deno.test(`no GPT-NeoX has ${name}`, () => {
    assertThrows(() => read("gpt_neox", settings), RangeError, message);
  });
}

Deno.test("GPT-NeoX has its own names of base and share, and those in rope_parameters count", () => {
  const older = read("gpt_neox", { rotary_pct: 1, rotary_emb_base: 500 });
  const newer = { rope_theta: 500, partial_rotary_factor: 1 };
  assertEquals(read("gpt_neox", { rotary_pct: 0.25, rope_parameters: newer }), older);
});

Deno.test("Gemma 3 has positions for each kind of layer, under older and newer names", () => {
  const older = {
    sliding_window_pattern: 2,
    rope_theta: 500,
    rope_local_base_freq: 50,
    rope_scaling: { type: "linear", factor: 2 },
  };
  const newer = {
    layer_types: [1, 2, 1, 2].map((i) => i === 1 ? "sliding_attention" : "full_attention"),
    rope_parameters: {
      full_attention: { rope_type: "linear", factor: 2, rope_theta: 500 },
      sliding_attention: { rope_type: "default", rope_theta: 50 },
    },
  };
  assertEquals(read("gemma3_text", older), read("gemma3_text", newer));
});

/** Pairs of settings of Llama that mean the same. */
const equal: Readonly<Record<string, readonly [ModelSettings, ModelSettings]>> = {
  "the older and the newer names of positions": [
    { rope_theta: 500, rope_scaling: { type: "linear", factor: 2 } },
    { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 500 } },
  ],
  "older names beside the newer, which count": [
    { rope_scaling: { rope_type: "linear", factor: 2 }, rope_parameters: { rope_theta: 3 } },
    { rope_theta: 10_000, rope_scaling: { rope_type: "linear", factor: 2 } },
  ],
  "no scaling and one without effect": [{}, { rope_scaling: { rope_type: "default" } }],
  "the context of pretraining, which is the model's where it is not said": [
    { rope_scaling: yarn },
    { rope_scaling: { ...yarn, original_max_position_embeddings: 16 } },
  ],
  "the values of YaRN's paper, and none": [
    { rope_scaling: { ...yarn, beta_fast: 32, beta_slow: 1, truncate: true } },
    { rope_scaling: { ...yarn, attention_factor: 0.1 * Math.log(2) + 1 } },
  ],
  "DeepSeek's two magnitudes of YaRN that are equal, and a factor of 1": [
    { rope_scaling: { ...yarn, mscale: 0.7, mscale_all_dim: 0.7 } },
    { rope_scaling: { ...yarn, attention_factor: 1 } },
  ],
  "null and a missing setting": [{ head_dim: null, rope_scaling: null, hidden_act: null }, {}],
  "as many heads of keys as of queries, and none said": [{ num_key_value_heads: 4 }, {}],
  "the names of one activation": [{ hidden_act: "gelu_new" }, { hidden_act: "gelu_pytorch_tanh" }],
};

for (const [name, [one, other]] of Object.entries(equal)) {
  Deno.test(`the same model is read from ${name}`, () => {
    assertEquals(read("llama", one), read("llama", other));
  });
}

Deno.test("Qwen's windows begin behind max_window_layers, where they are on", () => {
  const settings = { max_window_layers: 3, sliding_window: 5 };
  const windows = (settings: ModelSettings) => {
    const config = architectureOf("qwen3").readConfig({ ...common, ...settings });
    return architectureOf("qwen3").writeConfig(config);
  };
  assertEquals(windows(settings).sliding_window, null);
  const { layer_types, sliding_window } = windows({ ...settings, use_sliding_window: true });
  assertEquals([layer_types, sliding_window], [
    ["full_attention", "full_attention", "full_attention", "sliding_attention"],
    5,
  ]);
});
