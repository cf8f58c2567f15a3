/** A transform of some of the parameters. */
import { full, mapTree } from "@unitune/core";
import { partition } from "./partition.ts";
import { type GradientTransform, type ParameterMask, stateless } from "./transform.ts";

/** Updates that leave parameters as they are: `x + -0` is x for every x, and `-0 + 0` would be 0. */
const still = stateless((updates) =>
  mapTree(updates, ({ shape, dtype }) => full(shape, -0, dtype))
);

/**
 * A transform for the parameters that a mask chooses, which alone have a state; the others keep their
 * values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { masked, sgd } from "@unitune/autodiff";
 *
 * const onlyW = masked((path) => path === "w", sgd(0.5));
 * const params = { w: tensor([4]), b: tensor([4]) };
 * const { updates } = onlyW.update(params, onlyW.init(params), params);
 * assertEquals([await updates.w.item(), await updates.b.item()], [-2, -0]);
 * ```
 *
 * @param mask Chooses parameters by their path and shape.
 * @param transform The transform of the chosen parameters, which it sees as a record by their paths.
 * @returns The transform; its state is that of `transform` for the chosen parameters.
 */
export function masked<S>(
  mask: ParameterMask,
  transform: GradientTransform<S>,
): GradientTransform<S> {
  const parts = partition(mask, transform, still);
  return {
    init: (params) => parts.init(params).chosen,
    update(updates, chosen, params) {
      const updated = parts.update(updates, { chosen, others: {} }, params);
      return { updates: updated.updates, state: updated.state.chosen };
    },
  };
}
