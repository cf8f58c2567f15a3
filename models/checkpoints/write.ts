/**
 * Writing checkpoints in the layout of Hugging Face, which other tools read: the files of
 * `save_pretrained` in transformers 5, with the names that the architecture's row gives to settings
 * and tensors. A model with a head of one number is written as a `...ForSequenceClassification` of one
 * label.
 */
import { inFloats, key, leafPaths, type RawDType } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import { architectureOf, architectures } from "../architectures/registry.ts";
import { CONFIG, settingsText } from "../architectures/settings.ts";
import type { LanguageModel } from "../language_model.ts";
import { contentBytes, type FileContent } from "./file_content.ts";
import {
  bareNames,
  emptyScore,
  named,
  type SavedModel,
  scoreName,
  type TextTokens,
} from "./saved_model.ts";
import { weightFiles } from "./shards.ts";
import { type JsonObject, parseObject } from "./source.ts";
import { requireTree } from "./tree_file.ts";
import { keptSettings, tokenSettings, tokenSettingsIn } from "./written_settings.ts";

/** The settings of generation. */
const GENERATION_CONFIG = "generation_config.json";

/** An element type of weights in files. */
export type WeightsDType = "f32" | "bf16" | "f16";

/** The element types of weights, by the names that safetensors and PyTorch have for them. */
const dtypes: Readonly<Record<WeightsDType, { readonly stored: RawDType; readonly name: string }>> =
  {
    f32: { stored: "F32", name: "float32" },
    bf16: { stored: "BF16", name: "bfloat16" },
    f16: { stored: "F16", name: "float16" },
  };

const noFiles: ReadonlyMap<string, string> = new Map();

/** How a model is written. */
export interface CheckpointFilesOptions {
  /** The tokens that begin, end and pad a text (default: those of the model's settings). */
  readonly tokens?: TextTokens;
  /**
   * Files that are written as they are, by name, such as those of a tokenizer; the settings of a
   * `generation_config.json` among them stay, except for the tokens (default: none).
   */
  readonly files?: ReadonlyMap<string, string>;
  /** The element type of the weights; 16 bits are rounded to the nearest, ties to even (default `f32`). */
  readonly dtype?: WeightsDType;
  /** The most bytes of tensors in a file (default 50e9, as in transformers 5). */
  readonly maxShardBytes?: number;
  /** The architectures, the model's among them (default: those of this package). */
  readonly architectures?: readonly Architecture[];
}

/**
 * A model as the files of a Hugging Face checkpoint, in the order in which they are written. Weights
 * are read from their device while they are written, tensor by tensor.
 *
 * - `config.json`: the settings of the model. Of a model that was read from a checkpoint, the settings
 *   of that which mean nothing here stay.
 * - `generation_config.json`, for a model of tokens: every token at which generation stops.
 * - `model.safetensors`; or `model-00001-of-00002.safetensors` and so on with
 *   `model.safetensors.index.json`, where the tensors take more bytes than a file may.
 * - Other files, as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { checkpointFiles, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 });
 * const saved = { model, params: model.init(key(0)) };
 * const files = checkpointFiles(saved, { tokens: { eos: [1, 2] }, maxShardBytes: 1000 });
 * assertEquals([...files.keys()], [
 *   "config.json",
 *   "generation_config.json",
 *   "model-00001-of-00002.safetensors",
 *   "model-00002-of-00002.safetensors",
 *   "model.safetensors.index.json",
 * ]);
 * ```
 *
 * @param saved The model, its parameters, its head of one number, if it has one, and the settings
 * that it was read with.
 * @param options The tokens, the element type and other files.
 * @returns The contents of the files by name.
 * @throws {RangeError} If the architecture is unknown, or the size of a file is not above 0.
 * @throws {CheckpointError} If the parameters do not have the model's sizes.
 */
export function checkpointFiles<M extends LanguageModel>(
  { model, params, score, settings: base }: SavedModel<M>,
  options: CheckpointFilesOptions = {},
): Map<string, FileContent> {
  const { tokens = {}, files = noFiles, dtype = "f32", architectures: rows = architectures } =
    options;
  const { config } = model;
  const row = architectureOf(config.modelType, rows);
  const { stored, name } = dtypes[dtype];
  const ids = tokenSettings(tokens);
  const kind = {
    architectures: [score === undefined ? row.classes.languageModel : row.classes.rewardModel],
    ...(score !== undefined && { num_labels: 1 }),
    model_type: row.modelType,
  };
  const settings = {
    ...kind,
    bos_token_id: null,
    eos_token_id: null,
    ...keptSettings(row, config, base),
    ...kind,
    ...ids,
    dtype: name,
    // The name before transformers 4.56.
    torch_dtype: name,
  };
  const { [GENERATION_CONFIG]: generation, ...others } = Object.fromEntries(files);
  return new Map<string, FileContent>([
    [CONFIG, settingsText(settings)],
    ...score === undefined
      ? [
        [
          GENERATION_CONFIG,
          settingsText({ ...tokenSettingsIn(settings), ...generationIn(generation), ...ids }),
        ] as const,
      ]
      : [],
    ...weightFiles(checkedTensors(row, { model, params, ...score && { score } }), {
      dtype: stored,
      metadata: { format: "pt" },
      ...options.maxShardBytes !== undefined && { maxShardBytes: options.maxShardBytes },
    }),
    ...Object.entries(others),
  ]);
}

/**
 * A model as the files of {@linkcode checkpointFiles}, in memory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key } from "@unitune/core";
 * import { decodeCheckpoint, encodeCheckpoint, gpt } from "@unitune/models";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 });
 * const files = await encodeCheckpoint({ model, params: model.init(key(0)) }, { eos: 1 });
 * assertEquals([...files.keys()], [
 *   "config.json",
 *   "generation_config.json",
 *   "model.safetensors",
 * ]);
 * assertEquals((await decodeCheckpoint(files)).model.config, model.config);
 * ```
 *
 * @param saved The model, its parameters, its head of one number, if it has one, and the settings
 * that it was read with.
 * @param tokens The tokens that begin, end and pad a text.
 * @param rows The architectures, the model's among them (default {@linkcode architectures}).
 * @returns The files' bytes by name.
 * @throws {RangeError} If the architecture is unknown.
 * @throws {CheckpointError} If the parameters do not have the model's sizes.
 */
export async function encodeCheckpoint<M extends LanguageModel>(
  saved: SavedModel<M>,
  tokens: TextTokens = {},
  rows: readonly Architecture[] = architectures,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [name, content] of checkpointFiles(saved, { tokens, architectures: rows })) {
    files.set(name, await contentBytes(content));
  }
  return files;
}

/** The tensors of a model by name, if they are those of its sizes. */
function checkedTensors({ tensors }: Architecture, { model, params, score }: SavedModel) {
  const remedy = "save parameters with their own configuration";
  const bare = bareNames(tensors);
  const leaves = leafPaths(params);
  // Weights of 16 bits are written as well as f32.
  requireTree(model.init(key(0)), named(leafPaths(inFloats(params)), bare), remedy, bare);
  const head = leafPaths(score);
  requireTree(score && emptyScore(model), named(head, scoreName), remedy, scoreName);
  return new Map([...named(leaves, tensors.nameOf), ...named(head, scoreName)]);
}

/** The settings of generation in a file; none where there is no file. */
function generationIn(text: string | undefined): JsonObject {
  return text === undefined ? {} : parseObject(text, GENERATION_CONFIG);
}
