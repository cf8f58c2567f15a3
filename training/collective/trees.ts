/**
 * Trees of tensors that processes have in common.
 *
 * @module
 */

import { type Device, leafPaths, mapTree, type Tensor, uploaded } from "@unitune/core";
import type { Collective } from "./collective.ts";
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
