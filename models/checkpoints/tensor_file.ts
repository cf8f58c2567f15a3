/** Tensors as a safetensors file that is made tensor by tensor, while it is written. */
import {
  encodeSafetensorsHeader,
  evaluate,
  exactType,
  rawByteLength,
  type RawDType,
  sizeOf,
  type Tensor,
  toRawTensor,
} from "@unitune/core";
import type { StreamedContent } from "./file_content.ts";

/** Elements that are read and converted at once. */
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
 * Tensors as a safetensors file. Each is read from its device in pieces when its turn comes, so that
 * the host holds one piece at a time; those that are expressions are computed before the first.
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
  const size = sizeOf(leaf.shape);
  for (let begin = 0; begin < size; begin += PIECE) {
    const data = await leaf.data({ begin, end: Math.min(size, begin + PIECE) });
    yield toRawTensor({ dtype: leaf.dtype, shape: [data.length], data }, dtype).data;
  }
}
