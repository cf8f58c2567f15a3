/**
 * Trees of tensors that processes have in common.
 *
 * @module
 */

import {
  decodeSafetensors,
  type Device,
  fromRawTensor,
  leafPaths,
  mapTree,
  type Tensor,
  tensor,
  type TensorData,
  uploaded,
} from "@unitune/core";
import { encodeTree } from "@unitune/models";
import type { Collective } from "./collective.ts";
import type { Owners } from "./owners.ts";
import type { Floats } from "./vector.ts";

/**
 * The sums of a tree's numbers over all processes. What is no floating-point number stays as this
 * process has it.
 *
 * @param collective The processes.
 * @param tree A tree, of the same shapes in each process. Its summed tensors are given away.
 * @param device The device of the sums.
 * @returns The sums.
 * @throws {RangeError} If a tensor has a type of storage.
 *
 * @example
 * ```ts
 * import { allReduceTree, collectivesInMemory } from "@unitune/training";
 * import { reference, tensor } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const device = reference();
 * const sums = collectivesInMemory(2).map(async (collective) => {
 *   const { loss } = await allReduceTree(collective, { loss: tensor(collective.rank + 1) }, device);
 *   return await loss.item();
 * });
 * assertEquals(await Promise.all(sums), [3, 3]);
 * ```
 */
export async function allReduceTree<T>(
  collective: Collective,
  tree: T,
  device: Device,
): Promise<T> {
  const read = new Map<string, Floats>();
  for (const [path, leaf] of leafPaths(tree)) {
    const numbers = await floatsIn(leaf);
    if (numbers === undefined) continue;
    read.set(path, numbers);
    leaf[Symbol.dispose]();
  }
  await collective.allReduce([...read.values()]);
  return mapTree(tree, (leaf, path) => {
    const data = read.get(path);
    if (data === undefined) return leaf;
    return uploaded({ dtype: leaf.dtype, shape: leaf.shape, data }, device);
  });
}

/** The numbers of a tensor, if they are floating-point numbers. */
async function floatsIn(leaf: Tensor): Promise<Floats | undefined> {
  if (leaf.dtype === "bf16" || leaf.dtype === "f16") {
    throw new RangeError(`allReduceTree: ${leaf.dtype} is a type of storage: cast it to f32`);
  }
  const data = await leaf.data();
  return data instanceof Float32Array || data instanceof Float64Array ? data : undefined;
}

/**
 * A tree in which each process has the tensors of their owners.
 *
 * @param collective The processes.
 * @param tree A tree, of the same shapes in each process. The tensors of other owners are given away.
 * @param owners The owner of each tensor.
 * @param device The device of what others own.
 * @returns The tree, the same in each process.
 *
 * @example
 * ```ts
 * import { allGatherTree, collectivesInMemory } from "@unitune/training";
 * import { reference, tensor } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const owners = new Map([["a", 0], ["b", 1]]);
 * const trees = collectivesInMemory(2).map(async (collective) => {
 *   const own = { a: tensor(10 + collective.rank), b: tensor(20 + collective.rank) };
 *   const { a, b } = await allGatherTree(collective, own, owners, reference());
 *   return [await a.item(), await b.item()];
 * });
 * assertEquals(await Promise.all(trees), [[10, 21], [10, 21]]);
 * ```
 */
export async function allGatherTree<T>(
  collective: Collective,
  tree: T,
  owners: Owners,
  device: Device,
): Promise<T> {
  const isOwn = (path: string) => owners.get(path) === collective.rank;
  const own = Object.fromEntries([...leafPaths(tree)].filter(([path]) => isOwn(path)));
  const told = tensorsIn(await collective.allGather(await encodeTree(own)));
  return mapTree(tree, (leaf, path) => {
    if (isOwn(path)) return leaf;
    leaf[Symbol.dispose]();
    return uploaded(told(path), device);
  });
}

/**
 * A tree of which each process has some tensors, made whole in the first.
 *
 * @param collective The processes.
 * @param own What this one has: tensors at the paths that they have in the whole tree.
 * @param like The whole tree, in outlines.
 * @returns The whole tree on the host in the first process; `like` in the others.
 * @throws {RangeError} If nobody has a tensor of the whole tree.
 *
 * @example
 * ```ts
 * import { collectivesInMemory, gatherTree } from "@unitune/training";
 * import { outline, tensor } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const like = { a: outline(tensor(0)), b: outline(tensor(0)) };
 * const [first] = await Promise.all(collectivesInMemory(2).map((collective) =>
 *   gatherTree(collective, collective.rank === 0 ? { a: tensor(1) } : { b: tensor(2) }, like)
 * ));
 * assertEquals([await first?.a.item(), await first?.b.item()], [1, 2]);
 * ```
 */
export async function gatherTree<T>(collective: Collective, own: unknown, like: T): Promise<T> {
  const told = tensorsIn(await collective.gather(await encodeTree(own)));
  if (collective.rank > 0) return like;
  return mapTree(like, (_, path) => {
    const { data, dtype, shape } = told(path);
    return tensor(data, { dtype, shape });
  });
}

/** The elements of tensors in some files, by path, each decoded when it is asked for. */
function tensorsIn(files: readonly Uint8Array[]): (path: string) => TensorData {
  const raw = new Map(
    files.flatMap((bytes) => bytes.length === 0 ? [] : [...decodeSafetensors(bytes).tensors]),
  );
  return (path) => {
    const found = raw.get(path);
    if (found === undefined) throw new RangeError(`no process has the tensor ${path}`);
    return fromRawTensor(found, { keepsStorage: true });
  };
}
