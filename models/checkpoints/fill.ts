/** Trees whose tensors are read from files, one by one. */
import {
  leafPaths,
  mapTree,
  outline,
  type Tensor,
  tensor,
  type TensorData,
  widenedType,
} from "@unitune/core";
import type { CheckpointSource } from "./source.ts";
import { OTHER_SETTINGS, requireTree } from "./tree_file.ts";
import { placesIn, readTensor, type StoredTensor } from "./weights.ts";

/** How a tree is filled. */
export interface Filling {
  /** The files. */
  readonly source: CheckpointSource;
  /** Makes a tensor of elements, which are not used afterwards, and its name. */
  readonly place: (data: TensorData, name: string) => Tensor;
  /** Whether elements of 16 bits stay so (default false: they are widened to f32). */
  readonly keepsStorage?: boolean;
  /** Whether the elements that stay so have to in the tree as well (default: f32 stands for them). */
  readonly isExact?: boolean;
  /** Whether tensors are outlines, for which no elements are read (default: no). */
  readonly isOutline?: boolean;
  /** Called for each tensor that was read. */
  readonly tell: (stored: StoredTensor) => void;
  /** The remedy for tensors that are not the tree's. */
  readonly remedy: string;
  /** The name of a tensor from its path. */
  readonly nameOf: (path: string) => string;
}

/** Elements as a tensor on the host. */
export function hostTensor({ data, dtype, shape }: TensorData): Tensor {
  return tensor(data, { dtype, shape });
}

/**
 * A tree with the tensors of files in place of its own.
 *
 * @throws {CheckpointError} If the files' tensors are not those of the tree.
 */
export async function fillFrom<T>(
  like: T,
  stored: ReadonlyMap<string, StoredTensor>,
  { source, place, keepsStorage = false, isExact = false, tell, remedy, nameOf, ...others }:
    Filling,
): Promise<T> {
  const { isOutline = false } = others;
  const compared = { keepsStorage: keepsStorage && isExact };
  requireTree(
    like,
    new Map(
      [...stored].map(([name, { dtype, shape }]) => [
        name,
        { dtype: widenedType(dtype, compared), shape },
      ]),
    ),
    remedy,
    nameOf,
  );
  const made = new Map<string, Tensor>();
  for (const path of leafPaths(like).keys()) {
    const name = nameOf(path);
    const own = stored.get(name);
    if (own === undefined) continue;
    const leaf = isOutline
      ? outline({ shape: own.shape, dtype: widenedType(own.dtype, { keepsStorage }) })
      : place(await readTensor(source, own, { keepsStorage }), name);
    made.set(path, leaf);
    tell(own);
  }
  return mapTree(like, (leaf, path) => made.get(path) ?? leaf);
}

/**
 * A tree from a file of `treeFile`, read tensor by tensor.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { encodeTree, filesSource, readTreeFile } from "@unitune/models";
 *
 * const state = { moments: [tensor([0.5, 0.25])] };
 * const source = filesSource(new Map([["state.safetensors", await encodeTree(state)]]));
 * const { moments: [moment] } = await readTreeFile(state, source, "state.safetensors");
 * assertEquals(await moment?.data(), new Float32Array([0.5, 0.25]));
 * ```
 *
 * @param like A tree of the same structure, shapes and element types; its static leaves stay.
 * @param source The files.
 * @param name The name of the file.
 * @param place Makes a tensor of elements (default: one on the host).
 * @returns The tree with the file's tensors.
 * @throws {CheckpointError} If the file's tensors are not the tree's.
 * @throws {SafetensorsError} If the file is truncated or corrupt.
 */
export async function readTreeFile<T>(
  like: T,
  source: CheckpointSource,
  name: string,
  place: (data: TensorData, name: string) => Tensor = hostTensor,
): Promise<T> {
  const places = await placesIn(source, name);
  const stored = new Map([...places].map(([path, own]) => [path, { ...own, file: name }]));
  return await fillFrom(like, stored, {
    ...{ source, place, remedy: OTHER_SETTINGS, keepsStorage: true, isExact: true },
    tell: () => {},
    nameOf: (path) => path,
  });
}
