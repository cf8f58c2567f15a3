/**
 * Settings and parameter counts of published models, written down without access to the hub. They
 * hold shapes, ties and biases to a number that does not come from this code; they check no weights.
 */
import { assertEquals } from "@std/assert";
import { architectureOf, countParameters, type ModelSettings } from "@unitune/models";

type Published = readonly [settings: ModelSettings & { model_type: string }, parameters: number];

const published: Readonly<Record<string, Published>> = {
  "SmolLM2-135M": [{
    model_type: "llama",
    vocab_size: 49_152,
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    max_position_embeddings: 8192,
    rope_theta: 100_000,
    rope_scaling: null,
    rope_interleaved: false,
    tie_word_embeddings: true,
    pretraining_tp: 1,
  }, 134_515_008],
  "TinyLlama-1.1B": [{
    model_type: "llama",
    vocab_size: 32_000,
    hidden_size: 2048,
    intermediate_size: 5632,
    num_hidden_layers: 22,
    num_attention_heads: 32,
    num_key_value_heads: 4,
    max_position_embeddings: 2048,
    tie_word_embeddings: false,
  }, 1_100_048_384],
  "Llama-3.2-1B": [{
    model_type: "llama",
    vocab_size: 128_256,
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    max_position_embeddings: 131_072,
    rope_theta: 500_000,
    rope_scaling: {
      factor: 32,
      high_freq_factor: 4,
      low_freq_factor: 1,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    },
    tie_word_embeddings: true,
  }, 1_235_814_400],
  "Mistral-7B-v0.1": [{
    model_type: "mistral",
    vocab_size: 32_000,
    hidden_size: 4096,
    intermediate_size: 14_336,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    max_position_embeddings: 32_768,
    sliding_window: 4096,
    tie_word_embeddings: false,
  }, 7_241_732_096],
  "Qwen2.5-0.5B": [{
    model_type: "qwen2",
    vocab_size: 151_936,
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    max_position_embeddings: 32_768,
    max_window_layers: 24,
    rope_theta: 1_000_000,
    sliding_window: 32_768,
    use_mrope: false,
    use_sliding_window: false,
    tie_word_embeddings: true,
  }, 494_032_768],
  "Qwen3-0.6B": [{
    model_type: "qwen3",
    vocab_size: 151_936,
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 40_960,
    rope_theta: 1_000_000,
    tie_word_embeddings: true,
  }, 596_049_920],
  "gemma-2-2b": [{
    model_type: "gemma2",
    vocab_size: 256_000,
    hidden_size: 2304,
    intermediate_size: 9216,
    num_hidden_layers: 26,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 256,
    max_position_embeddings: 8192,
    hidden_activation: "gelu_pytorch_tanh",
    query_pre_attn_scalar: 256,
    sliding_window: 4096,
  }, 2_614_341_888],
  "gemma-3-1b": [{
    model_type: "gemma3_text",
    vocab_size: 262_144,
    hidden_size: 1152,
    intermediate_size: 6912,
    num_hidden_layers: 26,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    head_dim: 256,
    max_position_embeddings: 32_768,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
    rope_scaling: null,
    sliding_window: 512,
    sliding_window_pattern: 6,
  }, 999_885_952],
  "pythia-70m": [{
    model_type: "gpt_neox",
    vocab_size: 50_304,
    hidden_size: 512,
    intermediate_size: 2048,
    num_hidden_layers: 6,
    num_attention_heads: 8,
    max_position_embeddings: 2048,
    rotary_pct: 0.25,
    rotary_emb_base: 10_000,
    tie_word_embeddings: false,
    use_parallel_residual: true,
  }, 70_426_624],
};

for (const [name, [settings, parameters]] of Object.entries(published)) {
  Deno.test(`${name} is read from its settings, and has its number of parameters`, () => {
    const row = architectureOf(settings.model_type);
    const config = row.readConfig(settings);
    assertEquals(countParameters(row.make(config)), parameters);
    assertEquals(row.readConfig(row.writeConfig(config)), config);
  });
}
