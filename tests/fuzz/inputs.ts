/** Damaged inputs of every kind, each from a seed and a number. */
import { integerFrom, type Random, randomStream } from "@unitune/training";
import { settingFlags } from "@unitune/cli";
import { encodeSafetensors, type RawDType, type RawTensor } from "@unitune/core";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type FormName, rowForms } from "../../cli/data/forms/row_forms.ts";
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

const said = (role: string, content: string) => ({ role, content });

/** Rows of every form, by their number. */
const forms: Readonly<Record<FormName, readonly ((i: number) => Row)[]>> = {
  completions: [
    (i) => ({ prompt: `say ${i}`, completion: `${i}` }),
    (i) => ({ prompt: [said("user", `say ${i}`)], completion: [said("assistant", `${i}`)] }),
  ],
  pairs: [
    (i) => ({ prompt: `say ${i}`, chosen: `${i}`, rejected: `${i + 1}` }),
    (i) => ({
      prompt: [said("system", "be short"), said("user", `say ${i}`)],
      chosen: [said("assistant", `${i}`)],
      rejected: [said("assistant", `${i + 1}`)],
    }),
  ],
  "implicit-pairs": [
    (i) => ({ chosen: `say ${i}: ${i}`, rejected: `say ${i}: ${i + 1}` }),
    (i) => ({
      chosen: [said("user", `${i}`), said("assistant", `${i}`)],
      rejected: [said("user", `${i}`), said("assistant", `${i + 1}`)],
    }),
  ],
  triples: [(i) => ({ prompt: `${i}`, chosen: "ok", rejected: "no", reference: `${i}!` })],
  labels: [(i) => ({ prompt: `${i}`, completion: "ok", label: i % 2 === 0 })],
  scores: [(i) => ({ prompt: `say ${i}`, answers: [`${i}`, "no", "?"], scores: [2, 0.5, i] })],
  steps: [(i) => ({ prompt: `${i}`, completions: ["so", `${i}`], labels: [true, i % 2 === 0] })],
  messages: [
    (i) => ({ messages: [said("user", `${i}`), said("assistant", "yes")] }),
    (i) => ({
      messages: [
        { role: "developer", content: [{ type: "text", text: `${i}` }], name: "d" },
        { role: "assistant", content: null, tool_calls: [{ type: "function" }] },
        { role: "tool", content: "3", tool_call_id: "c" },
        { role: "assistant", content: "yes", reasoning_content: "hm" },
      ],
      tools: [{ type: "function" }],
      chat_template_kwargs: { level: i },
    }),
  ],
  conversations: [
    (i) => ({ conversations: [{ from: "human", value: `${i}` }, { from: "gpt", value: "yes" }] }),
  ],
  text: [(i) => ({ text: `line ${i} of a text` })],
  prompts: [(i) => ({ prompt: `say ${i}`, gold: `${i}`, more: { a: [i] } })],
  privileged: [(i) => ({ prompt: `say ${i}`, privileged_context: `${i}` })],
};

/** The objectives that learn from rows of each form. */
const readers: Readonly<Record<FormName, readonly string[]>> = {
  completions: ["sft", "grpo"],
  pairs: ["dpo", "reward-model", "kto", "sft"],
  "implicit-pairs": ["dpo", "reward-model"],
  triples: ["tpo", "dpo"],
  labels: ["kto", "sft"],
  scores: ["dpo", "kto"],
  steps: ["grpo"],
  messages: ["sft", "ift", "grpo"],
  conversations: ["sft", "ift"],
  text: ["sft", "ift"],
  prompts: ["grpo", "online-dpo"],
  privileged: ["grpo"],
};

/** All of those. */
const objectives = [...new Set(Object.values(readers).flat())];

/** The columns of a row. */
type Row = Readonly<Record<string, unknown>>;

/** Parquet files, which other tools have written. */
const parquetNames = ["snappy", "zstd", "gzip", "brotli", "none", "plain", "groups"];

/**
 * A good Parquet file.
 *
 * @param name Its name, one of those that lie beside the tests of readers.
 * @returns Its bytes.
 */
export function parquetFile(name: string): Uint8Array {
  return Deno.readFileSync(new URL(`../cli/data/tables/${name}.parquet`, import.meta.url));
}

/** A data file, its ending, and an objective that may be able to read it. */
export interface DataInput {
  readonly ending: string;
  readonly bytes: Uint8Array;
  readonly objective: string;
}

/** The rows of a table, whose cells are apart by a sign. */
function tableOf(random: Random, rows: readonly unknown[], separator: string): string {
  const columns = [
    ...new Set(rows.flatMap((row) => row instanceof Object ? Object.keys(row) : [])),
  ];
  const cellsOf = (row: unknown) =>
    columns.map((name) => row instanceof Object ? Reflect.get(row, name) : row);
  const cell = (value: unknown) => {
    const text = typeof value === "string" ? value : jsonOf(random, value ?? null);
    return `"${text.replaceAll('"', '""')}"`;
  };
  return [columns, ...rows.map(cellsOf)].map((cells) => cells.map(cell).join(separator))
    .join(pick(random, ["\n", "\r\n"]));
}

/** How rows are written, by the ending of a file's name. */
const writers: Readonly<Record<string, (random: Random, rows: readonly unknown[]) => string>> = {
  ".jsonl": (random, rows) =>
    rows.map((row) => `${jsonOf(random, row)}${pick(random, ["\n", "\n", "\n", "\r\n"])}`).join(""),
  ".json": (random, rows) => `[${rows.map((row) => jsonOf(random, row)).join(",\n")}]`,
  ".csv": (random, rows) => tableOf(random, rows, ","),
  ".tsv": (random, rows) => tableOf(random, rows, "\t"),
};

/** How files are packed, by the ending that is added to their names. */
const packers: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  ".gz": (bytes) => gzipSync(bytes),
  ".zst": (bytes) => zstdCompressSync(bytes),
};

/** A damaged data file. */
export function dataInput(random: Random): DataInput {
  const objectiveOf = (fitting: readonly string[]) =>
    pick(random, random() < 0.8 ? fitting : objectives);
  const encoder = new TextEncoder();
  const chance = random();
  if (chance < 0.1) {
    const bytes = damaged(random, encoder.encode("All happy families are alike.\n".repeat(20)));
    return { ending: ".txt", bytes, objective: objectiveOf(readers.text) };
  }
  if (chance < 0.2) {
    const whole = parquetFile(pick(random, parquetNames));
    const bytes = random() < 0.8 ? damaged(random, whole) : whole;
    return { ending: ".parquet", bytes, objective: objectiveOf(readers.messages) };
  }
  const { name: form } = pick(random, rowForms());
  const objective = objectiveOf(readers[form]);
  const row = pick(random, forms[form]);
  const whole = Array.from({ length: 12 }, (_, i): unknown => row(i));
  const at = integerFrom(random, 0, whole.length - 1);
  const own = random() < 0.5 ? whole.with(at, mutated(random, whole[at])) : whole;
  const [ending, write] = pick(random, Object.entries(writers));
  const text = encoder.encode(write(random, own));
  const bytes = random() < 0.5 ? damaged(random, text) : text;
  if (random() < 0.7) return { ending, bytes, objective };
  const [packing, pack] = pick(random, Object.entries(packers));
  const packed = pack(bytes);
  return {
    ending: ending + packing,
    bytes: random() < 0.5 ? damaged(random, packed) : packed,
    objective,
  };
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
  const names = Object.keys(settingFlags())
    .map((name) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  const flags = random() < 0.5
    ? Array.from({ length: integerFrom(random, 1, 3) }, () => {
      const name = random() < 0.9
        ? pick(random, names)
        : pick(random, ["stesp", "", "no-x", "__proto__"]);
      const value = pick(random, flagValues);
      return random() < 0.5 ? [`--${name}=${value}`] : [`--${name}`, value];
    }).flat()
    : [];
  if (flags.length > 0 && random() < 0.3) return { config: undefined, ending: "json", flags };
  const base = random() < 0.2 ? [configBase, { ...configBase, objective: "dpo" }] : configBase;
  const settings = random() < 0.7 ? mutated(random, base) : base;
  const whole = random() < 0.1 ? { settings, model: {}, data: {} } : settings;
  const ending = random() < 0.5 ? "yaml" : "json";
  // JSON is YAML as well.
  const isBlock = ending === "yaml" && random() < 0.8;
  const text = isBlock ? yamlOf(random, whole) : jsonOf(random, whole);
  const bytes = new TextEncoder().encode(random() < 0.1 ? `\ufeff${text}` : text);
  const config = random() < 0.3 ? damaged(random, bytes) : bytes;
  return { config, ending, flags };
}

/** Texts of YAML that mean something else than they look like. */
const oddYaml: readonly string[] = [
  ...["&a 1", "*a", "!!js/undefined x", "!!binary aGk=", "| \n  text", ">-\n  text", "? a\n: b"],
  ...["yes", "0o17", "0x1f", ".inf", ".nan", "~", "1_000", "12:30:45", "2026-11-28", "<<: *a"],
  ...["{a: 1", "[1, 2", "'open", "\t", "- a", "# note", "---", "...", "%YAML 1.2"],
];

/** Settings as blocks of YAML, some of which are written in odd ways. */
function yamlOf(random: Random, value: unknown): string {
  const linesOf = (own: unknown): readonly string[] =>
    typeof own === "object" && own !== null && !Array.isArray(own)
      ? Object.entries(own).map(([key, part]) => {
        const name = random() < 0.9 ? key : jsonOf(random, key);
        return `${name}: ${random() < 0.1 ? pick(random, oddYaml) : jsonOf(random, part)}`;
      })
      : [jsonOf(random, own)];
  if (!Array.isArray(value)) return linesOf(value).join("\n");
  return value.map((own) => `- ${linesOf(own).join("\n  ")}`).join("\n");
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
