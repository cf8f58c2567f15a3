/** Tensors as a safetensors file that is made tensor by tensor, while it is written. */
import {
  encodeSafetensorsHeader,
  evaluate,
  exactType,
  rawByteLength,
  type RawDType,
  type Tensor,
  toRawTensor,
} from "@unitune/core";
import type { StreamedContent } from "./file_content.ts";

/** Elements that are converted at once. */
const PIECE = 1 << 20;

/** How tensors are written. */
export interface TensorFileOptions {
  /** Free text by name (default: none). */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The element type in the file (default: of each tensor the one that holds it exactly). */
  readonly dtype?: RawDType;
}

/** The type and shape of a tensor in a file. */
export function storedType({ dtype: own, shape }: Tensor, dtype: RawDType = exactType(own)) {
  return { dtype, shape };
}

/**
 * Tensors as a safetensors file. Each is read from its device when its turn comes, so that the host
 * holds one at a time; those that are expressions are computed before the first.
 *
 * @param tensors The tensors by name, in the order in which they are written.
 * @param options The element type in the file, and free text.
 * @returns The file.
 * @throws {SafetensorsError} If a name is reserved.
 */
export function tensorFile(
  tensors: ReadonlyMap<string, Tensor>,
  { metadata = {}, dtype }: TensorFileOptions = {},
): StreamedContent {
  const types = new Map([...tensors].map(([name, leaf]) => [name, storedType(leaf, dtype)]));
  const header = encodeSafetensorsHeader(types, metadata);
  let size = header.length;
  for (const type of types.values()) size += rawByteLength(type);
  return {
    size,
    async *pieces() {
      yield header;
      evaluate([...tensors.values()]);
      for (const leaf of tensors.values()) yield* elementPieces(leaf, dtype);
    },
  };
}

/** The bytes of a tensor's elements, some at a time. */
async function* elementPieces(leaf: Tensor, dtype: RawDType | undefined) {
  const data = await leaf.data();
  for (let from = 0; from < data.length; from += PIECE) {
    const part = data.subarray(from, from + PIECE);
    yield toRawTensor({ dtype: leaf.dtype, shape: [part.length], data: part }, dtype).data;
  }
}
