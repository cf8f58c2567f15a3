/**
 * Reading checkpoints in the layout of Hugging Face: one file of weights or several, tensor by tensor.
 */
import { abridged, key, printable, quoted, type Tensor, type TensorData } from "@unitune/core";
import type { Architecture } from "../architectures/architecture.ts";
import { architectures } from "../architectures/registry.ts";
import { CONFIG, type ModelSettings } from "../architectures/settings.ts";
import type { LanguageModel, LanguageModelConfig } from "../language_model.ts";
import { readingStored } from "../stored_weights.ts";
import { CheckpointError } from "./checkpoint_error.ts";
import { fillFrom, hostTensor } from "./fill.ts";
import {
  bareNames,
  type Checkpoint,
  emptyScore,
  SCORE,
  scoreName,
  type TextTokens,
  withoutPrefix,
} from "./saved_model.ts";
import { type CheckpointSource, filesSource, missingFile, objectIn } from "./source.ts";
import { haveSameElements, type StoredTensor, storedTensors } from "./weights.ts";

/** Options of reading a checkpoint. */
export interface ReadCheckpointOptions<M extends LanguageModel = LanguageModel> {
  /** The architectures that can be read (default: those of this package). */
  readonly architectures?: readonly Architecture<M>[];
  /**
   * Makes a tensor of elements, which are not used afterwards, and the name of the tensor (default:
   * `tensor`, which keeps them on the host). `uploaded` of `@unitune/core` puts them on a device, so
   * that the host holds one tensor at a time.
   */
  readonly place?: (data: TensorData, name: string) => Tensor;
  /**
   * Whether weights that are stored as F16 or BF16 stay so, in half of the memory of f32 (default
   * false). The model reads them as f32; only models that are not trained can have them.
   */
  readonly keepsStorage?: boolean;
  /**
   * Whether the parameters are outlines, which have shapes and no elements, so that the files of
   * weights are read no further than their headers (default: no).
   */
  readonly isOutline?: boolean;
  /** Called for each tensor with the number of bytes read so far, and of all. */
  readonly tell?: (read: number, total: number) => void;
}

/**
 * The model in the files of a Hugging Face checkpoint, read tensor by tensor. The `model_type` in
 * `config.json` decides the architecture.
 *
 * The weights are in `model.safetensors`, or in the files that `model.safetensors.index.json` names.
 * Names may have the prefix of the architecture (`transformer.` in GPT-2) or not. A copy of a tied
 * tensor (`lm_head.weight` in GPT-2) may be present if it equals the tensor that it is tied to;
 * buffers are ignored. F16 and BF16 are widened to f32.
 *
 * @example
 * ```ts
 * import { key } from "@unitune/core";
 * import { encodeCheckpoint, filesSource, gpt, readCheckpoint } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const model = gpt({ vocabulary: 5, context: 4, layers: 1, heads: 1, width: 4, dropout: 0 });
 * const files = await encodeCheckpoint({ model, params: model.init(key(0)) }, { eos: [1, 2] });
 * const { tokens } = await readCheckpoint(filesSource(files));
 * assertEquals(tokens.eos, [1, 2]);
 * ```
 *
 * @param source The files; others than the configuration and the weights are ignored.
 * @param options The architectures, and the place of the tensors.
 * @returns The model, its parameters and the tokens that begin, end and pad a text.
 * @throws {CheckpointError} If a file is missing or contradicts another one, the architecture or a
 * setting is not one that can be read, tensors are missing, unknown or of a shape that does not fit
 * the sizes.
 * @throws {SafetensorsError} If a file of weights is truncated or corrupt.
 */
export function readCheckpoint(
  source: CheckpointSource,
  options?: Omit<ReadCheckpointOptions, "architectures">,
): Promise<Checkpoint>;
/** The model in the files of a Hugging Face checkpoint of one of the given architectures. */
export function readCheckpoint<M extends LanguageModel>(
  source: CheckpointSource,
  options: ReadCheckpointOptions<M>,
): Promise<Checkpoint<M>>;
export async function readCheckpoint(
  source: CheckpointSource,
  {
    architectures: rows = architectures,
    place = hostTensor,
    keepsStorage = false,
    isOutline = false,
    tell = () => {},
  }: ReadCheckpointOptions = {},
): Promise<Checkpoint> {
  const settings = await objectIn(source, CONFIG);
  if (settings === undefined) throw missingFile(source, CONFIG);
  const row = rowOf(settings, rows);
  const model = modelFrom(settings, row);
  const stored = await parametersIn(source, row, model.config);
  const { [SCORE]: score, ...others } = Object.fromEntries(stored);
  const remedy =
    `the weights are not of the sizes in ${CONFIG}: take both from one checkpoint of ` +
    `${row.name}, its floats F32, F16 or BF16`;
  const reading = { source, place, keepsStorage, isOutline };
  const fill = { ...reading, tell: totalled(stored.values(), tell), remedy };
  return {
    model,
    params: await fillFrom(model.init(key(0)), new Map(Object.entries(others)), {
      ...fill,
      nameOf: bareNames(row.tensors),
    }),
    ...score !== undefined && {
      score: await fillFrom(emptyScore(model), new Map([[SCORE, score]]), {
        ...fill,
        nameOf: scoreName,
      }),
    },
    tokens: tokensIn(settings),
    settings,
  };
}

/**
 * The model in the files of a Hugging Face checkpoint, in memory: {@linkcode readCheckpoint} of them.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { CheckpointError, decodeCheckpoint } from "@unitune/models";
 *
 * await assertRejects(() => decodeCheckpoint(new Map()), CheckpointError, "config.json is missing");
 * ```
 *
 * @param files The files' bytes by name.
 * @param rows The architectures that can be read (default {@linkcode architectures}).
 * @returns The model, its parameters and the tokens that begin, end and pad a text.
 * @throws {CheckpointError} If the files are not those of a checkpoint that can be read.
 * @throws {SafetensorsError} If a file of weights is truncated or corrupt.
 */
export function decodeCheckpoint(files: ReadonlyMap<string, Uint8Array>): Promise<Checkpoint>;
/** The model in the files of a Hugging Face checkpoint of one of the given architectures. */
export function decodeCheckpoint<M extends LanguageModel>(
  files: ReadonlyMap<string, Uint8Array>,
  rows: readonly Architecture<M>[],
): Promise<Checkpoint<M>>;
export function decodeCheckpoint(
  files: ReadonlyMap<string, Uint8Array>,
  rows: readonly Architecture[] = architectures,
): Promise<Checkpoint> {
  return readCheckpoint(filesSource(files), { architectures: rows });
}

/** Adds up the bytes of the tensors that are read. */
function totalled(
  stored: Iterable<StoredTensor>,
  tell: (read: number, total: number) => void,
): (place: StoredTensor) => void {
  let [read, total] = [0, 0];
  for (const { begin, end } of stored) total += end - begin;
  return ({ begin, end }) => {
    read += end - begin;
    tell(read, total);
  };
}

/** The tokens that settings name. */
function tokensIn(
  { bos_token_id: bos, eos_token_id: eos, pad_token_id: pad }: ModelSettings,
): TextTokens {
  const isList = Array.isArray(eos) && eos.every((id) => typeof id === "number");
  return {
    ...(typeof bos === "number" && { bos }),
    ...(typeof eos === "number" || isList ? { eos } : {}),
    ...(typeof pad === "number" && { pad }),
  };
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
    return readingStored(row.make(row.readConfig(settings)));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CheckpointError(`${CONFIG}: ${cause.message}`, { cause });
  }
}

/** The tensors of a model by name without prefix, without buffers and the copies of tied ones. */
async function parametersIn(
  source: CheckpointSource,
  { name: architecture, tensors }: Architecture,
  config: LanguageModelConfig,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const own = new Map<string, StoredTensor>();
  for (const [fullName, stored] of await storedTensors(source)) {
    const name = withoutPrefix(tensors, fullName);
    if (tensors.isBuffer(name)) continue;
    if (own.has(name)) {
      throw new CheckpointError(
        `${stored.file} has ${printable(abridged(name, 80))} both with and without the prefix ` +
          `${tensors.prefix}: remove one`,
      );
    }
    own.set(name, stored);
  }
  for (const [copy, original] of Object.entries(tensors.tied(config))) {
    const [tied, first] = [own.get(copy), own.get(original)];
    own.delete(copy);
    if (tied === undefined || first === undefined) continue;
    if (await haveSameElements(source, tied, first)) continue;
    throw new CheckpointError(
      `${copy} differs from ${original}: they are tied in ${architecture}, and a model in which ` +
        `they are not cannot be read`,
    );
  }
  return own;
}
