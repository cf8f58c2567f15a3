/** Adapters in the files of PEFT: what is written, and what is refused. */
import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import {
  decodeSafetensors,
  encodeSafetensors,
  foldKey,
  headLogits,
  key,
  mapTree,
  mul,
  normal,
  type RawTensor,
  tensor,
  toRawTensor,
} from "@unitune/core";
import {
  adapt,
  adapterBaseIn,
  adapterCard,
  type AdapterConfig,
  CheckpointError,
  encodeAdapter,
  filesSource,
  type LanguageModel,
  languageModel,
  mergeAdapter,
  presetConfig,
  readAdapter,
  withScore,
} from "@unitune/models";
import fc from "fast-check";

const SETTINGS = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const QUERY = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
const HEAD = "base_model.model.lm_head.weight";
const EMBEDDING = "base_model.model.model.embed_tokens.weight";
const SCORE = "base_model.model.score.weight";

const plain: AdapterConfig = {
  ...{ rank: 2, alpha: 4, dropout: 0.1, targets: ["q_proj"], saved: [] },
  ...{ isRankStabilized: false, hasMagnitudes: false },
};

/** A Llama of one block, heads of width 4, whose head is tied or not. */
function baseOf(tied: boolean, width = 16): { model: LanguageModel; params: unknown } {
  const sizes = { vocabulary: 11, width, heads: width / 4, layers: 1, context: 8 };
  const config = { ...presetConfig("nano-llama", sizes), tied };
  const model = languageModel(config);
  return { model, params: model.init(key(3)) };
}

const base = baseOf(false);
const tied = baseOf(true);

interface Written {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, RawTensor>>;
}

/** What is written of a new adapter of a base. */
async function written(
  own: { readonly model: LanguageModel; readonly params: unknown },
  config: Partial<AdapterConfig> = {},
  hasScore = false,
): Promise<Written> {
  const model = adapt(own, { ...plain, ...config });
  const params = model.init(key(1));
  const { score } = withScore(model, params);
  const files = await encodeAdapter({ model, params, ...hasScore && { score } }, {
    baseName: "someone/some-model",
    revision: "main",
  });
  return {
    settings: JSON.parse(new TextDecoder().decode(files.get(SETTINGS))),
    tensors: Object.fromEntries(
      decodeSafetensors(files.get(WEIGHTS) ?? new Uint8Array()).tensors,
    ),
  };
}

function sourceOf({ settings, tensors }: Written) {
  return filesSource(
    new Map([
      [SETTINGS, new TextEncoder().encode(JSON.stringify(settings))],
      [WEIGHTS, encodeSafetensors(new Map(Object.entries(tensors)), { format: "pt" })],
    ]),
  );
}

/** Settings of PEFT without effect here, with others in place of some. */
type Settings = Readonly<Record<string, unknown>>;

Deno.test("adapter_config.json has the settings of PEFT", async () => {
  const { settings } = await written(base);
  assertEquals(settings, {
    ...{ alpha_pattern: {}, auto_mapping: null, base_model_name_or_path: "someone/some-model" },
    ...{ bias: "none", ensure_weight_tying: false, fan_in_fan_out: false, inference_mode: true },
    ...{ init_lora_weights: true, lora_alpha: 4, lora_dropout: 0.1, modules_to_save: null },
    ...{ peft_type: "LORA", r: 2, rank_pattern: {}, revision: "main", target_modules: ["q_proj"] },
    ...{ task_type: "CAUSAL_LM", use_dora: false, use_rslora: false },
  });
  const whole = await written(base, { targets: "all-linear", saved: ["norm", "lm_head"] });
  assertEquals(
    whole.settings["target_modules"],
    ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
  );
  assertEquals(whole.settings["modules_to_save"], ["lm_head", "model.norm"]);
});

Deno.test("a tied embedding is saved with its copy in the head, by either name", async () => {
  for (const saved of [["embed_tokens"], ["lm_head"], ["embed_tokens", "lm_head"]]) {
    const { settings, tensors } = await written(tied, { saved });
    assertEquals(settings["modules_to_save"], ["model.embed_tokens", "lm_head"]);
    assertEquals(settings["ensure_weight_tying"], true);
    assertEquals(tensors[HEAD], tensors[EMBEDDING]);
    assert(tensors[HEAD] !== undefined);
  }
  // A model with a head of one number has no head of tokens.
  const judge = await written(tied, { saved: ["embed_tokens"] }, true);
  assertEquals(judge.settings["modules_to_save"], ["model.embed_tokens", "score"]);
  assertEquals([HEAD in judge.tensors, SCORE in judge.tensors], [false, true]);
  const { score } = await readAdapter(sourceOf(judge), tied);
  assertEquals(score?.weight.shape, [1, 16]);
});

Deno.test("targets are read as PEFT reads them", async () => {
  const own = await written(base, { targets: "all-linear" });
  const projections = async (settings: Settings) => {
    const read = await readAdapter(
      sourceOf({ ...own, settings: { ...own.settings, ...settings } }),
      base,
    );
    return [read.model.adapter.targets, read.model.targets.projections.length] as const;
  };
  assertEquals(await projections({ target_modules: "all-linear" }), ["all-linear", 7]);
  assertEquals(await projections({ target_modules: "ALL-LINEAR" }), ["all-linear", 7]);
  const names = ["self_attn.q_proj", "k_proj", "v_proj", "o_proj"];
  const rest = ["mlp.gate_proj", "mlp.up_proj", "down_proj"];
  assertEquals(
    await projections({ target_modules: [...names, ...rest, "c_attn"] }),
    [[...names, ...rest], 7],
  );
  // Modules to save are not changed as well.
  const { settings, tensors } = await written(base, { targets: ["k_proj"], saved: ["q_proj"] });
  const both = { ...settings, target_modules: ["q_proj", "k_proj"] };
  const { model } = await readAdapter(sourceOf({ settings: both, tensors }), base);
  assertEquals(model.adapter.targets, ["k_proj"]);
  // The file says what expressions match.
  for (const settings of [{ target_modules: ".*proj" }, { exclude_modules: ["x"] }]) {
    const [targets, count] = await projections(settings);
    assertEquals([targets.length, count], [7, 7]);
    assert(targets !== "all-linear" && targets.includes("model.layers.0.mlp.up_proj"));
  }
});

Deno.test("settings without effect are passed over", async () => {
  const own = await written(base);
  const settings = {
    ...{ peft_version: "0.21.0", loftq_config: {}, megatron_core: "megatron.core" },
    ...{ qalora_group_size: 16, velora_config: null, lora_bias: false, rank_pattern: {} },
    ...{ init_lora_weights: "gaussian", layers_pattern: "layers", auto_mapping: { a: "b" } },
    ...{ task_type: null, some_new_setting: false, fan_in_fan_out: true },
  };
  const read = await readAdapter(
    sourceOf({ ...own, settings: { ...own.settings, ...settings } }),
    base,
  );
  assertEquals(read.model.adapter, plain);
});

Deno.test("settings that change the result are refused by their name", async () => {
  const own = await written(base);
  const refused: readonly (readonly [Settings, string])[] = [
    [{ peft_type: "LOHA" }, 'peft_type is "LOHA", expected "LORA": no other adapter can be read'],
    [{ peft_type: undefined }, 'peft_type is missing, expected "LORA"'],
    [{ peft_type: null }, "peft_type is null"],
    [{ constructor: 1 }, "constructor is 1, expected none"],
    [{ bias: "all" }, 'bias is "all", expected "none"'],
    [{ lora_bias: true }, "lora_bias is true, expected none"],
    [{ init_lora_weights: "pissa" }, 'init_lora_weights is "pissa", expected true or false'],
    [{ rank_pattern: { q_proj: 4 } }, 'rank_pattern is {"q_proj":4}, expected none'],
    [{ alpha_pattern: { q_proj: 4 } }, "alpha_pattern is"],
    [{ layer_replication: [[0, 1]] }, "layer_replication is [[0,1]]"],
    [{ target_parameters: ["a"] }, "target_parameters is"],
    [{ trainable_token_indices: [1] }, "trainable_token_indices is [1]"],
    [{ alora_invocation_tokens: [1] }, "alora_invocation_tokens is [1]"],
    [{ use_qalora: true }, "use_qalora is true"],
    [{ some_new_setting: 3 }, "some_new_setting is 3, expected none"],
    [{ task_type: "TOKEN_CLS" }, 'task_type is "TOKEN_CLS", expected "CAUSAL_LM" or "SEQ_CLS"'],
    [{ task_type: "toString" }, 'task_type is "toString"'],
    [{ r: undefined }, "r is missing, expected a number"],
    [{ r: "8" }, 'r is "8", expected a number'],
    [{ r: 0 }, "rank is 0, expected a positive integer"],
    [{ lora_alpha: null }, "lora_alpha is null, expected a number"],
    [{ lora_dropout: "no" }, 'lora_dropout is "no", expected a number'],
    [{ use_dora: 1 }, "use_dora is 1, expected true or false"],
    [{ use_rslora: "yes" }, 'use_rslora is "yes", expected true or false'],
    [{ target_modules: 3 }, "target_modules is 3, expected a list of names"],
    [{ target_modules: null }, "target_modules is null, expected a list of names"],
    [{ target_modules: ["embed_tokens"] }, '"embed_tokens" is no projection of Llama'],
    [{ modules_to_save: "norm" }, 'modules_to_save is "norm", expected a list of names'],
    [{ modules_to_save: ["heads"] }, '"heads", to be saved, is no module of Llama'],
  ];
  for (const [settings, message] of refused) {
    const source = sourceOf({ ...own, settings: { ...own.settings, ...settings } });
    const error = await assertRejects(() => readAdapter(source, base), CheckpointError, message);
    assert(error.message.startsWith("adapter_config.json: "), error.message);
  }
});

Deno.test("tensors that are not those of the adapter are refused by their name", async () => {
  const own = await written(base);
  const { [QUERY]: query, ...others } = own.tensors;
  assert(query !== undefined);
  const whole = await written(base, { saved: ["norm"] });
  const embedding = await written(tied, { saved: ["embed_tokens"] });
  const { [HEAD]: head, ...withoutHead } = embedding.tensors;
  assert(head !== undefined);
  const zeros = toRawTensor({ dtype: "f32", shape: head.shape, data: new Float32Array(11 * 16) });
  const judge = await written(base, {}, true);
  const { [SCORE]: _, ...withoutScore } = judge.tensors;
  const taken = (settings: Settings) => ({ ...own.settings, ...settings });
  const refused: readonly (readonly [Partial<Written>, string, typeof base?])[] = [
    [{ tensors: others }, `missing ${QUERY}: the adapter is of another base`],
    [{ tensors: { ...others, other: query } }, `missing ${QUERY}; unknown other`],
    [{ settings: taken({ target_modules: ["q_proj", "v_proj"] }) }, "v_proj.lora_A.weight"],
    [{ settings: taken({ r: 3 }) }, `${QUERY} is f32[2, 16], expected f32[3, 16]`],
    [{ settings: taken({ use_dora: true }) }, "missing base_model.model.model.layers.0.self_attn"],
    [{ settings: taken({ modules_to_save: ["norm"] }) }, "missing base_model.model.model"],
    [{ tensors: whole.tensors }, "unknown base_model.model.model.norm.weight"],
    [{}, `${QUERY} is f32[2, 16], expected f32[2, 24]`, baseOf(false, 24)],
    [{ ...embedding, tensors: withoutHead }, `${EMBEDDING} is there without ${HEAD}`, tied],
    [
      { ...embedding, tensors: { ...withoutHead, [HEAD]: zeros } },
      `${EMBEDDING} is another than ${HEAD}, and the base's embedding and head are one: train`,
      tied,
    ],
    [{ ...judge, tensors: withoutScore }, `missing ${SCORE}`],
    [{ tensors: judge.tensors }, `unknown ${SCORE}`],
  ];
  for (const [change, message, on = base] of refused) {
    await assertRejects(
      () => readAdapter(sourceOf({ ...own, ...change }), on),
      CheckpointError,
      message,
    );
  }
});

Deno.test("files that are missing are named, and so is a base that is not", async () => {
  const { settings } = await written(base);
  const text = new TextEncoder().encode(JSON.stringify(settings));
  await assertRejects(
    () => readAdapter(filesSource(new Map()), base),
    CheckpointError,
    "adapter_config.json is missing",
  );
  await assertRejects(
    () => readAdapter(filesSource(new Map([[SETTINGS, text]])), base),
    CheckpointError,
    "adapter_model.safetensors is missing",
  );
  const pickled = new Map([[SETTINGS, text], ["adapter_model.bin", new Uint8Array(1)]]);
  await assertRejects(
    () => readAdapter(filesSource(pickled), base),
    CheckpointError,
    "adapter_model.bin may run code when it is read",
  );
  const named = await adapterBaseIn(filesSource(new Map([[SETTINGS, text]])));
  assertEquals(named, { baseName: "someone/some-model", revision: "main" });
  for (const name of [undefined, null, "", 3]) {
    const other = JSON.stringify({ base_model_name_or_path: name });
    await assertRejects(
      () => adapterBaseIn(filesSource(new Map([[SETTINGS, new TextEncoder().encode(other)]]))),
      CheckpointError,
      "base_model_name_or_path is",
    );
  }
});

Deno.test("a card has what the hub reads, and no folder where the hub wants a name", () => {
  const model = adapt(tied, {
    ...plain,
    ...{ targets: "all-linear", hasMagnitudes: true, isRankStabilized: true },
    saved: ["norm", "embed_tokens"],
  });
  const card = adapterCard({ model }, { baseName: "a/b", revision: "1", isOnHub: true });
  const [, front = "", text = ""] = card.split("---\n");
  assertEquals(front.split("\n"), [
    ...['base_model: "a/b"', "library_name: peft", "pipeline_tag: text-generation", "tags:"],
    ...['- "base_model:adapter:a/b"', "- lora", "- transformers", "- unitune", ""],
  ]);
  assert(
    text.includes(
      "A DoRA adapter of rank 2 with alpha 4 (rank-stabilized) on all projections of a/b, with " +
        "`norm` and `embed_tokens` trained as a whole. It",
    ),
  );
  assert(text.includes('AutoModelForCausalLM.from_pretrained("a/b", revision="1")\n'));
  const { score } = withScore(tied.model, tied.params);
  const judge = adapterCard({ model, score }, { baseName: './a"b', isOnHub: false });
  assertEquals(judge.split("---\n")[1]?.split("\n").slice(0, 3), [
    ...["library_name: peft", "pipeline_tag: text-classification", "tags:"],
  ]);
  assert(!judge.includes("base_model"));
  assert(judge.includes('Classification.from_pretrained("./a\\"b", num_labels=1)\n'));
});

/** Configurations of adapters of a Llama, most of which change and save something. */
const configurations: fc.Arbitrary<AdapterConfig> = fc.record({
  rank: fc.integer({ min: 1, max: 5 }),
  alpha: fc.integer({ min: 1, max: 9 }),
  dropout: fc.constantFrom(0, 0.5),
  targets: fc.oneof(
    fc.constant("all-linear" as const),
    fc.subarray(["q_proj", "self_attn.k_proj", "model.layers.0.mlp.up_proj", "down_proj"], {
      minLength: 1,
    }),
  ),
  isRankStabilized: fc.boolean(),
  hasMagnitudes: fc.boolean(),
  saved: fc.subarray(["v_proj", "norm", "embed_tokens", "lm_head", "post_attention_layernorm"]),
});

/** The logits of three tokens. */
async function logitsOf(model: LanguageModel, params: unknown): Promise<readonly number[]> {
  const embedded = model.embed(params, tensor([[1, 7, 3]], { dtype: "i32" }));
  const logits = headLogits(model.head(params), model.hidden(params, embedded));
  return Array.from(await logits.data());
}

Deno.test("any adapter comes back from its files to the bit, and merged predicts as it did", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), configurations, async (isTied, config) => {
      const base = isTied ? tied : baseOf(false);
      const model = adapt(base, config);
      const params = mapTree(
        model.init(key(1)),
        (leaf, path) => mul(normal(foldKey(key(2), path.length), leaf.shape), 0.5),
      );
      const files = await encodeAdapter({ model, params }, { baseName: "base" });
      const read = await readAdapter(filesSource(files), base);
      assertEquals(await encodeAdapter(read, { baseName: "base" }), files);
      const own = await logitsOf(model, params);
      assertEquals(await logitsOf(read.model, read.params), own);
      const merged = await logitsOf(base.model, mergeAdapter(model, params));
      // Logits of some units in f32, by products in another order.
      for (const [i, logit] of own.entries()) {
        assertLess(Math.abs(logit - (merged[i] ?? NaN)), 1e-4);
      }
    }),
    { numRuns: 25 },
  );
});
