/** Every elementary function in steps. */
import type { ComputedDType } from "../../dtype.ts";
import type { ElementaryFunction, NativeOperation, ScalarOperation } from "../operations.ts";
import { circulars } from "./circular.ts";
import { exponentials } from "./exponential.ts";
import { logarithms } from "./logarithm.ts";
import { powers } from "./power.ts";
import { rationals } from "./rational.ts";
import { remainders } from "./remainder.ts";
import type { ScalarFunction } from "./scalar.ts";
import { storages } from "./storage.ts";
import { generators } from "./threefry.ts";

/** The functions in steps, each of native operations and of other functions of the table. */
export const elementary: { readonly [F in ElementaryFunction]: ScalarFunction } = {
  ...exponentials,
  ...logarithms,
  ...rationals,
  ...circulars,
  ...powers,
  ...remainders,
  ...storages,
  ...generators,
};

/** An operation as emitters look it up: one that all of them have, or a function of the table. */
export type Resolved =
  | { readonly kind: "native"; readonly op: NativeOperation }
  | { readonly kind: "function"; readonly op: ElementaryFunction };

function isFunction(op: ScalarOperation): op is ElementaryFunction {
  return Object.hasOwn(elementary, op);
}

/**
 * An operation on operands of a type: the remainder of floats is a function, the remainder of
 * integers native.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { resolve } from "@unitune/core/backend";
 *
 * assertEquals(resolve("rem", "i32"), { kind: "native", op: "rem" });
 * assertEquals(resolve("rem", "f32"), { kind: "function", op: "remainder" });
 * ```
 *
 * @param op The operation.
 * @param dtype The element type of its first operand.
 * @returns The operation that an emitter looks up.
 */
export function resolve(op: ScalarOperation, dtype: ComputedDType): Resolved {
  if (op === "rem" && dtype === "f32") return { kind: "function", op: "remainder" };
  return isFunction(op) ? { kind: "function", op } : { kind: "native", op };
}
