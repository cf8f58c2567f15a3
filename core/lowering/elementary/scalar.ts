/**
 * A language for functions of single elements: expressions of native operations and of other
 * functions, and the lists of steps made of them.
 *
 * Each operation is rounded to f32 by itself, as IEEE 754 has it. An emitter whose compiler is free to
 * rearrange sums overrides the functions whose documentation says that they rest on roundings.
 */
import type { ComputedDType } from "../../dtype.ts";
import type { ElementaryFunction, NativeOperation, ScalarOperation } from "../operations.ts";

/** An expression whose value is of an element type. */
export interface Scalar<D extends ComputedDType = ComputedDType> {
  readonly dtype: D;
  readonly node:
    | { readonly kind: "parameter" }
    | { readonly kind: "constant"; readonly value: number }
    | {
      readonly kind: "apply";
      readonly op: ScalarOperation;
      readonly operands: readonly Scalar[];
      readonly onlyIf?: Scalar<"bool">;
    };
}

/** An operand; a number is a constant of the other operand's type. */
export type ScalarOperand<D extends ComputedDType> = Scalar<D> | number;

/** One value of a function; operands are parameters, by their number, or steps after them. */
export type FunctionStep =
  /** One number. */
  | { readonly kind: "constant"; readonly dtype: ComputedDType; readonly value: number }
  /** An operation on earlier values. */
  | {
    readonly kind: "apply";
    readonly dtype: ComputedDType;
    readonly op: ScalarOperation;
    readonly operands: readonly number[];
    /**
     * The condition under which the result is used; where it is false, the result may be anything.
     */
    readonly onlyIf?: number;
  };

/** A function of elements as steps. */
export interface ScalarFunction {
  /** The element types of the parameters. */
  readonly parameters: readonly ComputedDType[];
  readonly steps: readonly FunctionStep[];
  /** The value that is the result. */
  readonly value: number;
  /** The element type of the result. */
  readonly dtype: ComputedDType;
}

/** A parameter. */
export function parameter<D extends ComputedDType>(dtype: D): Scalar<D> {
  return { dtype, node: { kind: "parameter" } };
}

/** A number; of floats, the nearest that f32 holds. */
export function constant<D extends ComputedDType>(dtype: D, value: number): Scalar<D> {
  return { dtype, node: { kind: "constant", value: dtype === "f32" ? Math.fround(value) : value } };
}

function lift<D extends ComputedDType>(dtype: D, x: ScalarOperand<D>): Scalar<D> {
  return typeof x === "number" ? constant(dtype, x) : x;
}

function apply<D extends ComputedDType>(
  op: NativeOperation,
  dtype: D,
  ...operands: readonly Scalar[]
): Scalar<D> {
  return { dtype, node: { kind: "apply", op, operands } };
}

type Unary = <D extends ComputedDType>(x: Scalar<D>) => Scalar<D>;
type Binary = <D extends ComputedDType>(a: Scalar<D>, b: ScalarOperand<NoInfer<D>>) => Scalar<D>;
type Comparison = <D extends ComputedDType>(
  a: Scalar<D>,
  b: ScalarOperand<NoInfer<D>>,
) => Scalar<"bool">;
type Integer = "i32" | "u32";
type Shift = <D extends Integer>(x: Scalar<D>, by: ScalarOperand<"u32">) => Scalar<D>;

const unary = (op: NativeOperation): Unary => (x) => apply(op, x.dtype, x);
const binary = (op: NativeOperation): Binary => (a, b) => apply(op, a.dtype, a, lift(a.dtype, b));
const comparison = (op: NativeOperation): Comparison => (a, b) =>
  apply(op, "bool", a, lift(a.dtype, b));
const shift = (op: NativeOperation): Shift => (x, by) => apply(op, x.dtype, x, lift("u32", by));

export const neg: Unary = unary("neg");
export const abs: Unary = unary("abs");
export const floor: Unary = unary("floor");
export const not: Unary = unary("not");
export const leadingZeros: Unary = unary("leadingZeros");
export const add: Binary = binary("add");
export const sub: Binary = binary("sub");
export const mul: Binary = binary("mul");
export const div: Binary = binary("div");
export const rem: Binary = binary("rem");
export const and: Binary = binary("and");
export const or: Binary = binary("or");
export const xor: Binary = binary("xor");
export const atLeast: Binary = binary("atLeast");
export const atMost: Binary = binary("atMost");
export const minimum: Binary = binary("minimum");
export const maximum: Binary = binary("maximum");
export const equal: Comparison = comparison("equal");
export const less: Comparison = comparison("less");
export const lessEqual: Comparison = comparison("lessEqual");
export const shiftLeft: Shift = shift("shiftLeft");
export const shiftRight: Shift = shift("shiftRight");

/** `a > b`. */
export const greater: Comparison = (a, b) => apply("less", "bool", lift(a.dtype, b), a);

/** `a b + c`, rounded once or twice. */
export function madd(
  a: Scalar<"f32">,
  b: ScalarOperand<"f32">,
  c: ScalarOperand<"f32">,
): Scalar<"f32"> {
  return apply("multiplyAdd", "f32", a, lift("f32", b), lift("f32", c));
}

/** The first value where the condition holds, else the second; one of them may be a number. */
export function where<D extends ComputedDType>(
  condition: Scalar<"bool">,
  then: Scalar<D>,
  otherwise: ScalarOperand<NoInfer<D>>,
): Scalar<D> {
  return apply("where", then.dtype, condition, then, lift(then.dtype, otherwise));
}

/** The same number in another element type; floats to integers truncate toward zero. */
export function cast<D extends ComputedDType>(x: Scalar, dtype: D): Scalar<D> {
  return apply("cast", dtype, x);
}

/** The same bits as another element type. */
export function bitcast<D extends "f32" | Integer>(x: Scalar, dtype: D): Scalar<D> {
  return apply("bitcast", dtype, x);
}

/** Another elementary function, whose result is of a type. */
export function call<D extends ComputedDType>(
  op: ElementaryFunction,
  dtype: D,
  operands: readonly Scalar[],
  onlyIf?: Scalar<"bool">,
): Scalar<D> {
  return {
    dtype,
    node: { kind: "apply", op, operands, ...(onlyIf === undefined ? {} : { onlyIf }) },
  };
}

/** `c[0] x^n + ... + c[n]`, by Horner's rule. */
export function polynomial(x: Scalar<"f32">, coefficients: readonly number[]): Scalar<"f32"> {
  const [first, ...rest] = coefficients;
  if (first === undefined) throw new RangeError("a polynomial has coefficients");
  return rest.reduce((sum, next) => madd(sum, x, next), constant("f32", first));
}

/** x between two numbers; NaN stays NaN. */
export function clamp(x: Scalar<"f32">, low: number, high: number): Scalar<"f32"> {
  return atLeast(atMost(x, high), low);
}

/** Mantissa and implied bit of a normal float above 0, by its bits, as an integer below 2^24. */
export function mantissa(bits: Scalar<"u32">): Scalar<"u32"> {
  return or(and(bits, 0x007fffff), 0x00800000);
}

/** Whether a float is NaN, by its bits, since compilers may take `x = x` for true. */
export function isNan(x: Scalar<"f32">): Scalar<"bool"> {
  return greater(and(bitcast(x, "u32"), 0x7fffffff), 0x7f800000);
}

/** A function as steps; equal expressions are one step. */
export function define(parameters: readonly Scalar[], result: Scalar): ScalarFunction {
  const steps: FunctionStep[] = [];
  const numbers = new Map<Scalar, number>(parameters.map((x, number) => [x, number]));
  const known = new Map<string, number>();
  const numberOf = (x: Scalar): number => {
    const number = numbers.get(x) ?? stepOf(x);
    numbers.set(x, number);
    return number;
  };
  const stepOf = ({ dtype, node }: Scalar): number => {
    switch (node.kind) {
      case "parameter":
        throw new RangeError("an expression uses a parameter that is not its function's");
      case "constant": {
        const { kind, value } = node;
        const key = `${dtype} ${Object.is(value, -0) ? "-0" : value}`;
        return shared(key, { kind, dtype, value });
      }
      case "apply": {
        const { kind, op } = node;
        const operands = node.operands.map(numberOf);
        const step: FunctionStep = node.onlyIf === undefined
          ? { kind, dtype, op, operands }
          : { kind, dtype, op, operands, onlyIf: numberOf(node.onlyIf) };
        return shared(JSON.stringify(step), step);
      }
      default:
        return node satisfies never;
    }
  };
  const shared = (key: string, step: FunctionStep): number => {
    const number = known.get(key) ?? parameters.length + steps.push(step) - 1;
    known.set(key, number);
    return number;
  };
  const value = numberOf(result);
  return { parameters: parameters.map(({ dtype }) => dtype), steps, value, dtype: result.dtype };
}
