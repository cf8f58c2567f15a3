/** Gradients of the cases of primitives, for backends that are compared with the reference. */
import { grad } from "@unitune/autodiff";
import { cos, isFloat, sum, type Tensor } from "@unitune/core";
import type { Case, Tolerance } from "./primitives_table.ts";

/** How far the f32 gradients of two backends may differ. */
export const sloped: Tolerance = {
  value: 2e-5,
  reason: "gradients multiply several rounded factors of a size up to 10",
};

/** The gradient of `sum(cos(f(x)))` with respect to the floats of a case. */
export function gradientOf({ apply }: Case): (inputs: readonly Tensor[]) => readonly Tensor[] {
  return (inputs) => {
    const total = (floats: readonly Tensor[]) => {
      const next = floats.values();
      return sum(
        cos(apply(inputs.map((x) => isFloat(x.dtype) ? next.next().value ?? x : x))),
      );
    };
    return grad(total)(inputs.filter(({ dtype }) => isFloat(dtype)));
  };
}
