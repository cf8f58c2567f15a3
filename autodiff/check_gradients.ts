/** Gradients against central differences. */
import {
  add,
  compile,
  isFloat,
  leafPaths,
  leavesOf,
  mul,
  reference,
  replaceLeaves,
  type Shape,
  sizeOf,
  sum,
  type Tensor,
  tensor,
} from "@unitune/core";
import { grad } from "./vjp.ts";

/** Options of the check. */
export interface CheckOptions {
  /** 1 for gradients, 2 for gradients of gradients as well (default 1). */
  readonly order?: 1 | 2;
  /** The step h of the differences (default 1e-5). */
  readonly step?: number;
  /**
   * The largest `|gradient - difference| / max(1, |difference|)` (default 1e-6). The
   * differences are off by about `h^2 |f'''| / 6` (1e-11) and by rounding, `1e-16 |f| / h` (1e-11).
   */
  readonly tolerance?: number;
}

/** Fixed weights that are neither equal nor in a line, so that errors do not cancel in a sum. */
function weights(shape: Shape): Tensor {
  const values = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i + 1));
  return tensor(values, { shape, dtype: "f64" });
}

/** The weighted sum of all floats of a tree. */
function weightedSum(tree: unknown): Tensor {
  const floats = leavesOf(tree).filter(({ dtype }) => isFloat(dtype));
  const sums = floats.map((leaf) => sum(mul(leaf, weights(leaf.shape))));
  if (sums.length === 0) throw new TypeError("checkGradients: the function gives no float tensor");
  return sums.reduce((total, part) => add(total, part));
}

/**
 * Checks gradients against central differences `(f(x + h) - f(x - h)) / 2h`, element by element, in
 * f64 on the reference backend. A result of more than one element is checked through a weighted sum
 * of its elements, and a gradient of order 2 as the gradient of the weighted gradient.
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { exp, floor, type Tensor, tensor } from "@unitune/core";
 * import { checkGradients, customVjp } from "@unitune/autodiff";
 *
 * const x = tensor([0.5, -1]);
 * await checkGradients((x: Tensor) => exp(x), x, { order: 2 });
 * const wrong = customVjp((x: Tensor) => exp(x), (_, cotangent) => floor(cotangent));
 * await assertRejects(() => checkGradients(wrong, x), Error, "central differences");
 * ```
 *
 * @param f A pure function of a tree of tensors to a tree of tensors, smooth near x.
 * @param x The point; float tensors only, taken as f64.
 * @param options The order, the step and the tolerance.
 * @throws {Error} If a gradient differs; names the element that differs most.
 */
export async function checkGradients<T>(
  f: (x: T) => unknown,
  x: T,
  { order = 1, step = 1e-5, tolerance = 1e-6 }: CheckOptions = {},
): Promise<void> {
  const points = await Promise.all(
    leavesOf(x).map(async (leaf) => {
      return isFloat(leaf.dtype)
        ? tensor(await leaf.data(), { shape: leaf.shape, dtype: "f64" })
        : leaf;
    }),
  );
  const paths = [...leafPaths(x).keys()];
  const device = reference();
  const scalar = (at: T) => weightedSum(f(at));
  // Programs of the reference hold nothing that has to be given back.
  const value = compile(scalar, { device });
  const gradient = compile(grad(scalar), { device });

  const found = leavesOf(gradient(replaceLeaves(x, points)));
  let worst = { error: 0, message: "" };
  for (const [leaf, point] of points.entries()) {
    const elements = await point.data();
    const derivatives = await found[leaf]?.data() ?? [];
    const valueAt = (index: number, moved: number) => {
      const near = tensor(elements.with(index, moved), point);
      return value(replaceLeaves(x, points.with(leaf, near))).item();
    };
    for (const [index, element] of elements.entries()) {
      const [above, below] = [element + step, element - step];
      const rise = await valueAt(index, above) - await valueAt(index, below);
      const difference = rise / (above - below);
      const derivative = derivatives[index] ?? NaN;
      const distance = Math.abs(derivative - difference) / Math.max(1, Math.abs(difference));
      const error = Number.isNaN(distance) ? Infinity : distance;
      if (error > worst.error) {
        worst = {
          error,
          message: `element ${index} of ${paths[leaf] || "x"} has gradient ${derivative}, ` +
            `by central differences ${difference}`,
        };
      }
    }
  }
  if (worst.error > tolerance) {
    throw new Error(
      `checkGradients: ${worst.message}; the relative error ${worst.error.toExponential(1)} ` +
        `is above the tolerance ${tolerance.toExponential(1)}`,
    );
  }
  if (order === 2) await checkGradients(grad(scalar), x, { step, tolerance });
}
