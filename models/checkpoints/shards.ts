/** The files that share out the tensors of a model, as transformers does. */
import { rawByteLength, type Tensor } from "@unitune/core";
import type { FileContent } from "./file_content.ts";
import { storedType, tensorFile, type TensorFileOptions } from "./tensor_file.ts";
import { WEIGHTS } from "./weights.ts";

/**
 * Bytes of tensors that a file holds at most: the default of `save_pretrained` in transformers 5.
 */
export const DEFAULT_SHARD_BYTES = 50e9;

/** How the tensors of a model are written. */
export interface ShardOptions extends TensorFileOptions {
  /**
   * The most bytes of tensors in a file (default 50e9); a larger tensor has one of its own.
   */
  readonly maxShardBytes?: number;
}

/**
 * Tensors in their order, shared out over as many groups as are needed: each group is filled until
 * the next tensor does not fit.
 */
function groupsOf(
  tensors: ReadonlyMap<string, Tensor>,
  sizeOf: (leaf: Tensor) => number,
  limit: number,
): readonly ReadonlyMap<string, Tensor>[] {
  let last = new Map<string, Tensor>();
  let filled = 0;
  const groups = [last];
  for (const [name, leaf] of tensors) {
    const size = sizeOf(leaf);
    if (last.size > 0 && filled + size > limit) {
      last = new Map();
      filled = 0;
      groups.push(last);
    }
    last.set(name, leaf);
    filled += size;
  }
  return groups;
}

/** The name of one of several files. */
function shardName(number: number, count: number): string {
  const [one, all] = [number, count].map((n) => String(n).padStart(5, "0"));
  return WEIGHTS.replace(".", `-${one}-of-${all}.`);
}

/**
 * The files of a model's tensors: `model.safetensors`, or files of a number each and their index.
 *
 * @param tensors The tensors by name, in the order in which they are written.
 * @param options The size of a file, the element type and free text.
 * @returns The files by name.
 * @throws {RangeError} If the size of a file is not above 0.
 */
export function weightFiles(
  tensors: ReadonlyMap<string, Tensor>,
  { maxShardBytes = DEFAULT_SHARD_BYTES, ...options }: ShardOptions,
): ReadonlyMap<string, FileContent> {
  if (!(maxShardBytes > 0)) {
    throw new RangeError(`maxShardBytes is ${maxShardBytes}, expected a number above 0`);
  }
  const sizeOf = (leaf: Tensor) => rawByteLength(storedType(leaf, options.dtype));
  const groups = groupsOf(tensors, sizeOf, maxShardBytes);
  if (groups.length === 1) return new Map([[WEIGHTS, tensorFile(tensors, options)]]);
  const shards = groups.map((own, i) => [shardName(i + 1, groups.length), own] as const);
  const leaves = [...tensors.values()];
  const total = (amount: (leaf: Tensor) => number) =>
    leaves.reduce((sum, leaf) => sum + amount(leaf), 0);
  const index = {
    metadata: {
      total_parameters: total(({ shape }) => shape.reduce((count, axis) => count * axis, 1)),
      total_size: total(sizeOf),
    },
    weight_map: Object.fromEntries(
      shards.flatMap(([file, own]) => [...own.keys()].map((name) => [name, file])),
    ),
  };
  return new Map<string, FileContent>([
    ...shards.map(([file, own]) => [file, tensorFile(own, options)] as const),
    [`${WEIGHTS}.index.json`, `${JSON.stringify(index, null, 2)}\n`],
  ]);
}
