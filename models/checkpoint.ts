/**
 * Checkpoints in the layout of Hugging Face's GPT-2, which other tools read: `config.json` and
 * `model.safetensors`, the tensors under GPT-2's names. Projections are `[in, out]` there as here.
 * Parameters with a head of one number are written as a GPT2ForSequenceClassification of one label.
 */
import {
  clipped,
  decodeSafetensors,
  encodeSafetensors,
  fromRawTensor,
  key,
  printable,
  quoted,
  type TensorData,
  toRawTensor,
} from "@unitune/core";
import { checkGptConfig, type GptConfig, gptSizes } from "./config.ts";
import { type GptParameters, initGpt } from "./gpt.ts";
import { LAYER_NORM_EPSILON } from "./layers.ts";
import { hasScore, type ScoringGptParameters, withScore } from "./scores.ts";
import { CheckpointError, fillTree, readTree } from "./tree_file.ts";

/** The tokens that begin, end and fill up a text, where a model has such. */
export interface TextTokens {
  /** Id of the token that begins a text. */
  readonly bos?: number;
  /** Id of the token that ends a text: the stop token. */
  readonly eos?: number;
  /** Id of the token that fills rows up, of which a head of one number reads nothing. */
  readonly pad?: number;
}

/** The contents of a checkpoint. */
export interface Checkpoint {
  /** The sizes. */
  readonly config: GptConfig;
  /** The parameters; see {@linkcode hasScore} for a head of one number. */
  readonly params: GptParameters | ScoringGptParameters;
  /** The tokens that begin, end and fill up a text. */
  readonly tokens: TextTokens;
}

const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
const PREFIX = "transformer.";
const HEAD = "lm_head.weight";
const SCORE = "score.weight";

/** The settings of `config.json` that hold sizes, by our names. */
const sizeSettings = {
  vocabulary: "vocab_size",
  context: "n_positions",
  width: "n_embd",
  layers: "n_layer",
  heads: "n_head",
} as const satisfies Record<typeof gptSizes[number], string>;

/** The settings that hold the dropout; here it is one number. */
const dropoutSettings = ["embd_pdrop", "attn_pdrop", "resid_pdrop"] as const;
const DEFAULT_DROPOUT = 0.1;

/** Settings that this architecture has one value of, under all its names; the first is written. */
const fixedSettings: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  activation_function: ["gelu_new", "gelu_pytorch_tanh"],
  layer_norm_epsilon: [LAYER_NORM_EPSILON],
  tie_word_embeddings: [true],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  add_cross_attention: [false],
};

/** Buffers that old files have beside the parameters: the causal mask. */
const MASK_BUFFER = /^h\.\d+\.attn\.(?:bias|masked_bias)$/;

/** A tensor's name in the file, without the prefix, from its path: `h[0].ln_1.bias`. */
function nameOf(path: string): string {
  return path.replaceAll(/\[(\d+)\]/g, ".$1");
}

/**
 * A model as the files of a Hugging Face GPT-2 checkpoint, f32.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { decodeCheckpoint, encodeCheckpoint, initGpt } from "@unitune/models";
 *
 * const config = { vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 };
 * const files = await encodeCheckpoint(config, initGpt(key(0), config), { eos: 1 });
 * assertEquals([...files.keys()], ["config.json", "model.safetensors"]);
 * assertEquals(decodeCheckpoint(files).config, config);
 * ```
 *
 * @param config The sizes.
 * @param params The parameters.
 * @param tokens The tokens that begin, end and fill up a text.
 * @returns The files' bytes by name.
 * @throws {CheckpointError} If the parameters are not of the sizes.
 */
export async function encodeCheckpoint(
  config: GptConfig,
  params: GptParameters,
  tokens: TextTokens = {},
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const elements = new Map(
    [...await readTree(params)].map(([path, leaf]) => [nameOf(path), leaf]),
  );
  const like = hasScore(params) ? withScore(skeleton(config)) : skeleton(config);
  fillTree(like, elements, "save parameters with their own configuration", nameOf);
  const settings = {
    architectures: [hasScore(params) ? "GPT2ForSequenceClassification" : "GPT2LMHeadModel"],
    ...(hasScore(params) && { num_labels: 1 }),
    model_type: "gpt2",
    ...Object.fromEntries(gptSizes.map((size) => [sizeSettings[size], config[size]])),
    ...Object.fromEntries(dropoutSettings.map((setting) => [setting, config.dropout])),
    ...Object.fromEntries(
      Object.entries(fixedSettings).map(([setting, [value]]) => [setting, value]),
    ),
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos ?? null,
    ...(tokens.pad !== undefined && { pad_token_id: tokens.pad }),
  };
  const tensors = new Map(
    [...elements].map(([name, leaf]) => [name === SCORE ? name : PREFIX + name, toRawTensor(leaf)]),
  );
  return new Map([
    [CONFIG, new TextEncoder().encode(JSON.stringify(settings, null, 2) + "\n")],
    [WEIGHTS, encodeSafetensors(tensors, { format: "pt" })],
  ]);
}

/** Parameters of the right structure and shapes, none of them computed. */
function skeleton(config: GptConfig): GptParameters {
  return initGpt(key(0), config);
}

/**
 * The model in the files of a Hugging Face GPT-2 checkpoint.
 *
 * Names may have the prefix `transformer.` or not. `lm_head.weight` may be there if it equals the
 * token embedding; the mask buffers of old files are ignored. F16 and BF16 are widened to f32.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { CheckpointError, decodeCheckpoint } from "@unitune/models";
 *
 * assertThrows(() => decodeCheckpoint(new Map()), CheckpointError, "config.json is missing");
 * ```
 *
 * @param files The files' bytes by name; others than `config.json` and `model.safetensors` may be
 * among them.
 * @returns The sizes, the parameters and the tokens that begin and end a text.
 * @throws {CheckpointError} If a file is missing, the weights are sharded over several files, the
 * model is no GPT-2, or tensors are missing, unknown or of another shape than the sizes tell.
 * @throws {SafetensorsError} If `model.safetensors` is corrupt.
 */
export function decodeCheckpoint(files: ReadonlyMap<string, Uint8Array>): Checkpoint {
  const settings = parseSettings(fileNamed(files, CONFIG));
  const elements = decodeWeights(fileNamed(files, WEIGHTS));
  const config = configFrom(settings, elements.size);
  const params = fillTree(
    elements.has(SCORE) ? withScore(skeleton(config)) : skeleton(config),
    elements,
    `${WEIGHTS} is not of the sizes in ${CONFIG}: take both files from one checkpoint of GPT-2, ` +
      `its floats F32, F16 or BF16`,
    nameOf,
  );
  const { bos_token_id: bos, eos_token_id: eos, pad_token_id: pad } = settings;
  return {
    config,
    params,
    tokens: {
      ...(typeof bos === "number" && { bos }),
      ...(typeof eos === "number" && { eos }),
      ...(typeof pad === "number" && { pad }),
    },
  };
}

function fileNamed(files: ReadonlyMap<string, Uint8Array>, name: string): Uint8Array {
  const bytes = files.get(name);
  if (bytes !== undefined) return bytes;
  if (files.has(`${name}.index.json`)) {
    throw new CheckpointError(
      `${name} is missing: the weights are in several files, which ${name}.index.json lists, and ` +
        `such a sharded checkpoint is not read; save the model in one file (save_pretrained with a ` +
        `larger max_shard_size)`,
    );
  }
  const found = clipped(printable([...files.keys()].join(", ")), 200) || "none";
  throw new CheckpointError(`${name} is missing; the files are: ${found}`);
}

type Settings = { readonly [name: string]: unknown };

function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseSettings(bytes: Uint8Array): Settings {
  let settings: unknown;
  try {
    settings = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CheckpointError(`${CONFIG} is not JSON in UTF-8: the file is corrupt`, { cause });
  }
  if (!isSettings(settings)) throw new CheckpointError(`${CONFIG} is not an object`);
  return settings;
}

/** The configuration that settings tell of, for weights of so many tensors. */
function configFrom(settings: Settings, tensors: number): GptConfig {
  if (settings.model_type !== "gpt2") {
    throw wrongSetting("model_type", settings.model_type, `"gpt2"`);
  }
  for (const [name, values] of Object.entries(fixedSettings)) {
    const setting = settings[name];
    if (setting !== undefined && !values.some((value) => value === setting)) {
      throw wrongSetting(name, setting, values.map((value) => JSON.stringify(value)).join(" or "));
    }
  }
  const size = (name: keyof typeof sizeSettings): number => {
    const setting = settings[sizeSettings[name]];
    if (typeof setting === "number") return setting;
    throw wrongSetting(sizeSettings[name], setting, "a positive integer");
  };
  const [dropout, ...others] = dropoutSettings.map((name) => settings[name] ?? DEFAULT_DROPOUT);
  if (typeof dropout !== "number" || others.some((other) => other !== dropout)) {
    throw wrongSetting(dropoutSettings.join(", "), [dropout, ...others], "one number thrice");
  }
  const config = {
    vocabulary: size("vocabulary"),
    context: size("context"),
    layers: size("layers"),
    heads: size("heads"),
    width: size("width"),
    dropout,
  };
  const { n_inner: hidden } = settings;
  if (hidden !== undefined && hidden !== null && hidden !== 4 * config.width) {
    throw wrongSetting("n_inner", hidden, `null or ${4 * config.width}`);
  }
  if (config.layers > tensors) {
    throw new CheckpointError(
      `${CONFIG} tells of ${config.layers} layers, but ${WEIGHTS} has ${tensors} tensors: ` +
        `take both files from one checkpoint`,
    );
  }
  try {
    return checkGptConfig(config);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(`${CONFIG}: ${reason}`, { cause });
  }
}

function wrongSetting(name: string, value: unknown, expected: string): CheckpointError {
  return new CheckpointError(
    `${CONFIG}: ${name} is ${
      value === undefined ? "missing" : quoted(value)
    }, expected ${expected}: ` +
      `only GPT-2's own architecture can be read`,
  );
}

/** The parameters by name, without prefix, head and mask buffers. */
function decodeWeights(bytes: Uint8Array): Map<string, TensorData> {
  const elements = new Map<string, TensorData>();
  for (const [fullName, raw] of decodeSafetensors(bytes).tensors) {
    const name = fullName.startsWith(PREFIX) ? fullName.slice(PREFIX.length) : fullName;
    if (MASK_BUFFER.test(name)) continue;
    if (elements.has(name)) {
      throw new CheckpointError(
        `${WEIGHTS} has ${
          printable(clipped(name, 80))
        } both with and without the prefix ${PREFIX}: remove one`,
      );
    }
    elements.set(name, fromRawTensor(raw));
  }
  const head = elements.get(HEAD);
  const embedding = elements.get("wte.weight");
  elements.delete(HEAD);
  if (head !== undefined && embedding !== undefined && !sameElements(head, embedding)) {
    throw new CheckpointError(
      `${HEAD} differs from wte.weight: the head is tied to the embedding in GPT-2, a model with a ` +
        `head of its own cannot be read`,
    );
  }
  return elements;
}

function sameElements(a: TensorData, b: TensorData): boolean {
  return a.data.length === b.data.length &&
    a.data.every((element, i) => Object.is(element, b.data[i]));
}
