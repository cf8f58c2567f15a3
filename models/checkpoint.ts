/**
 * Checkpoints in the layout of Hugging Face, which other tools read: `config.json` and
 * `model.safetensors`, with the names that the architecture's row gives to settings and tensors. A
 * model with a head of one number is written as a `...ForSequenceClassification` of one label.
 */
import {
  abridged,
  decodeSafetensors,
  encodeSafetensors,
  fromRawTensor,
  key,
  printable,
  quoted,
  type TensorData,
  toRawTensor,
  zeros,
} from "@unitune/core";
import type { Architecture, TensorNames } from "./architectures/architecture.ts";
import { architectureOf, architectures } from "./architectures/registry.ts";
import { CONFIG, type ModelSettings, settingsText } from "./architectures/settings.ts";
import type { LanguageModel, LanguageModelConfig, ParametersOf } from "./language_model.ts";
import type { ScoreParameters } from "./scores.ts";
import { CheckpointError, fillTree, readTree } from "./tree_file.ts";

/** The tokens that begin, end and pad a text, if a model has them. */
export interface TextTokens {
  /** Id of the token that begins a text. */
  readonly bos?: number;
  /** Id of the token that ends a text: the stop token. */
  readonly eos?: number;
  /** Id of the token that pads rows, which a head of one number does not read. */
  readonly pad?: number;
}

/** A language model with its parameters, as in a checkpoint. */
export interface SavedModel<M extends LanguageModel = LanguageModel> {
  /** The model. */
  readonly model: M;
  /** Its parameters. */
  readonly params: ParametersOf<M>;
  /** The head of one number, in a reward model. */
  readonly score?: ScoreParameters;
}

/** The contents of a checkpoint. */
export interface Checkpoint<M extends LanguageModel = LanguageModel> extends SavedModel<M> {
  /** The tokens that begin, end and pad a text. */
  readonly tokens: TextTokens;
}

const WEIGHTS = "model.safetensors";
const SCORE = "score.weight";

/**
 * A model as the files of a Hugging Face checkpoint, f32.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { decodeCheckpoint, encodeCheckpoint, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 });
 * const files = await encodeCheckpoint({ model, params: model.init(key(0)) }, { eos: 1 });
 * assertEquals([...files.keys()], ["config.json", "model.safetensors"]);
 * assertEquals(decodeCheckpoint(files).model.config, model.config);
 * ```
 *
 * @param saved The model, its parameters, and its head of one number, if it has one.
 * @param tokens The tokens that begin, end and pad a text.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The files' bytes by name.
 * @throws {RangeError} If the architecture is unknown.
 * @throws {CheckpointError} If the parameters do not have the model's sizes.
 */
export async function encodeCheckpoint<M extends LanguageModel>(
  { model, params, score }: SavedModel<M>,
  tokens: TextTokens = {},
  rows: readonly Architecture[] = architectures,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const { config } = model;
  const row = architectureOf(config.modelType, rows);
  const leaves = await readTree(params);
  const remedy = "save parameters with their own configuration";
  const bare = bareNames(row.tensors);
  fillTree(skeleton(model), named(leaves, bare), remedy, bare);
  const head = score === undefined ? new Map<string, TensorData>() : await readTree(score);
  fillTree(score && emptyScore(model), named(head, scoreName), remedy, scoreName);
  const settings = {
    architectures: [score === undefined ? row.classes.languageModel : row.classes.rewardModel],
    ...(score !== undefined && { num_labels: 1 }),
    model_type: row.modelType,
    ...row.writeConfig(config),
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos ?? null,
    ...(tokens.pad !== undefined && { pad_token_id: tokens.pad }),
  };
  const tensors = new Map(
    [...named(leaves, row.tensors.nameOf), ...named(head, scoreName)].map(([name, leaf]) =>
      [name, toRawTensor(leaf)] as const
    ),
  );
  return new Map([
    [CONFIG, new TextEncoder().encode(settingsText(settings))],
    [WEIGHTS, encodeSafetensors(tensors, { format: "pt" })],
  ]);
}

/** Parameters of the right structure and shapes, none of them computed. */
function skeleton(model: LanguageModel): unknown {
  return model.init(key(0));
}

/** A head of one number of the right shape. */
function emptyScore({ config }: LanguageModel): ScoreParameters {
  return { weight: zeros([1, config.width]) };
}

/** The name of a tensor of the head of one number, from its path. */
function scoreName(path: string): string {
  return `score.${path}`;
}

/** The names of a model's tensors without the prefix, from their paths. */
function bareNames(tensors: TensorNames): (path: string) => string {
  return (path) => withoutPrefix(tensors, tensors.nameOf(path));
}

function withoutPrefix({ prefix }: TensorNames, name: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

/** Elements by name in place of path. */
function named(
  leaves: ReadonlyMap<string, TensorData>,
  nameOf: (path: string) => string,
): Map<string, TensorData> {
  return new Map([...leaves].map(([path, leaf]) => [nameOf(path), leaf]));
}

/**
 * The model in the files of a Hugging Face checkpoint. The `model_type` in `config.json` decides the
 * architecture.
 *
 * Names may have the prefix of the architecture (`transformer.` in GPT-2) or not. A copy of a tied
 * tensor (`lm_head.weight` in GPT-2) may be present if it equals the tensor that it is tied to;
 * buffers are ignored. F16 and BF16 are widened to f32.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { CheckpointError, decodeCheckpoint } from "@unitune/models";
 *
 * assertThrows(() => decodeCheckpoint(new Map()), CheckpointError, "config.json is missing");
 * ```
 *
 * @param files The files' bytes by name; files other than `config.json` and `model.safetensors` are
 * ignored.
 * @param rows The architectures that can be read (default {@linkcode architectures}).
 * @returns The model, its parameters and the tokens that begin and end a text.
 * @throws {CheckpointError} If a file is missing, the weights are sharded over several files, the
 * architecture or a setting is not one that can be read, or tensors are missing, unknown or of a
 * shape that does not fit the sizes.
 * @throws {SafetensorsError} If `model.safetensors` is corrupt.
 */
export function decodeCheckpoint(files: ReadonlyMap<string, Uint8Array>): Checkpoint;
/** The model in the files of a Hugging Face checkpoint of one of the given architectures. */
export function decodeCheckpoint<M extends LanguageModel>(
  files: ReadonlyMap<string, Uint8Array>,
  rows: readonly Architecture<M>[],
): Checkpoint<M>;
export function decodeCheckpoint(
  files: ReadonlyMap<string, Uint8Array>,
  rows: readonly Architecture[] = architectures,
): Checkpoint {
  const settings = parseSettings(fileNamed(files, CONFIG));
  const row = rowOf(settings, rows);
  const model = modelFrom(settings, row);
  const elements = decodeWeights(fileNamed(files, WEIGHTS), row, model.config);
  const scores = new Map([...elements].filter(([name]) => name === SCORE));
  elements.delete(SCORE);
  const remedy =
    `${WEIGHTS} is not of the sizes in ${CONFIG}: take both files from one checkpoint of ` +
    `${row.name}, its floats F32, F16 or BF16`;
  const params = fillTree(skeleton(model), elements, remedy, bareNames(row.tensors));
  const { bos_token_id: bos, eos_token_id: eos, pad_token_id: pad } = settings;
  return {
    model,
    params,
    ...(scores.size > 0 && { score: fillTree(emptyScore(model), scores, remedy, scoreName) }),
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
  const found = abridged(printable([...files.keys()].join(", ")), 200) || "none";
  throw new CheckpointError(`${name} is missing; the files are: ${found}`);
}

function isSettings(value: unknown): value is ModelSettings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseSettings(bytes: Uint8Array): ModelSettings {
  let settings: unknown;
  try {
    settings = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CheckpointError(`${CONFIG} is not JSON in UTF-8: the file is corrupt`, { cause });
  }
  if (!isSettings(settings)) throw new CheckpointError(`${CONFIG} is not an object`);
  return settings;
}

/** The row of the architecture that settings name. */
function rowOf({ model_type: type }: ModelSettings, rows: readonly Architecture[]): Architecture {
  const row = rows.find(({ modelType }) => modelType === type);
  if (row !== undefined) return row;
  const known = rows.map(({ modelType, name }) => `${JSON.stringify(modelType)} (${name})`);
  throw new CheckpointError(
    `${CONFIG}: model_type is ${
      type === undefined ? "missing" : quoted(type)
    }; the architectures ` +
      `that can be read are ${known.join(", ")}`,
  );
}

/** The model that settings describe. */
function modelFrom(settings: ModelSettings, row: Architecture): LanguageModel {
  try {
    return row.make(row.readConfig(settings));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointError(`${CONFIG}: ${cause.message}`, { cause });
  }
}

/** Elements by name without prefix, without buffers and the copies of tied tensors. */
function decodeWeights(
  bytes: Uint8Array,
  { name: architecture, tensors }: Architecture,
  config: LanguageModelConfig,
): Map<string, TensorData> {
  const elements = new Map<string, TensorData>();
  for (const [fullName, raw] of decodeSafetensors(bytes).tensors) {
    const name = withoutPrefix(tensors, fullName);
    if (tensors.isBuffer(name)) continue;
    if (elements.has(name)) {
      throw new CheckpointError(
        `${WEIGHTS} has ${printable(abridged(name, 80))} both with and without the prefix ` +
          `${tensors.prefix}: remove one`,
      );
    }
    elements.set(name, fromRawTensor(raw));
  }
  for (const [copy, original] of Object.entries(tensors.tied(config))) {
    const [tied, own] = [elements.get(copy), elements.get(original)];
    elements.delete(copy);
    if (tied === undefined || own === undefined || sameElements(tied, own)) continue;
    throw new CheckpointError(
      `${copy} differs from ${original}: they are tied in ${architecture}, and a model in which ` +
        `they are not cannot be read`,
    );
  }
  return elements;
}

function sameElements(a: TensorData, b: TensorData): boolean {
  return a.data.length === b.data.length &&
    a.data.every((element, i) => Object.is(element, b.data[i]));
}
