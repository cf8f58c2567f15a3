/** A model of a visitor's own, in the files of Hugging Face. */
import {
  type Device,
  isFiniteStored,
  isStorage,
  printable,
  quoted,
  SafetensorsError,
  type TensorData,
  uploaded,
} from "@unitune/core";
import {
  type AdapterBase,
  baseTemplates,
  CheckpointError,
  type CheckpointSource,
  findPlainTokenizer,
  readCheckpoint,
  textIn,
  type Tokenizer,
  TokenizerError,
} from "@unitune/models";
import {
  pretrainedTokenizer,
  tokenizerFileNames,
  withChatTemplate,
} from "@unitune/models/pretrained";
import { showBytes, UserError } from "@unitune/training";

/** A model with its tokenizer; its parameters are on the device. */
export interface OwnModel extends AdapterBase {
  readonly tokenizer: Tokenizer;
  /** The number of bytes of its weights. */
  readonly bytes: number;
  /** Whether its tokenizer has no chat template of its own. */
  readonly isTemplateGiven: boolean;
}

/** The ending of files of weights. */
const WEIGHTS = ".safetensors";

/**
 * Files that a visitor has chosen, as the source of a checkpoint: a part is read when it is needed.
 *
 * @param files The files of one folder.
 * @returns The source.
 */
export function chosenFiles(files: readonly File[]): CheckpointSource {
  const named = new Map(files.map((file) => [file.name, file]));
  const fileOf = (name: string): File => {
    const file = named.get(name);
    if (file === undefined) throw new CheckpointError(`there is no file ${printable(name)}`);
    return file;
  };
  return {
    names: [...named.keys()],
    size: (name) => Promise.resolve(fileOf(name).size),
    read: async (name, begin, end) =>
      new Uint8Array(await fileOf(name).slice(begin, end).arrayBuffer()),
  };
}

/** Refuses files among which there is no model. */
function requireModel({ names }: CheckpointSource): void {
  if (names.includes("config.json")) return;
  if (names.includes("adapter_config.json")) {
    throw new UserError(
      "these files are an adapter, and not a whole model: choose the folder of the model that it " +
        "belongs to",
    );
  }
  const other = names.find((name) => name.endsWith(".gguf"));
  throw new UserError(
    other === undefined
      ? "there is no config.json among the files: choose the folder of a model as transformers " +
        "saves it, with config.json, model.safetensors and tokenizer.json"
      : `${quoted(other)} is of llama.cpp's format, which is not read: choose the folder with ` +
        `config.json and safetensors from which it was converted`,
  );
}

/**
 * Refuses weights that do not fit.
 *
 * @returns Their bytes.
 * @throws {UserError} If they are more than the limit.
 */
export async function requireRoom(source: CheckpointSource, limit: number): Promise<number> {
  const names = source.names.filter((name) => name.endsWith(WEIGHTS));
  const sizes = await Promise.all(names.map((name) => source.size(name)));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes <= limit) return bytes;
  throw new UserError(
    `the weights take ${showBytes(bytes)}, and the page can have ${showBytes(limit)}: choose a ` +
      `smaller model`,
  );
}

/** The error of files that are no model, for the visitor. */
export function unreadable(error: Error): UserError {
  return new UserError(`the model cannot be read: ${error.message}`, { cause: error });
}

/** A tensor on the device, whose elements are finite: with others, no prediction would be. */
function placed(data: TensorData, name: string, device: Device) {
  const { dtype } = data;
  const isFinite = isStorage(dtype)
    ? (bits: number) => isFiniteStored(dtype, bits)
    : Number.isFinite;
  if (data.data.every((element) => isFinite(element))) return uploaded(data, device);
  throw new CheckpointError(
    `${name} has elements that are not finite: the file is damaged, or its training has diverged; ` +
      `take another checkpoint`,
  );
}

/** The tokenizer, with a chat template in any case. */
async function tokenizerIn(
  source: CheckpointSource,
  vocabulary: number,
): Promise<Pick<OwnModel, "tokenizer" | "isTemplateGiven">> {
  const files = new Map<string, string>();
  for (const name of tokenizerFileNames) {
    const text = await textIn(source, name);
    if (text !== undefined) files.set(name, text);
  }
  const plain = findPlainTokenizer(files);
  const tokenizer = plain?.size === vocabulary ? plain : pretrainedTokenizer(files, { vocabulary });
  if (tokenizer.chat !== undefined) return { tokenizer, isTemplateGiven: false };
  const own = withChatTemplate(files, baseTemplates.alpaca);
  return { tokenizer: pretrainedTokenizer(own, { vocabulary }), isTemplateGiven: true };
}

/**
 * Reads a model tensor by tensor. Weights of 16 bits stay so.
 *
 * @param source The files.
 * @param device The device that computes.
 * @param limit The most bytes that weights may take.
 * @param tell Hears of the bytes that were read so far, and of all.
 * @returns The model.
 * @throws {UserError} If there is none, it does not fit, or a file is damaged or of another kind.
 */
export async function readOwnModel(
  source: CheckpointSource,
  device: Device,
  limit: number,
  tell: (read: number, total: number) => void,
): Promise<OwnModel> {
  requireModel(source);
  const bytes = await requireRoom(source, limit);
  try {
    const { model, params } = await readCheckpoint(source, {
      keepsStorage: true,
      place: (data, name) => placed(data, name, device),
      tell,
    });
    return { model, params, bytes, ...await tokenizerIn(source, model.config.vocabulary) };
  } catch (error) {
    const isFault = error instanceof CheckpointError || error instanceof SafetensorsError ||
      error instanceof TokenizerError;
    if (!isFault) throw error;
    throw unreadable(error);
  }
}
