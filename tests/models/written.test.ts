/** The files of a model as they are written: in pieces, in several files, narrower, with settings kept. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  decodeSafetensors,
  type Device,
  fromRawTensor,
  key,
  leafPaths,
  leavesOf,
  reference,
  tensor,
  toRawTensor,
  uploaded,
} from "@unitune/core";
import {
  CheckpointError,
  checkpointFiles,
  contentBytes,
  contentPieces,
  encodeCheckpoint,
  encodeTree,
  type FileContent,
  filesSource,
  gpt,
  growVocabulary,
  languageModel,
  llama,
  presetConfig,
  readCheckpoint,
  readTreeFile,
  treeFile,
} from "@unitune/models";
import fc from "fast-check";
import { sineParameters, tinyConfig } from "./tiny.ts";

const model = gpt(tinyConfig);
const params = sineParameters(tinyConfig);

async function bytesOf(
  files: ReadonlyMap<string, FileContent>,
): Promise<Map<string, Uint8Array>> {
  const bytes = new Map<string, Uint8Array>();
  for (const [name, content] of files) bytes.set(name, await contentBytes(content));
  return bytes;
}

/** The object in a file of JSON. */
function objectOf(files: ReadonlyMap<string, FileContent>, name: string) {
  const text = files.get(name);
  assert(typeof text === "string");
  return JSON.parse(text);
}

async function elementsOf(tree: unknown): Promise<unknown> {
  const leaves = [...leafPaths(tree)];
  return Object.fromEntries(
    await Promise.all(leaves.map(async ([path, leaf]) => [path, await leaf.data()] as const)),
  );
}

const isShard = (name: string) => name.endsWith(".safetensors");

Deno.test("however the tensors are shared out over files, they are read to the bit", async () => {
  const expected = await elementsOf(params);
  const largest = leavesOf(params).map(({ shape }) => 4 * shape.reduce((a, b) => a * b, 1))
    .reduce((a, b) => Math.max(a, b));
  await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 10_000 }), async (maxShardBytes) => {
    const files = await bytesOf(checkpointFiles({ model, params }, { maxShardBytes }));
    const shards = [...files.keys()].filter(isShard);
    const count = String(shards.length).padStart(5, "0");
    assertEquals(
      shards,
      shards.length === 1
        ? ["model.safetensors"]
        : shards.map((_, i) => `model-${String(i + 1).padStart(5, "0")}-of-${count}.safetensors`),
    );
    let before = Infinity;
    for (const name of shards) {
      const { tensors } = decodeSafetensors(files.get(name) ?? new Uint8Array());
      const sizes = [...tensors.values()].map(({ data }) => data.length);
      const size = sizes.reduce((a, b) => a + b);
      assert(size <= maxShardBytes || (sizes.length === 1 && size <= largest));
      // The file before had no room for the first tensor of this one.
      assert(before + (sizes[0] ?? NaN) > maxShardBytes);
      before = size;
    }
    assertEquals(await elementsOf((await readCheckpoint(filesSource(files))).params), expected);
  }));
});

Deno.test("an index tells the file of each tensor, and the size of all", () => {
  const files = checkpointFiles({ model, params }, { maxShardBytes: 1000 });
  const { metadata, weight_map } = objectOf(files, "model.safetensors.index.json");
  const count = leavesOf(params).reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
  assertEquals(metadata, { total_parameters: count, total_size: 4 * count });
  assertEquals(
    Object.keys(weight_map),
    [...leafPaths(params).keys()].map((path) =>
      `transformer.${path.replaceAll(/\[(\d+)\]/g, ".$1")}`
    ),
  );
  assertEquals(new Set(Object.values(weight_map)), new Set([...files.keys()].filter(isShard)));
});

Deno.test("the size of a file is a number above 0", () => {
  for (const maxShardBytes of [0, -1, NaN]) {
    assertThrows(
      () => checkpointFiles({ model, params }, { maxShardBytes }),
      RangeError,
      `maxShardBytes is ${maxShardBytes}, expected a number above 0`,
    );
  }
});

Deno.test("weights that are written as bf16 are read as the nearest of its numbers", async () => {
  const content = checkpointFiles({ model, params }, { dtype: "bf16" });
  assertEquals(objectOf(content, "config.json").dtype, "bfloat16");
  const found = leafPaths((await readCheckpoint(filesSource(await bytesOf(content)))).params);
  for (const [path, leaf] of leafPaths(params)) {
    const { dtype, shape } = leaf;
    const rounded = fromRawTensor(toRawTensor({ dtype, shape, data: await leaf.data() }, "BF16"));
    assertEquals(await found.get(path)?.data(), rounded.data, path);
  }
});

/** A device that counts the buffers that are read. */
function counting(): { readonly device: Device; readonly reads: () => number } {
  const device = reference();
  let reads = 0;
  return {
    reads: () => reads,
    device: {
      ...device,
      upload(data, dtype) {
        const buffer = device.upload(data, dtype);
        return {
          dtype,
          size: buffer.size,
          isHeld: buffer.isHeld,
          dispose: () => buffer.dispose(),
          read() {
            reads++;
            return buffer.read();
          },
        };
      },
    },
  };
}

Deno.test("a tensor is read from its device when its turn comes, and once", async () => {
  const { device, reads } = counting();
  const elements = [3, 1, 2].map((size) =>
    uploaded({ dtype: "f32", shape: [size], data: new Float32Array(size).fill(size) }, device)
  );
  const content = treeFile(elements);
  assertEquals(reads(), 0);
  const counts: [number, number][] = [];
  for await (const piece of contentPieces(content)) counts.push([piece.length, reads()]);
  const [[header = 0] = [], ...others] = counts;
  assertEquals(others, [[12, 1], [4, 2], [8, 3]]);
  assertEquals(content.size, header + 24);
});

Deno.test("a large tensor is converted in pieces that are small", async () => {
  const large = tensor(Float32Array.from({ length: (1 << 20) + 3 }, (_, i) => i));
  const lengths: number[] = [];
  for await (const piece of contentPieces(treeFile([large]))) lengths.push(piece.length);
  assertEquals(lengths.slice(1), [1 << 22, 12]);
  const file = filesSource(new Map([["a", await encodeTree([large])]]));
  const [read] = await readTreeFile([large], file, "a");
  assertEquals(await read?.data(), await large.data());
});

Deno.test("a tree is read from a file tensor by tensor", async () => {
  const state = { step: tensor(7, { dtype: "i32" }), moments: [params.h[0]], name: "kept" };
  const bytes = await encodeTree(state);
  const source = filesSource(new Map([["state", bytes]]));
  let largest = 0;
  const found = await readTreeFile(state, {
    ...source,
    read(name, begin, end) {
      largest = Math.max(largest, end - begin);
      return source.read(name, begin, end);
    },
  }, "state");
  assertEquals(await elementsOf(found), await elementsOf(state));
  assertEquals(found.name, "kept");
  assert(largest < bytes.length / 2);
  await assertRejects(
    () => readTreeFile({ other: state.step }, source, "state"),
    CheckpointError,
    "missing other",
  );
});

Deno.test("pieces that are fewer or more than was said are an error", async () => {
  async function* pieces() {
    yield new Uint8Array(3);
  }
  for (const size of [2, 4]) {
    await assertRejects(
      () => contentBytes({ size, pieces }),
      RangeError,
      `the pieces of a file have 3 bytes, and its size is ${size}`,
    );
  }
});

Deno.test("files that go with a model are written as they are, its tokens in generation_config.json", () => {
  const files = new Map([
    ["tokenizer.json", "{}"],
    ["generation_config.json", JSON.stringify({ temperature: 0.6, eos_token_id: 9 })],
  ]);
  const written = checkpointFiles({ model, params }, { files, tokens: { eos: [1, 2], pad: 0 } });
  assertEquals([...written.keys()], [
    ...["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"],
  ]);
  assertEquals(written.get("tokenizer.json"), "{}");
  assertEquals(objectOf(written, "generation_config.json"), {
    temperature: 0.6,
    eos_token_id: [1, 2],
    pad_token_id: 0,
  });
  assertEquals(objectOf(written, "config.json").eos_token_id, [1, 2]);
});

Deno.test("a generation_config.json that is no object is refused", () => {
  for (const [text, message] of [["[]", "is not an object"], ["{", "is not JSON"]] as const) {
    const files = new Map([["generation_config.json", text]]);
    assertThrows(
      () => checkpointFiles({ model, params }, { files }),
      CheckpointError,
      `generation_config.json ${message}`,
    );
  }
});

Deno.test("a reward model has no settings of generation, and one label", () => {
  const score = { weight: tensor([new Array<number>(8).fill(0)]) };
  const settings = { ...model.config, id2label: { 0: "bad", 1: "good" }, num_labels: 2 };
  const base = objectOf(checkpointFiles({ model, params }), "config.json");
  const written = checkpointFiles({ model, params, score, settings: { ...base, ...settings } });
  assertEquals([...written.keys()], ["config.json", "model.safetensors"]);
  const { num_labels, id2label, architectures } = objectOf(written, "config.json");
  assertEquals([num_labels, id2label, architectures], [
    1,
    undefined,
    ["GPT2ForSequenceClassification"],
  ]);
});

/** A Llama as transformers 5 describes it: positions in `rope_parameters`. */
const newer = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  attention_bias: false,
  bos_token_id: 5,
  dtype: "bfloat16",
  eos_token_id: 2,
  hidden_act: "silu",
  hidden_size: 8,
  initializer_range: 0.25,
  intermediate_size: 12,
  max_position_embeddings: 16,
  num_attention_heads: 2,
  num_hidden_layers: 1,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-5,
  rope_parameters: { rope_type: "linear", rope_theta: 500, factor: 2 },
  tie_word_embeddings: true,
  transformers_version: "5.0.0",
  use_cache: true,
  vocab_size: 7,
  _name_or_path: "/home/somebody/model",
  auto_map: { AutoModel: "own.Model" },
};

const base = llama.make(llama.readConfig(newer));
const saved = { model: base, params: base.init(key(0)), settings: newer };

Deno.test("settings that a model was read with stay, in the newer and the older form", () => {
  const { _name_or_path: _path, auto_map: _map, transformers_version: _version, ...kept } = newer;
  const written = objectOf(checkpointFiles(saved), "config.json");
  assertEquals(written, {
    ...kept,
    // What transformers 4 reads.
    ...{ rope_theta: 500, rope_scaling: { rope_type: "linear", factor: 2 } },
    ...{ head_dim: 4, mlp_bias: false, attention_dropout: 0 },
    ...{ dtype: "float32", torch_dtype: "float32" },
  });
  assertEquals(llama.readConfig(written), base.config);
});

Deno.test("of the settings that a model was read with, those change that have changed", () => {
  const grown = growVocabulary(saved, 9);
  const files = checkpointFiles({ ...grown, settings: newer }, { tokens: { eos: [2, 8] } });
  const written = objectOf(files, "config.json");
  assertEquals(written.vocab_size, 9);
  assertEquals(written.initializer_range, 0.25);
  assertEquals([written.bos_token_id, written.eos_token_id], [5, [2, 8]]);
});

Deno.test("settings that would be read as another model do not stay", () => {
  // Its positions are no longer scaled, which rope_parameters would still say.
  const [{ rotary, ...kind }] = base.config.kinds;
  const plain = llama.make({
    ...base.config,
    kinds: [{ ...kind, rotary: { ...rotary, scaling: null } }],
  });
  const written = objectOf(checkpointFiles({ ...saved, model: plain }), "config.json");
  assertEquals(written.rope_parameters, undefined);
  assertEquals(llama.readConfig(written), plain.config);
});

Deno.test("a model that is read and written keeps the settings of its file", async () => {
  const files = await bytesOf(checkpointFiles(saved, { tokens: { eos: 2 } }));
  const read = await readCheckpoint(filesSource(files));
  assertEquals(read.settings.initializer_range, 0.25);
  assertEquals(await encodeCheckpoint(read, read.tokens), files);
  const nano = languageModel(presetConfig("nano-llama", { vocabulary: 7 }));
  const fresh = await encodeCheckpoint({ model: nano, params: nano.init(key(0)) });
  assert(!new TextDecoder().decode(fresh.get("config.json")).includes("initializer_range"));
});
