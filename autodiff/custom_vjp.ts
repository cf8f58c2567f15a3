/** Functions with a gradient of their own. */
import {
  applyAll,
  isFloat,
  leavesOf,
  replaceLeaves,
  ShapeError,
  showShape,
  type Tensor,
} from "@unitune/core";
import { cotangentLeaves } from "./pull.ts";
import { closedOver, recordCall, replay, resolve } from "./record.ts";
import type { CustomVjpRule } from "./rules.ts";

/** The call that a backward function differentiates. */
export interface Residuals<T, R> {
  /** The argument. */
  readonly x: T;
  /** The value `f(x)`. */
  readonly value: R;
}

/**
 * Tensors whose cotangents go to operands by a backward function: one call of it for all.
 *
 * @throws {ShapeError} If there are no tensors, or one of them has no gradient.
 */
export function withBackward(
  name: string,
  values: readonly Tensor[],
  operands: readonly Tensor[],
  backward: CustomVjpRule["backward"],
): readonly Tensor[] {
  const other = values.find(({ dtype }) => !isFloat(dtype));
  if (values.length === 0 || other !== undefined) {
    throw new ShapeError(
      `${name}: got a result of ${other?.dtype ?? "no tensors"}; expected floats`,
    );
  }
  const rule: CustomVjpRule = { name, backward };
  return applyAll("customVjp", [...values, ...operands], { rule, values: values.length });
}

/**
 * A function with a gradient of its own: for derivatives that have a better form than the one from
 * the steps, or that are meant to differ from it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { floor, mul, sum, type Tensor, tensor } from "@unitune/core";
 * import { customVjp, grad } from "@unitune/autodiff";
 *
 * // Rounds down, and passes the gradient through unchanged (straight-through).
 * const straightThrough = customVjp((x: Tensor) => floor(x), (_, cotangent) => cotangent);
 * const f = (x: Tensor) => sum(mul(straightThrough(x), 3));
 * assertEquals(await f(tensor([1.5])).item(), 3);
 * assertEquals(await grad(f)(tensor([1.5])).data(), new Float32Array([3]));
 * ```
 *
 * @param f A pure function of a tree of tensors to a tree of floats.
 * @param backward From argument, value and a cotangent of the value to a cotangent of the argument.
 * It is linear in the cotangent and made of operations, so that it has gradients itself; its
 * results for tensors of the argument that are no floats are ignored.
 * @returns The function. A call throws an Error if f uses a tensor that is being differentiated and
 * is not in its argument, since no gradient would reach it.
 */
export function customVjp<T, R>(
  f: (x: T) => R,
  backward: (residuals: Residuals<T, R>, cotangent: R) => T,
): (x: T) => R {
  const name = f.name || "customVjp";
  return (x) => {
    const leaves = leavesOf(x);
    const { result, recording } = recordCall(f, x);
    const [free] = closedOver(recording);
    if (free !== undefined) {
      throw new Error(
        `customVjp: ${name} closes over a tensor of shape ${showShape(free.shape)} that is being ` +
          `differentiated, which no gradient would reach: make it part of the argument`,
      );
    }
    const slots = replay(recording, leaves);
    const values = recording.results.map((source) => resolve(source, slots));
    const attached = withBackward(name, values, leaves, (operands, results, cotangents) => {
      const residuals = { x: replaceLeaves(x, operands), value: replaceLeaves(result, results) };
      const cotangent = backward(residuals, replaceLeaves(result, cotangents));
      return cotangentLeaves(`customVjp: the backward function of ${name}`, x, cotangent);
    });
    return replaceLeaves(result, attached);
  };
}
