/** Different transforms for different parameters. */
import { leafPaths, mapTree, type Tensor } from "@unitune/core";
import type { ByPath, GradientTransform, ParameterMask } from "./transform.ts";

/** The states of {@linkcode partition}. */
export interface PartitionState<S, T> {
  /** Of the transform of the chosen parameters. */
  readonly chosen: S;
  /** Of the transform of the others. */
  readonly others: T;
}

/**
 * One transform for the parameters that a mask chooses, another for the rest. Each sees its own
 * parameters only, as a record by their paths.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { onlyMatrices, partition, scale } from "@unitune/autodiff";
 *
 * const doubled = partition(onlyMatrices, scale(2), scale(1));
 * const params = { w: tensor([[4]]), b: tensor([4]) };
 * const { updates } = doubled.update(params, doubled.init(params), params);
 * assertEquals([await updates.w.item(), await updates.b.item()], [8, 4]);
 * ```
 *
 * @param mask Chooses parameters by their path and shape.
 * @param chosen The transform of the chosen parameters.
 * @param others The transform of the others.
 * @returns The transform.
 */
export function partition<S, T>(
  mask: ParameterMask,
  chosen: GradientTransform<S>,
  others: GradientTransform<T>,
): GradientTransform<PartitionState<S, T>> {
  const partOf = (tree: unknown, params: unknown, isChosen: boolean): ByPath => {
    const masked = leafPaths(params);
    return Object.fromEntries(
      [...leafPaths(tree)].filter(([path, leaf]) =>
        mask(path, masked.get(path) ?? leaf) === isChosen
      ),
    );
  };
  return {
    init: (params) => ({
      chosen: chosen.init(partOf(params, params, true)),
      others: others.init(partOf(params, params, false)),
    }),
    update(updates, state, params) {
      const run = <U>(transform: GradientTransform<U>, own: U, isChosen: boolean) =>
        transform.update(
          partOf(updates, params, isChosen),
          own,
          partOf(params, params, isChosen),
        );
      const [first, second] = [run(chosen, state.chosen, true), run(others, state.others, false)];
      const changed: Readonly<Record<string, Tensor>> = { ...first.updates, ...second.updates };
      return {
        updates: mapTree(updates, (leaf, path) => changed[path] ?? leaf),
        state: { chosen: first.state, others: second.state },
      };
    },
  };
}
