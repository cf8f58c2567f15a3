/**
 * Models in the layout of Hugging Face: a folder with the configuration, the weights and the
 * tokenizer, whoever made it.
 *
 * @module
 */

import {
  type Device,
  isFiniteStored,
  isStorage,
  mapTree,
  onDevice,
  outline,
  SafetensorsError,
  type StorageDType,
  storedAs,
  type Tensor,
  tensor,
  type TensorData,
  uploaded,
  widened,
} from "@unitune/core";
import {
  type Architecture,
  architectures,
  type BaseTemplate,
  CheckpointError,
  type CheckpointSource,
  growVocabulary,
  type LanguageModel,
  type ModelSettings,
  readCheckpoint,
  textIn,
  type Tokenizer,
  TokenizerError,
} from "@unitune/models";
import { UserError } from "@unitune/training";
import { folderSource } from "../files/folder_source.ts";
import { readTokenizerFiles, tokenizerTexts } from "./pretrained_tokenizer.ts";

/** A model with its tokenizer. */
export interface PretrainedModel {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The settings of its `config.json`. */
  readonly settings: ModelSettings;
  /** The files that are text, by name. */
  readonly files: ReadonlyMap<string, string>;
}

/** Options of reading a model. */
export interface PretrainedOptions {
  /** The architectures that can be read (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** The device to put the parameters on (default: the host). */
  readonly device?: Device;
  /**
   * Whether weights of 16 bits stay so, for a model that is not trained (default false: they are
   * widened to f32).
   */
  readonly keepsStorage?: boolean;
  /**
   * The type of the weights, to which they are widened or rounded as they are read (default: as
   * `keepsStorage` says).
   */
  readonly weights?: "f32" | StorageDType;
  /** A chat template in place of the model's. */
  readonly template?: BaseTemplate;
  /** Whether the model may get the tokens that the template needs (default false). */
  readonly mayGrow?: boolean;
  /** Whether the parameters are outlines, for which no weights are read (default: no). */
  readonly isOutline?: boolean;
  /** Called with the number of bytes of weights read so far, and of all. */
  readonly tell?: (read: number, total: number) => void;
}

/**
 * Reads a model from a folder, tensor by tensor.
 *
 * @param folder The folder.
 * @param options The architectures, the device, and the chat template.
 * @returns The model, its parameters and its tokenizer.
 * @throws {UserError} If a file is missing, damaged, or of a model that cannot be read.
 */
export async function readPretrained(
  folder: string,
  options: PretrainedOptions = {},
): Promise<PretrainedModel> {
  const source = await folderSource(folder);
  if (!source.names.includes("config.json")) throw withoutModel(folder, source);
  return await inFolder(folder, async () => {
    const {
      architectures: rows = architectures,
      device,
      template,
      mayGrow = false,
      isOutline = false,
      weights,
    } = options;
    const { model, params: read, settings } = await readCheckpoint(source, {
      architectures: rows,
      keepsStorage: options.keepsStorage ?? weights !== undefined,
      place: (data, name) =>
        placed(weights === undefined ? data : storedAs(data, weights), name, device),
      isOutline,
      ...options.tell && { tell: options.tell },
    });
    const params = isOutline && weights !== undefined
      ? mapTree(read, ({ shape }) => outline({ shape, dtype: weights }))
      : read;
    const files = await textsIn(source);
    const { vocabulary } = model.config;
    const tokenizer = await readTokenizerFiles(files, {
      vocabulary,
      ...template && { template },
    });
    if (tokenizer.size === vocabulary) return { model, params, tokenizer, settings, files };
    if (!mayGrow) {
      const more = tokenizer.tokens.slice(vocabulary).join(", ");
      throw new UserError(
        `the chat template needs tokens that the model in ${folder} lacks (${more}): add them to ` +
          `the model by --grow-embeddings, or take the template alpaca, which needs none`,
      );
    }
    const grown = growVocabulary({ model, params }, tokenizer.size, rows);
    return {
      model: grown.model,
      params: device === undefined || isOutline ? grown.params : onDevice(grown.params, device),
      tokenizer,
      settings,
      files,
    };
  });
}

/** The files of a source that are text. */
export async function textsIn(source: CheckpointSource): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const name of tokenizerTexts) {
    const text = await textIn(source, name);
    if (text !== undefined) files.set(name, text);
  }
  return files;
}

/** A tensor of finite elements: with others, no prediction of the model would be finite. */
export function placed(data: TensorData, name: string, device?: Device): Tensor {
  const { dtype } = data;
  const isFinite = isStorage(dtype)
    ? (bits: number) => isFiniteStored(dtype, bits)
    : Number.isFinite;
  const odd = data.data.findIndex((element) => !isFinite(element));
  if (odd >= 0) {
    const element = data.data[odd] ?? NaN;
    const number = isStorage(dtype) ? widened(dtype, Uint16Array.of(element))[0] : element;
    throw new CheckpointError(
      `element ${odd} of ${name} is ${number}: the file is damaged, or its training has ` +
        `diverged; take another checkpoint`,
    );
  }
  return device === undefined ? tensor(data.data, data) : uploaded(data, device);
}

/** The error for a folder that holds no model. */
function withoutModel(folder: string, { names }: CheckpointSource): UserError {
  if (names.includes("adapter_config.json")) {
    return new UserError(
      `${folder} holds an adapter, and not a whole model: name the model that it belongs to by ` +
        `--model, and the adapter by --from or --adapter`,
    );
  }
  const other = names.find((name) => /\.gguf$/.test(name));
  return new UserError(
    other === undefined
      ? `${folder} holds no model in the layout of Hugging Face: there is no config.json`
      : `${folder} holds ${other}, llama.cpp's format, which is not read: take the model's folder ` +
        `with config.json and safetensors, from which it was converted`,
  );
}

/** The faults of files, with the folder that they are in. */
export async function inFolder<T>(folder: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const isFault = error instanceof CheckpointError || error instanceof SafetensorsError ||
      error instanceof TokenizerError;
    if (!isFault) throw error;
    throw new UserError(`can't read the model in ${folder}: ${error.message}`, { cause: error });
  }
}
