/**
 * The operations of loop bodies on four elements: instructions for native ones, steps in line for
 * elementary functions, except the functions that `math.ts` has a better way for.
 */
import type { ComputedDType, DType } from "../../dtype.ts";
import { elementary, resolve } from "../../lowering/elementary/elementary.ts";
import type { FunctionStep, ScalarFunction } from "../../lowering/elementary/scalar.ts";
import type {
  ElementaryFunction,
  NativeOperation,
  ScalarOperation,
} from "../../lowering/operations.ts";
import { at } from "../../shape.ts";
import { branch, type Code, f32x4, i32, i32x4, local, types, v128 } from "./instructions.ts";
import { lanes, overrides } from "./math.ts";
import { keep, type Scope } from "./scope.ts";

const c = f32x4.const;
const word = (value: number): Code => i32x4.const(value, value, value, value);

/** A truth value in a vector: all bits of a lane, so that it selects; in memory it is 0 or 1. */
export function fromMemory(dtype: DType, x: Code): Code {
  return dtype === "bool" ? i32x4.ne(x, word(0)) : x;
}

/** A vector as it is stored. */
export function toMemory(dtype: DType, x: Code): Code {
  return dtype === "bool" ? v128.and(x, word(1)) : x;
}

/** The word that holds an integer, or a truth value, in a lane. */
const wordOf = (dtype: DType, value: number): number =>
  dtype === "bool" && value !== 0 ? -1 : value | 0;

/** A constant of an element type in all lanes. */
export function constantVector(dtype: DType, value: number): Code {
  if (dtype === "f32") return c(value);
  return word(wordOf(dtype, value));
}

/** The operands of an operation. */
export interface VectorOperand {
  /** A vector; code that is cheap to repeat. */
  readonly code: Code;
  readonly dtype: ComputedDType;
  /** The number that it is, if that is known. */
  readonly constant?: number | undefined;
}

type Emit = (x: readonly VectorOperand[], result: ComputedDType, scope: Scope) => Code;

function operand(x: readonly VectorOperand[], index: number): VectorOperand {
  const found = x[index];
  if (found === undefined) throw new RangeError(`operand ${index} is missing`);
  return found;
}

type Form = (...x: Code[]) => Code;

/** An operation by element type; truth values are words. */
function byType(
  forms: { readonly f32?: Form; readonly i32?: Form; readonly u32?: Form },
): Emit {
  return (x) => {
    const { dtype } = operand(x, 0);
    const form = dtype === "f32" ? forms.f32 : dtype === "u32" ? forms.u32 ?? forms.i32 : forms.i32;
    if (form === undefined) throw new Error(`no code for ${dtype}`);
    // deno-lint-ignore unitune/no-spread-of-data -- operands of an instruction
    return form(...x.map(({ code }) => code));
  };
}

/** Conversions by the operand's type, then by the result's. */
type Conversions = Readonly<
  Record<ComputedDType, Readonly<Record<ComputedDType, (x: Code) => Code>>>
>;

const conversions: Conversions = (() => {
  const same = (x: Code): Code => x;
  const truth = (x: Code): Code => i32x4.ne(x, word(0));
  const one = (x: Code): Code => v128.and(x, word(1));
  const none = (): Code => {
    throw new Error("the wasm backend computes in f32; use the reference backend for f64");
  };
  const f64 = { f32: none, f64: none, i32: none, u32: none, bool: none };
  return {
    f32: {
      f32: same,
      f64: none,
      i32: i32x4.truncSatF32x4S,
      u32: i32x4.truncSatF32x4U,
      bool: (x) => f32x4.ne(x, c(0)),
    },
    i32: { f32: f32x4.convertI32x4S, f64: none, i32: same, u32: same, bool: truth },
    u32: { f32: f32x4.convertI32x4U, f64: none, i32: same, u32: same, bool: truth },
    bool: { f32: (x) => v128.and(x, c(1)), f64: none, i32: one, u32: one, bool: same },
    f64,
  };
})();

/** A vector of integers as another element type. */
export function fromIntegers(x: Code, dtype: ComputedDType): Code {
  return conversions.i32[dtype](x);
}

/** Division of unsigned integers by a power of two is a shift. */
const divide: Emit = (x, _, scope) => {
  const [a, b] = [operand(x, 0), operand(x, 1)];
  if (a.dtype === "f32") return f32x4.div(a.code, b.code);
  const shift = b.constant === undefined ? NaN : Math.log2(b.constant);
  if (a.dtype === "u32" && Number.isInteger(shift)) return i32x4.shrU(a.code, i32.const(shift));
  return lanes[a.dtype === "u32" ? "divU" : "divS"](scope, a.code, b.code);
};

/** A shift of all lanes alike, or by lanes where their numbers of bits may differ. */
function shift(
  alike: (x: Code, bits: Code) => Code,
  byLanes: "shl" | "shrS" | "shrU",
): Emit {
  return (x, _, scope) => {
    const [a, b] = [operand(x, 0), operand(x, 1)];
    return b.constant === undefined
      ? lanes[byLanes](scope, a.code, b.code)
      : alike(a.code, i32.const(b.constant));
  };
}

const shiftRight = { u32: shift(i32x4.shrU, "shrU"), i32: shift(i32x4.shrS, "shrS") } as const;

const natives: { readonly [O in NativeOperation]: Emit } = {
  neg: byType({ f32: f32x4.neg, i32: i32x4.neg }),
  abs: byType({ f32: f32x4.abs, i32: i32x4.abs, u32: (x: Code) => x }),
  sign: byType({
    f32: (x: Code) =>
      v128.bitselect(
        f32x4.sub(v128.and(f32x4.gt(x, c(0)), c(1)), v128.and(f32x4.lt(x, c(0)), c(1))),
        x,
        f32x4.eq(x, x),
      ),
    i32: (x: Code) => i32x4.sub(i32x4.gtS(word(0), x), i32x4.gtS(x, word(0))),
    u32: (x: Code) => v128.and(i32x4.ne(x, word(0)), word(1)),
  }),
  floor: byType({ f32: f32x4.floor }),
  sqrt: byType({ f32: f32x4.sqrt }),
  not: byType({ i32: v128.not }),
  cast: (x, result) => {
    const { code, dtype } = operand(x, 0);
    return conversions[dtype][result](code);
  },
  bitcast: (x) => operand(x, 0).code,
  add: byType({ f32: f32x4.add, i32: i32x4.add }),
  sub: byType({ f32: f32x4.sub, i32: i32x4.sub }),
  mul: byType({ f32: f32x4.mul, i32: i32x4.mul }),
  div: divide,
  rem: (x, _, scope) => {
    const [a, b] = [operand(x, 0), operand(x, 1)];
    return lanes[a.dtype === "u32" ? "remU" : "remS"](scope, a.code, b.code);
  },
  multiplyAdd: (x, _, { madd }) => madd(operand(x, 0).code, operand(x, 1).code, operand(x, 2).code),
  maximum: byType({ f32: f32x4.max, i32: i32x4.maxS, u32: i32x4.maxU }),
  minimum: byType({ f32: f32x4.min, i32: i32x4.minS, u32: i32x4.minU }),
  atLeast: byType({ f32: f32x4.pmax }),
  atMost: byType({ f32: f32x4.pmin }),
  equal: byType({ f32: f32x4.eq, i32: i32x4.eq }),
  less: byType({ f32: f32x4.lt, i32: i32x4.ltS, u32: i32x4.ltU }),
  lessEqual: byType({ f32: f32x4.le, i32: i32x4.leS, u32: i32x4.leU }),
  and: byType({ i32: v128.and }),
  or: byType({ i32: v128.or }),
  xor: byType({ i32: v128.xor }),
  shiftLeft: shift(i32x4.shl, "shl"),
  shiftRight: (x, result, scope) =>
    shiftRight[operand(x, 0).dtype === "u32" ? "u32" : "i32"](x, result, scope),
  leadingZeros: (x, _, scope) => lanes.clz(scope, operand(x, 0).code),
  where: (x) => {
    const [condition, then, otherwise] = [operand(x, 0), operand(x, 1), operand(x, 2)];
    // A 0 has no bits, but -0 has.
    return Object.is(otherwise.constant, 0)
      ? v128.and(condition.code, then.code)
      : v128.bitselect(then.code, otherwise.code, condition.code);
  },
};

/**
 * The number of places at which the code of each value of a function may stand, parameters
 * included.
 */
function usesOf({ parameters, steps, value }: ScalarFunction): number[] {
  const dtypes = [...parameters, ...steps.map(({ dtype }) => dtype)];
  const uses = dtypes.map(() => 0);
  const use = (number: number, times: number) => void (uses[number] = at(uses, number) + times);
  for (const step of steps) {
    if (step.kind === "constant") continue;
    const [first] = step.operands;
    const { kind } = resolve(step.op, first === undefined ? step.dtype : at(dtypes, first));
    // Functions may repeat their operands.
    for (const operand of step.operands) use(operand, kind === "function" ? 2 : 1);
    // A condition is tested, and selects afterwards.
    if (step.onlyIf !== undefined) use(step.onlyIf, 1);
  }
  use(value, 1);
  return uses;
}

/** Steps in line: steps used once stand where they are used, others in locals before. */
function inline(definition: ScalarFunction, scope: Scope, x: readonly VectorOperand[]): Code {
  const uses = usesOf(definition);
  const before: Code[] = [];
  const values: VectorOperand[] = [...x];
  const valueOf = (step: FunctionStep, number: number): VectorOperand => {
    const { dtype } = step;
    if (step.kind === "constant") {
      const { value } = step;
      return {
        // Made where it is used: numbers of bits, for one, are part of the instruction.
        get code() {
          if (dtype === "f32") return scope.float(value);
          return scope.word(wordOf(dtype, value));
        },
        dtype,
        constant: value,
      };
    }
    const code = applied(step, step.operands.map((index) => operand(values, index)), scope);
    if (step.onlyIf !== undefined) {
      // Computed if one of four lanes needs it.
      const result = scope.locals.add(types.v128);
      const condition = v128.anyTrue(operand(values, step.onlyIf).code);
      before.push(branch(condition, local.set(result, code)));
      return { code: local.get(result), dtype };
    }
    if (uses[number] === 1) return { code, dtype };
    const kept = keep(scope, code);
    before.push(kept.set);
    return { code: kept.get, dtype };
  };
  for (const step of definition.steps) values.push(valueOf(step, values.length));
  return [before, operand(values, definition.value).code];
}

/** An elementary function of vectors, which are cheap to repeat. */
export function callFunction(op: ElementaryFunction, scope: Scope, x: readonly Code[]): Code {
  const override = overrides[op];
  // deno-lint-ignore unitune/no-spread-of-data -- operands of a function
  if (override !== undefined) return override(scope, ...x);
  const definition = elementary[op];
  return inline(
    definition,
    scope,
    x.map((code, i) => ({ code, dtype: definition.parameters[i] ?? definition.dtype })),
  );
}

/** An operation with the element type of its result, applied to operands. */
export function applied(
  { op, dtype }: { readonly op: ScalarOperation; readonly dtype: ComputedDType },
  x: readonly VectorOperand[],
  scope: Scope,
): Code {
  const resolved = resolve(op, operand(x, 0).dtype);
  return resolved.kind === "function"
    ? callFunction(resolved.op, scope, x.map(({ code }) => code))
    : natives[resolved.op](x, dtype, scope);
}
