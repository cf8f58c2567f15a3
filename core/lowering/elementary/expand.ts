/** Bodies without the functions that an emitter lacks: in place of each, its steps. */
import { stepKey } from "../body.ts";
import type { Kernel, Lowered, Step, Store } from "../kernels.ts";
import type { ElementaryFunction } from "../operations.ts";
import { at } from "../../shape.ts";
import { elementary, resolve } from "./elementary.ts";
import type { FunctionStep } from "./scalar.ts";

/** A body's steps, and where the values of the original ones are. */
interface Expanded {
  readonly steps: readonly Step[];
  /** The new position of each step. */
  readonly moved: readonly number[];
}

/** Whether an emitter has a function of its own. */
type Has = (op: ElementaryFunction) => boolean;

function expandSteps(steps: readonly Step[], has: Has): Expanded {
  const result: Step[] = [];
  const known = new Map<string, number>();
  const push = (step: Step): number => {
    const key = stepKey(step);
    const position = known.get(key) ?? result.push(step) - 1;
    known.set(key, position);
    return position;
  };
  const inline = (op: ElementaryFunction, operands: readonly number[]): number => {
    const { steps, value } = elementary[op];
    const values = [...operands];
    for (const step of steps) values.push(add(step, values));
    return at(values, value);
  };
  const add = (step: FunctionStep, values: readonly number[]): number => {
    if (step.kind === "constant") return push(step);
    const { kind, dtype, op } = step;
    const operands = step.operands.map((operand) => at(values, operand));
    const resolved = resolve(op, result[at(operands, 0)]?.dtype ?? dtype);
    return resolved.kind === "function" && !has(resolved.op)
      ? inline(resolved.op, operands)
      : push({ kind, dtype, op, operands });
  };
  const moved: number[] = [];
  for (const step of steps) {
    switch (step.kind) {
      case "load":
      case "constant":
      case "index":
        moved.push(push(step));
        break;
      case "random": {
        const operands = step.operands.map((operand) => at(moved, operand));
        if (has("threefry")) moved.push(push({ ...step, operands }));
        else {
          const position = push({ kind: "index", dtype: "u32", at: step.at });
          moved.push(inline("threefry", [position, ...operands]));
        }
        break;
      }
      case "apply":
        moved.push(add(step, moved));
        break;
      default:
        step satisfies never;
    }
  }
  return { steps: result, moved };
}

function expandBody<
  B extends { readonly steps: readonly Step[]; readonly stores: readonly Store[] },
>(
  body: B,
  has: Has,
): B {
  const { steps, moved } = expandSteps(body.steps, has);
  const stores = body.stores.map((store) => ({ ...store, value: at(moved, store.value) }));
  return { ...body, steps, stores };
}

function expandKernel(kernel: Kernel, has: Has): Kernel {
  switch (kernel.kind) {
    case "map":
      return expandBody(kernel, has);
    case "reduce": {
      const { steps, moved } = expandSteps(kernel.steps, has);
      return { ...kernel, steps, value: at(moved, kernel.value) };
    }
    case "matmul":
      return kernel.epilogue === undefined
        ? kernel
        : { ...kernel, epilogue: expandBody(kernel.epilogue, has) };
    default:
      return kernel;
  }
}

/**
 * The same kernels, with the functions in their bodies taken apart until only native operations are
 * left, and functions that the emitter has. Threefry is among them: in place of a step `random` stand
 * its position and the rounds.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { exp, graphOf, tensor } from "@unitune/core";
 * import { expand, lower } from "@unitune/core/backend";
 *
 * const lowered = lower(graphOf(exp, [tensor([1, 2])]));
 * const ops = ({ kernels: [kernel] }: typeof lowered) =>
 *   kernel?.kind === "map" ? kernel.steps.map((step) => "op" in step ? step.op : step.kind) : [];
 * assertEquals(ops(lowered), ["load", "exp"]);
 * assertEquals(ops(expand(lowered)).includes("multiplyAdd"), true);
 * ```
 *
 * @param lowered The kernels.
 * @param has Whether the emitter has a function (default: it has none).
 * @returns Kernels whose steps apply native operations, and functions that the emitter has.
 */
export function expand(
  lowered: Lowered,
  has: (op: ElementaryFunction) => boolean = () => false,
): Lowered {
  return { ...lowered, kernels: lowered.kernels.map((kernel) => expandKernel(kernel, has)) };
}
