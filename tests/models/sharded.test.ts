/** Checkpoints whose weights are in several files, and files that are not read. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  decodeSafetensors,
  encodeSafetensors,
  key,
  leafPaths,
  type RawTensor,
  SafetensorsError,
  tensor,
} from "@unitune/core";
import {
  CheckpointError,
  encodeCheckpoint,
  filesSource,
  gpt,
  readCheckpoint,
} from "@unitune/models";

type Files = ReadonlyMap<string, Uint8Array>;

const model = gpt({ vocabulary: 7, context: 6, layers: 2, heads: 2, width: 8, dropout: 0 });
const params = model.init(key(0));
const whole = await encodeCheckpoint({ model, params });
const all = [...decodeSafetensors(whole.get("model.safetensors") ?? new Uint8Array()).tensors];
const INDEX = "model.safetensors.index.json";
const nameOf = (shard: number) => `model-0000${shard + 1}-of-00003.safetensors`;

const jsonBytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** The same model, every third tensor in one of three files. */
function sharded(
  change: (map: Record<string, string>) => void = () => {},
): Map<string, Uint8Array> {
  const map = Object.fromEntries(all.map(([name], i) => [name, nameOf(i % 3)]));
  change(map);
  const shards = [0, 1, 2].map((shard) => {
    const own: [string, RawTensor][] = all.filter((_, i) => i % 3 === shard);
    return [nameOf(shard), encodeSafetensors(new Map(own), { format: "pt" })] as const;
  });
  const config = whole.get("config.json") ?? new Uint8Array();
  return new Map([
    ["config.json", config],
    [INDEX, jsonBytes({ metadata: { total_size: 1 }, weight_map: map })],
    ...shards,
  ]);
}

Deno.test("a model in three files is the model in one, and each byte is read once", async () => {
  const files = sharded();
  const source = filesSource(files);
  const read: string[] = [];
  const told: [number, number][] = [];
  const found = await readCheckpoint({
    ...source,
    read(name, begin, end) {
      read.push(`${name} ${begin} ${end}`);
      return source.read(name, begin, end);
    },
  }, { tell: (bytes, total) => told.push([bytes, total]) });
  const expected = leafPaths(params);
  assertEquals(found.model.config, model.config);
  for (const [path, leaf] of leafPaths(found.params)) {
    assertEquals(await leaf.data(), await expected.get(path)?.data(), path);
  }
  assertEquals(new Set(read).size, read.length);
  const total = all.reduce((sum, [, { data }]) => sum + data.length, 0);
  assertEquals(told.length, all.length);
  assertEquals(told.at(-1), [total, total]);
});

Deno.test("each tensor is placed as soon as it was read, by its name", async () => {
  const placed: string[] = [];
  await readCheckpoint(filesSource(sharded()), {
    place({ data, dtype, shape }, name) {
      placed.push(name);
      return tensor(data, { dtype, shape });
    },
  });
  assertEquals(
    placed.toSorted(),
    all.map(([name]) => name.replace("transformer.", "")).toSorted(),
  );
});

const [first = ""] = all.map(([name]) => name);

/** The files of the sharded model with a change. */
const changed = (change: (files: Map<string, Uint8Array>) => void): Files => {
  const files = sharded();
  change(files);
  return files;
};

const refused: Readonly<Record<string, readonly [Files, string]>> = {
  "a missing shard": [
    changed((files) => files.delete(nameOf(1))),
    `${nameOf(1)} is missing, which ${INDEX} names: download all files`,
  ],
  "a truncated shard": [
    changed((files) =>
      files.set(nameOf(1), (files.get(nameOf(1)) ?? new Uint8Array()).slice(0, -8))
    ),
    `${nameOf(1)}: tensor`,
  ],
  "a shard that ends in its header": [
    changed((files) =>
      files.set(nameOf(1), (files.get(nameOf(1)) ?? new Uint8Array()).slice(0, 20))
    ),
    `${nameOf(1)}: truncated: the header claims`,
  ],
  "an empty shard": [
    changed((files) => files.set(nameOf(1), new Uint8Array())),
    `${nameOf(1)}: truncated: 0 bytes`,
  ],
  "an index that names no file": [
    changed((files) => files.set(INDEX, jsonBytes({ weight_map: {} }))),
    `${INDEX} names no file`,
  ],
  "an index without a map": [
    changed((files) => files.set(INDEX, jsonBytes({}))),
    `${INDEX} has no "weight_map"`,
  ],
  "an index that is no JSON": [
    changed((files) => files.set(INDEX, new Uint8Array([123]))),
    `${INDEX} is not JSON`,
  ],
  "an index that leaves the folder": [
    sharded((map) => map[first] = "../other.safetensors"),
    `${INDEX} names ../other.safetensors as the file of ${first}, expected a .safetensors file`,
  ],
  "an index that says another file": [
    sharded((map) => map[first] = nameOf(2)),
    `${nameOf(0)} holds ${first}, and ${INDEX} says that ${nameOf(2)} does`,
  ],
  "an index that does not know a tensor": [
    sharded((map) => delete map[first]),
    `${nameOf(0)} holds ${first}, which ${INDEX} does not name`,
  ],
  "an index with a tensor that is nowhere": [
    sharded((map) => map.nowhere = nameOf(0)),
    `${nameOf(0)} does not hold nowhere`,
  ],
  "pickled weights": [
    new Map(
      [...whole].flatMap(([name, bytes]) =>
        [name === "model.safetensors" ? "pytorch_model.bin" : name].map((own) =>
          [own, bytes] as const
        )
      ),
    ),
    "model.safetensors is missing, and pytorch_model.bin may run code when it is read",
  ],
  "weights of llama.cpp": [
    new Map([["config.json", whole.get("config.json") ?? new Uint8Array()], [
      "model.Q4.gguf",
      new Uint8Array(8),
    ]]),
    "model.Q4.gguf is llama.cpp's format",
  ],
};

for (const [name, [files, message]] of Object.entries(refused)) {
  Deno.test(`refused: ${name}`, async () => {
    const error = await assertRejects(() => readCheckpoint(filesSource(files)), Error, message);
    assertEquals(error instanceof CheckpointError || error instanceof SafetensorsError, true);
  });
}

Deno.test("a file that shrinks while it is read is noticed", async () => {
  const source = filesSource(whole);
  await assertRejects(
    () =>
      readCheckpoint({
        ...source,
        read: async (name, begin, end) => {
          const bytes = await source.read(name, begin, end);
          return begin > 8 ? bytes.slice(0, -1) : bytes;
        },
      }),
    CheckpointError,
    "model.safetensors has become shorter",
  );
});
