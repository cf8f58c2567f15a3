/**
 * The tensors of a tree, shared out among processes.
 *
 * @module
 */

import { leafPaths, sizeOf } from "@unitune/core";

/** The process that a tensor belongs to, by the tensor's path. */
export type Owners = ReadonlyMap<string, number>;

/**
 * Shares out the tensors of a tree as evenly as whole tensors allow: the largest first, each to the
 * process that has the fewest elements by then (Graham, "Bounds on multiprocessing timing anomalies",
 * 1969: at most 4/3 of the best).
 *
 * @param tree A tree of tensors, of which the shapes count.
 * @param size The number of processes.
 * @returns The owner of each tensor; of equal processes the first, of equal tensors the first first.
 *
 * @example
 * ```ts
 * import { ownersOf } from "@unitune/training";
 * import { zeros } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * const tree = { a: zeros([2]), b: zeros([5]), c: zeros([4]) };
 * assertEquals([...ownersOf(tree, 2)], [["b", 0], ["c", 1], ["a", 1]]);
 * ```
 */
export function ownersOf(tree: unknown, size: number): Owners {
  const elements = new Float64Array(size);
  const largestFirst = [...leafPaths(tree)]
    .map(([path, { shape }]) => ({ path, count: sizeOf(shape) }))
    .toSorted((a, b) => b.count - a.count);
  return new Map(largestFirst.map(({ path, count }) => {
    const owner = elements.reduce(
      (least, own, rank) => own < (elements[least] ?? NaN) ? rank : least,
      0,
    );
    elements[owner] = (elements[owner] ?? NaN) + count;
    return [path, owner] as const;
  }));
}
