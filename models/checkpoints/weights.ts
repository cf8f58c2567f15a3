/** The tensors in the files of weights, one file or several, without reading their elements. */
import {
  abridged,
  type FromRawOptions,
  fromRawTensor,
  printable,
  type RawTensor,
  readSafetensorsHeader,
  SafetensorsError,
  safetensorsHeaderLength,
  type TensorData,
  type TensorPlace,
} from "@unitune/core";
import { type CheckpointSource, missingFile, objectIn } from "./source.ts";
import { CheckpointError } from "./checkpoint_error.ts";

/** The file of all weights. */
export const WEIGHTS = "model.safetensors";

/** A tensor in a file. */
export interface StoredTensor extends TensorPlace {
  /** The name of the file. */
  readonly file: string;
}

/** The bytes of a safetensors header's length. */
const LENGTH_BYTES = 8;

/** Bytes that are compared at once. */
const PIECE = 1 << 22;

/** The header of a file of tensors; its faults name the file. */
export async function placesIn(
  source: CheckpointSource,
  file: string,
): Promise<ReadonlyMap<string, TensorPlace>> {
  const length = await source.size(file);
  try {
    const first = await source.read(file, 0, Math.min(LENGTH_BYTES, length));
    const end = Math.min(length, safetensorsHeaderLength(first));
    return readSafetensorsHeader(await source.read(file, 0, end), length).tensors;
  } catch (cause) {
    if (!(cause instanceof SafetensorsError)) throw cause;
    throw new SafetensorsError(`${file}: ${cause.message}`, { cause });
  }
}

/** Files that hold weights in a way that is not read, and the remedy. */
const otherFormats: readonly (readonly [RegExp, string])[] = [
  [
    /\.(bin|pt|pth|ckpt)$/,
    "may run code when it is read: save the model as safetensors (in Python, " +
    "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(other)`)",
  ],
  [
    /\.gguf$/,
    "is llama.cpp's format, which is not read: take the model's safetensors, from which it was " +
    "converted",
  ],
  [/\.(h5|msgpack|onnx)$/, "is not read: take the model's safetensors"],
];

/** The error for a checkpoint without safetensors. */
function withoutWeights(source: CheckpointSource, name: string): CheckpointError {
  for (const [pattern, remedy] of otherFormats) {
    const other = source.names.find((file) => pattern.test(file));
    if (other !== undefined) {
      return new CheckpointError(
        `${name} is missing, and ${printable(abridged(other, 80))} ${remedy}`,
      );
    }
  }
  return missingFile(source, name);
}

/** Whether a name in an index is that of a file in the same folder. */
function isFileName(value: unknown): value is string {
  return typeof value === "string" && /^[^/\\\0]+\.safetensors$/.test(value);
}

/** The file of each tensor, as the index of a sharded checkpoint says. */
async function shardsOf(
  source: CheckpointSource,
  index: string,
): Promise<ReadonlyMap<string, string>> {
  const { weight_map: map } = await objectIn(source, index) ?? {};
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new CheckpointError(`${index} has no "weight_map" from tensors to files: it is corrupt`);
  }
  const files = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    if (!isFileName(file)) {
      throw new CheckpointError(
        `${index} names ${printable(abridged(String(file), 80))} as the file of ` +
          `${printable(abridged(name, 80))}, expected a .safetensors file of the same folder`,
      );
    }
    files.set(name, file);
  }
  if (files.size === 0) throw new CheckpointError(`${index} names no file: it is corrupt`);
  return files;
}

/**
 * The tensors of a checkpoint by name: those of one file, or of all files that its index names.
 *
 * @param source The files.
 * @param whole The name of the file that holds all of them (default `model.safetensors`).
 * @returns The places of the tensors.
 * @throws {CheckpointError} If a file is missing, or files and index contradict each other.
 * @throws {SafetensorsError} If a file is truncated or corrupt.
 */
export async function storedTensors(
  source: CheckpointSource,
  whole: string = WEIGHTS,
): Promise<ReadonlyMap<string, StoredTensor>> {
  const index = `${whole}.index.json`;
  if (source.names.includes(whole)) {
    const places = await placesIn(source, whole);
    return new Map([...places].map(([name, place]) => [name, { ...place, file: whole }]));
  }
  if (!source.names.includes(index)) throw withoutWeights(source, whole);
  const files = await shardsOf(source, index);
  const stored = new Map<string, StoredTensor>();
  for (const file of new Set(files.values())) {
    if (!source.names.includes(file)) {
      throw new CheckpointError(
        `${file} is missing, which ${index} names: download all files of the model`,
      );
    }
    for (const [name, place] of await placesIn(source, file)) {
      const expected = files.get(name);
      if (expected !== file) {
        throw new CheckpointError(
          `${file} holds ${printable(abridged(name, 80))}, ` +
            (expected === undefined
              ? `which ${index} does not name`
              : `and ${index} says that ${expected} does`) +
            `: take all files from one checkpoint`,
        );
      }
      stored.set(name, { ...place, file });
    }
  }
  for (const [name, file] of files) {
    if (stored.has(name)) continue;
    throw new CheckpointError(
      `${file} does not hold ${printable(abridged(name, 80))}, and ${index} says that it does: ` +
        `take all files from one checkpoint`,
    );
  }
  return stored;
}

/** The elements of a tensor, widened to a type that tensors have, or kept in 16 bits. */
export async function readTensor(
  source: CheckpointSource,
  { file, dtype, shape, begin, end }: StoredTensor,
  options: FromRawOptions,
): Promise<TensorData> {
  const data = await source.read(file, begin, end);
  if (data.length === end - begin) return fromRawTensor({ dtype, shape, data }, options);
  throw new CheckpointError(`${file} has become shorter while it was read: read it again`);
}

/** Whether two tensors of one shape have equal elements; they are read in pieces. */
export async function haveSameElements(
  source: CheckpointSource,
  a: StoredTensor,
  b: StoredTensor,
): Promise<boolean> {
  const count = a.shape.reduce((product, size) => product * size, 1);
  if (JSON.stringify(a.shape) !== JSON.stringify(b.shape)) return false;
  const piece = async ({ file, dtype, begin, end }: StoredTensor, from: number, to: number) => {
    const width = (end - begin) / count;
    const data = await source.read(file, begin + from * width, begin + to * width);
    const raw: RawTensor = { dtype, shape: [to - from], data };
    return fromRawTensor(raw).data;
  };
  for (let from = 0; from < count; from += PIECE) {
    const to = Math.min(count, from + PIECE);
    const [own, other] = [await piece(a, from, to), await piece(b, from, to)];
    if (!own.every((element, i) => Object.is(element, other[i]))) return false;
  }
  return true;
}
