/** Damaged inputs of every kind, each from a seed and a number. */
import { integerFrom, type Random, randomStream } from "@unitune/training";
import { settingFlags } from "@unitune/cli";
import { encodeSafetensors, type RawDType, type RawTensor } from "@unitune/core";
import { damaged, jsonOf, mutated, pick } from "./mutations.ts";

/** The kinds of inputs; the position of one is the branch of its random numbers. */
export const kinds = ["safetensors", "data", "runs", "configurations"] as const;

/** A kind of input. */
export type Kind = typeof kinds[number];

/** The random numbers of one input. */
export function randomOf(kind: Kind, seed: number, number: number): Random {
  return randomStream(seed, kinds.indexOf(kind), number);
}

const rawDTypes: readonly RawDType[] = ["F32", "F16", "BF16", "I32", "U8", "BOOL", "F64", "I64"];
const itemSizes: Readonly<Record<string, number>> = {
  F32: 4,
  F16: 2,
  BF16: 2,
  I32: 4,
  F64: 8,
  I64: 8,
};

function tensors(random: Random): Map<string, RawTensor> {
  const names = ["wte.weight", "a", "__proto__", "h.0.ln_1.bias", "\x1b[2J", "0", "x".repeat(500)];
  return new Map(
    names.slice(0, integerFrom(random, 0, names.length)).map((name) => {
      const dtype = pick(random, rawDTypes);
      const shape = Array.from(
        { length: integerFrom(random, 0, 3) },
        () => integerFrom(random, 0, 3),
      );
      const size = shape.reduce((product, axis) => product * axis, itemSizes[dtype] ?? 1);
      return [name, { dtype, shape, data: new Uint8Array(size).fill(integerFrom(random, 0, 255)) }];
    }),
  );
}

/** A file with a header, whatever stands there. */
function withHeader(header: string, data: Uint8Array, claimed?: bigint): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

/** A safetensors file that is damaged as bytes, or has another header: `model` is one of a model. */
export function safetensorsInput(random: Random, model: Uint8Array): Uint8Array {
  const whole = random() < 0.5 ? model : encodeSafetensors(tensors(random), { format: "pt" });
  if (random() < 0.5) return damaged(random, whole);
  const length = Number(new DataView(whole.buffer, whole.byteOffset).getBigUint64(0, true));
  const header: unknown = JSON.parse(new TextDecoder().decode(whole.subarray(8, 8 + length)));
  const data = whole.subarray(8 + length);
  const claimed = random() < 0.1
    ? pick(random, [0n, 1n, 2n ** 64n - 1n, 2n ** 53n, 100_000_000n, 100_000_001n])
    : undefined;
  return withHeader(jsonOf(random, mutated(random, header)), data, claimed);
}

const rows: readonly (readonly unknown[])[] = [
  Array.from({ length: 12 }, (_, i) => ({ prompt: `say ${i}`, completion: `${i}` })),
  Array.from(
    { length: 12 },
    (_, i) => ({ prompt: `say ${i}`, chosen: `${i}`, rejected: `${i + 1}` }),
  ),
  Array.from({ length: 12 }, (_, i) => ({ prompt: `${i}`, completion: "ok", label: i % 2 === 0 })),
  Array.from({ length: 12 }, (_, i) => ({
    messages: [{ role: "user", content: `${i}` }, { role: "assistant", content: "yes" }],
  })),
  Array.from({ length: 12 }, (_, i) => ({
    messages: [
      { role: "developer", content: [{ type: "text", text: `${i}` }], name: "d" },
      { role: "assistant", content: null, tool_calls: [{ type: "function" }] },
      { role: "tool", content: "3", tool_call_id: "c" },
      { role: "assistant", content: "yes", reasoning_content: "hm" },
    ],
    tools: [{ type: "function" }],
    chat_template_kwargs: { level: i },
  })),
  Array.from({ length: 12 }, (_, i) => ({ text: `line ${i} of a text` })),
  Array.from({ length: 12 }, (_, i) => ({ prompt: `say ${i}`, gold: `${i}`, more: { a: [i] } })),
];

/** A data file, its ending, and an objective that may be able to read it. */
export interface DataInput {
  readonly ending: ".txt" | ".jsonl";
  readonly bytes: Uint8Array;
  readonly objective: string;
}

/** A damaged data file. */
export function dataInput(random: Random): DataInput {
  const objective = pick(random, [
    "sft",
    "dpo",
    "kto",
    "grpo",
    "ift",
    "reward-model",
    "online-dpo",
  ]);
  const encoder = new TextEncoder();
  if (random() < 0.15) {
    const bytes = damaged(random, encoder.encode("All happy families are alike.\n".repeat(20)));
    return { ending: ".txt", bytes, objective };
  }
  const own = pick(random, rows);
  const at = integerFrom(random, 0, own.length - 1);
  const lines = random() < 0.5
    ? own.map((row, i) => jsonOf(random, i === at ? mutated(random, row) : row))
    : own.map((row) => JSON.stringify(row));
  const text = lines.map((line) => `${line}${pick(random, ["\n", "\n", "\n", "\r\n"])}`).join("");
  const bytes = encoder.encode(text);
  return { ending: ".jsonl", bytes: random() < 0.6 ? damaged(random, bytes) : bytes, objective };
}

/** A configuration file and flags of `train`. */
export interface ConfigurationInput {
  readonly config: Uint8Array | undefined;
  /** The ending of the file's name: JSON is YAML as well. */
  readonly ending: "json" | "yaml";
  readonly flags: readonly string[];
}

/** Values of flags that nobody would give on purpose. */
const flagValues: readonly string[] = [
  ...[
    "0",
    "-1",
    "1",
    "2",
    "3",
    "0.5",
    "1e400",
    "NaN",
    "Infinity",
    "9007199254740991",
    "1e15",
    "1e-400",
  ],
  ...[
    "",
    " ",
    "a",
    "sft",
    "sft,dpo",
    "sft,,",
    ",",
    "a,b,c",
    "\x1b]0;t\x07",
    "\u202ex",
    "../..",
    "/dev/null",
  ],
  ...[
    "x".repeat(5000),
    "verifier",
    "100000",
    "20000",
    "1000000000",
    "[",
    "(a",
    "*",
    "%s",
    "--steps",
  ],
];

const configBase = {
  ...{ objective: "sft", steps: 1, "batch-size": 4, layers: 1, heads: 1, width: 16, context: 32 },
  ...{
    learning_rate: 1e-3,
    warmupSteps: 0,
    seed: 1,
    optimizer: "adamw",
    device: "wasm",
    examples: 20,
  },
  "logging-steps": 1,
};

/** A configuration that is damaged, or flags that make no sense, or both. */
export function configurationInput(random: Random): ConfigurationInput {
  const names = Object.keys(settingFlags());
  const flags = random() < 0.7
    ? Array.from({ length: integerFrom(random, 1, 3) }, () => {
      const name = random() < 0.9
        ? pick(random, names)
        : pick(random, ["stesp", "", "no-x", "__proto__"]);
      const value = pick(random, flagValues);
      return random() < 0.5 ? [`--${name}=${value}`] : [`--${name}`, value];
    }).flat()
    : [];
  if (flags.length > 0 && random() < 0.3) return { config: undefined, ending: "json", flags };
  const settings = random() < 0.2
    ? mutated(random, [configBase, { ...configBase, objective: "dpo" }])
    : mutated(random, configBase);
  const text = jsonOf(random, random() < 0.1 ? { settings, model: {}, data: {} } : settings);
  const bytes = new TextEncoder().encode(random() < 0.1 ? `\ufeff${text}` : text);
  const config = random() < 0.3 ? damaged(random, bytes) : bytes;
  return { config, ending: random() < 0.4 ? "yaml" : "json", flags };
}

/** What happens to one file or folder of a run. */
export interface RunDamage {
  /** The path in the run's folder. */
  readonly path: string;
  /** What is there afterwards: bytes, nothing, or something that is no file. */
  readonly becomes: Uint8Array | "nothing" | "folder" | "pipe" | "loop";
}

/** Damage to a run: `files` are those of a good one, by their paths. */
export function runDamage(
  random: Random,
  files: Readonly<Record<string, Uint8Array>>,
): readonly RunDamage[] {
  const paths = Object.keys(files);
  return Array.from({ length: pick(random, [1, 1, 1, 2]) }, (): RunDamage => {
    const path = pick(random, paths);
    const bytes = files[path] ?? new Uint8Array();
    const chance = random();
    if (chance < 0.12) {
      return { path, becomes: pick(random, ["nothing", "folder", "pipe", "loop"] as const) };
    }
    if (chance < 0.5 && /\.json$/.test(path)) {
      const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
      return { path, becomes: new TextEncoder().encode(jsonOf(random, mutated(random, value))) };
    }
    if (chance < 0.5 && /\.jsonl$/.test(path)) {
      const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
      const at = integerFrom(random, 0, lines.length - 1);
      const line: unknown = JSON.parse(lines[at] ?? "{}");
      const text = lines.with(at, jsonOf(random, mutated(random, line))).join("\n");
      return { path, becomes: new TextEncoder().encode(text) };
    }
    if (chance < 0.6 && /\.safetensors$/.test(path)) {
      return { path, becomes: safetensorsInput(random, bytes) };
    }
    return { path, becomes: damaged(random, bytes) };
  });
}
