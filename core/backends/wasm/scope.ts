/**
 * The scope that code is emitted in: the kernel's locals and constants, and values kept in locals.
 */
import { type Code, local, types } from "./instructions.ts";
import type { Locals } from "./module.ts";

/** A kernel that code is emitted into. */
export interface Scope {
  /** Its locals. */
  readonly locals: Locals;
  /** A float in all lanes, set once before the loops. */
  readonly float: (value: number) => Code;
  /** An integer in all lanes, set once before the loops. */
  readonly word: (value: number) => Code;
  /** `a * b + c`, with one rounding where the machine can. */
  readonly madd: (a: Code, b: Code, c: Code) => Code;
}

/** A vector in a new local. */
export interface Kept {
  /** Sets it. */
  readonly set: Code;
  /** Reads it. */
  readonly get: Code;
  /** Sets it to another value. */
  readonly reset: (value: Code) => Code;
}

/** A vector in a new local: the code that sets it, and the code that reads it. */
export function keep({ locals }: Scope, value: Code): Kept {
  const index = locals.add(types.v128);
  const reset = (value: Code) => local.set(index, value);
  return { set: reset(value), get: local.get(index), reset };
}
