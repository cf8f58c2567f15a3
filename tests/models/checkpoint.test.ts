import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  abridged,
  decodeSafetensors,
  encodeSafetensors,
  evaluate,
  key,
  leafPaths,
  type RawTensor,
  SafetensorsError,
  type Tensor,
  tensor,
} from "@unitune/core";
import {
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
  gpt,
  gpt2,
  initGpt,
} from "@unitune/models";
import fc from "fast-check";
import { sineParameters, tinyConfig } from "./tiny.ts";

const params = evaluate(sineParameters(tinyConfig));
const model = gpt(tinyConfig);
const files = await encodeCheckpoint({ model, params }, { bos: 3, eos: 1 });

type Files = Map<string, Uint8Array>;
type Tensors = Map<string, RawTensor>;

function settingsOf(files: ReadonlyMap<string, Uint8Array>): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(files.get("config.json")));
}

function tensorsOf(files: ReadonlyMap<string, Uint8Array>): Tensors {
  return new Map(decodeSafetensors(files.get("model.safetensors") ?? new Uint8Array()).tensors);
}

function withSettings(change: Record<string, unknown>): Files {
  const json = JSON.stringify({ ...settingsOf(files), ...change });
  return new Map([...files, ["config.json", new TextEncoder().encode(json)]]);
}

function withTensors(change: (tensors: Tensors) => Tensors | void): Files {
  const tensors = tensorsOf(files);
  return new Map([
    ...files,
    ["model.safetensors", encodeSafetensors(change(tensors) ?? tensors)],
  ]);
}

async function elementsByPath(tree: unknown) {
  const entries = [...leafPaths(tree)].map(async ([path, leaf]: [string, Tensor]) =>
    [path, [leaf.dtype, leaf.shape, await leaf.data()]] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}

const elements = await elementsByPath(params);

Deno.test("config.json is written as transformers writes it: by two spaces, a line for each setting", () => {
  const [first, second] = new TextDecoder().decode(files.get("config.json")).split("\n");
  assertEquals([first, second], ["{", '  "architectures": [']);
});

Deno.test("config.json has the settings that other tools read", () => {
  assertEquals(settingsOf(files), {
    architectures: ["GPT2LMHeadModel"],
    model_type: "gpt2",
    vocab_size: 7,
    n_positions: 6,
    n_embd: 8,
    n_layer: 2,
    n_head: 2,
    embd_pdrop: 0,
    attn_pdrop: 0,
    resid_pdrop: 0,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
    scale_attn_weights: true,
    scale_attn_by_inverse_layer_idx: false,
    add_cross_attention: false,
    bos_token_id: 3,
    eos_token_id: 1,
    dtype: "float32",
    torch_dtype: "float32",
  });
});

Deno.test("model.safetensors has GPT-2's names, shapes and types", () => {
  const block = (layer: number): [string, number[]][] =>
    ([
      ["ln_1.weight", [8]],
      ["ln_1.bias", [8]],
      ["attn.c_attn.weight", [8, 24]],
      ["attn.c_attn.bias", [24]],
      ["attn.c_proj.weight", [8, 8]],
      ["attn.c_proj.bias", [8]],
      ["ln_2.weight", [8]],
      ["ln_2.bias", [8]],
      ["mlp.c_fc.weight", [8, 32]],
      ["mlp.c_fc.bias", [32]],
      ["mlp.c_proj.weight", [32, 8]],
      ["mlp.c_proj.bias", [8]],
    ] satisfies [string, number[]][]).map(([name, shape]) => [`h.${layer}.${name}`, shape]);
  const expected: [string, number[]][] = [
    ["wte.weight", [7, 8]],
    ["wpe.weight", [6, 8]],
    ...block(0),
    ...block(1),
    ["ln_f.weight", [8]],
    ["ln_f.bias", [8]],
  ];
  const { tensors, metadata } = decodeSafetensors(
    files.get("model.safetensors") ?? new Uint8Array(),
  );
  assertEquals(metadata, { format: "pt" });
  assertEquals(
    Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, [dtype, shape]])),
    Object.fromEntries(expected.map(([name, shape]) => [`transformer.${name}`, ["F32", shape]])),
  );
});

Deno.test("what is saved is what is restored, to the bit", async () => {
  const restored = await decodeCheckpoint(files);
  assertEquals(restored.model.config, model.config);
  assertEquals(restored.tokens, { bos: 3, eos: 1 });
  assertEquals(await elementsByPath(restored.params), elements);
  assertEquals(await encodeCheckpoint(restored, restored.tokens), files);
});

Deno.test("the token that fills rows up is where other tools look for it", async () => {
  // Without it, transformers refuses batches for a model with a head of one number.
  const padded = await encodeCheckpoint({ model, params }, { eos: 1, pad: 0 });
  assertEquals(settingsOf(padded).pad_token_id, 0);
  assertEquals((await decodeCheckpoint(padded)).tokens, { eos: 1, pad: 0 });
});

Deno.test("of many files or long names, as many are named as a line holds", async () => {
  const many = new Map(["a", "b"].map((letter) => [letter.repeat(150), new Uint8Array()]));
  const names = abridged([...many.keys()].join(", "), 200);
  assert(names.length < 240);
  await assertRejects(
    () => decodeCheckpoint(many),
    CheckpointError,
    `config.json is missing; the files are: ${names}`,
  );
});

Deno.test("a model without such tokens has none after restoring", async () => {
  const bare = await decodeCheckpoint(await encodeCheckpoint({ model, params }));
  assertEquals(bare.tokens, {});
});

const accepted: Record<string, Files> = {
  "no prefix": withTensors((tensors) =>
    new Map([...tensors].map(([name, raw]) => [name.replace("transformer.", ""), raw]))
  ),
  "the tied head written out": withTensors((tensors) => {
    const embedding = tensors.get("transformer.wte.weight");
    assert(embedding !== undefined);
    tensors.set("lm_head.weight", embedding);
  }),
  "mask buffers": withTensors((tensors) => {
    const mask: RawTensor = { dtype: "U8", shape: [1, 1, 2, 2], data: new Uint8Array(4) };
    tensors.set("transformer.h.0.attn.bias", mask);
    tensors.set("h.1.attn.masked_bias", { dtype: "F32", shape: [], data: new Uint8Array(4) });
  }),
  "the settings of the published config.json": withSettings({
    n_ctx: 6,
    n_inner: null,
    initializer_range: 0.02,
    summary_type: "cls_index",
    tie_word_embeddings: undefined,
    scale_attn_weights: undefined,
  }),
  "the hidden width that it has anyway": withSettings({ n_inner: 32 }),
  "another name of the same activation": withSettings({ activation_function: "gelu_pytorch_tanh" }),
};

for (const [name, variant] of Object.entries(accepted)) {
  Deno.test(`a checkpoint with ${name} is read`, async () => {
    assertEquals(await elementsByPath((await decodeCheckpoint(variant)).params), elements);
  });
}

Deno.test("bfloat16 and half precision are widened", async () => {
  const narrowed = (dtype: "BF16" | "F16", one: readonly number[]) =>
    withTensors((tensors) => {
      const shape = [8];
      const data = Uint8Array.from({ length: 16 }, (_, i) => one[i % 2] ?? 0);
      tensors.set("transformer.ln_f.weight", { dtype, shape, data });
    });
  for (const variant of [narrowed("BF16", [0x80, 0x3f]), narrowed("F16", [0x00, 0x3c])]) {
    const { weight } = (await decodeCheckpoint(variant, [gpt2])).params.ln_f;
    assertEquals(weight.dtype, "f32");
    assertEquals(weight.cell.value, { kind: "host", data: new Float32Array(8).fill(1) });
  }
});

function replaced(name: string, raw: Partial<RawTensor>): Files {
  return withTensors((tensors) => {
    const old = tensors.get(name);
    assert(old !== undefined);
    tensors.set(name, { ...old, ...raw });
  });
}

function without(name: string): Files {
  return new Map([...files].filter(([file]) => file !== name));
}

const refused: Record<string, readonly [files: Files, message: string]> = {
  "no config.json": [
    without("config.json"),
    "config.json is missing; the files are: generation_config.json, model.",
  ],
  "no model.safetensors": [without("model.safetensors"), "model.safetensors is missing"],
  "config.json that is no JSON": [
    new Map([...files, ["config.json", new Uint8Array([123])]]),
    "config.json is not JSON",
  ],
  "config.json that is a list": [
    new Map([...files, ["config.json", new TextEncoder().encode("[]")]]),
    "config.json is not an object",
  ],
  "another architecture": [
    withSettings({ model_type: "mamba" }),
    `model_type is "mamba"; the architectures that can be read are "gpt2" (GPT-2)`,
  ],
  "no architecture": [withSettings({ model_type: undefined }), "model_type is missing; the "],
  "another activation": [
    withSettings({ activation_function: "relu" }),
    `activation_function is "relu", expected "gelu_new" or "gelu_pytorch_tanh"`,
  ],
  "another epsilon": [withSettings({ layer_norm_epsilon: 1e-6 }), "layer_norm_epsilon is 0.000001"],
  "another hidden width": [withSettings({ n_inner: 16 }), "n_inner is 16, expected null or 32"],
  "several dropouts": [withSettings({ attn_pdrop: 0.2 }), "embd_pdrop, attn_pdrop, resid_pdrop is"],
  "no width": [withSettings({ n_embd: undefined }), "n_embd is missing"],
  "text for a width": [withSettings({ n_embd: "8" }), `n_embd is "8"`],
  "heads that do not divide the width": [withSettings({ n_head: 3 }), "into 3 heads"],
  "absurdly many layers": [
    withSettings({ n_layer: 1e15 }),
    "layers is 1000000000000000, expected at most 512",
  ],
  "another vocabulary": [
    withSettings({ vocab_size: 9 }),
    "wte.weight is f32[7, 8], expected f32[9, 8]: the weights are not of the sizes in config",
  ],
  "absurd sizes": [withSettings({ n_positions: 2 ** 52 }), "wpe.weight is f32[6, 8], expected"],
  "a missing layer": [
    withSettings({ n_layer: 3 }),
    "missing h.2.attn.c_attn.bias, h.2.attn.c_attn.weight, h.2.attn.c_proj.bias, and 9 more",
  ],
  "a layer too many": [withSettings({ n_layer: 1 }), "unknown h.1.attn.c_attn.bias"],
  "another element type": [
    replaced("transformer.ln_f.bias", { dtype: "I32" }),
    "ln_f.bias is i32[8], expected f32[8]",
  ],
  "a transposed weight": [
    replaced("transformer.h.0.attn.c_attn.weight", { shape: [24, 8] }),
    "h.0.attn.c_attn.weight is f32[24, 8], expected f32[8, 24]",
  ],
  "a head of its own": [
    withTensors((tensors) => {
      const raw = tensors.get("transformer.wte.weight");
      assert(raw !== undefined);
      tensors.set("lm_head.weight", { ...raw, data: raw.data.map((byte) => byte ^ 1) });
    }),
    "lm_head.weight differs from wte.weight",
  ],
  "a name twice": [
    withTensors((tensors) => {
      tensors.set("ln_f.bias", { dtype: "F32", shape: [8], data: new Uint8Array(32) });
    }),
    "has ln_f.bias both with and without the prefix",
  ],
};

for (const [name, [variant, message]] of Object.entries(refused)) {
  Deno.test(`a checkpoint with ${name} is refused`, async () => {
    await assertRejects(() => decodeCheckpoint(variant), CheckpointError, message);
  });
}

Deno.test("damaged weights give an error that says so, or a model", async () => {
  const weights = files.get("model.safetensors") ?? new Uint8Array();
  const damage = fc.oneof(
    fc.nat(weights.length - 1).map((length) => weights.slice(0, length)),
    fc.tuple(fc.nat(3000), fc.nat(255)).map(([at, byte]) => weights.slice().fill(byte, at, at + 1)),
    fc.uint8Array({ maxLength: 64 }),
  );
  await fc.assert(fc.asyncProperty(damage, async (bytes) => {
    try {
      await decodeCheckpoint(new Map([...files, ["model.safetensors", bytes]]));
    } catch (error) {
      if (error instanceof CheckpointError) return;
      assertInstanceOf(error, SafetensorsError);
    }
  }));
});

Deno.test("parameters of other sizes than the configuration's are not saved", async () => {
  const other = initGpt(key(0), { ...tinyConfig, vocabulary: 9 });
  const error = await encodeCheckpoint({ model, params: other }).catch((error: unknown) => error);
  assertInstanceOf(error, CheckpointError);
  assertEquals(
    error.message,
    "wte.weight is f32[9, 8], expected f32[7, 8]: save parameters with their own configuration",
  );
});

Deno.test("NaN and infinite weights survive", async () => {
  const odd = new Float32Array([NaN, Infinity, -Infinity, -0, 1e-45, 1, 2, 3]);
  const spoiled = { ...params, ln_f: { ...params.ln_f, bias: tensor(odd) } };
  const saved = await encodeCheckpoint({ model, params: spoiled });
  const { bias } = (await decodeCheckpoint(saved, [gpt2])).params.ln_f;
  assertEquals(await bias.data(), odd);
});
