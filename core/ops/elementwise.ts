/** Operations that work element by element; operands broadcast, numbers stand for filled tensors. */
import { type DType, isFloat } from "../dtype.ts";
import type { PrimitiveName, PrimitiveParameters } from "../primitives.ts";
import { broadcastShapes, ShapeError } from "../shape.ts";
import { apply, asTensor, type TensorLike } from "../tensor.ts";
import type { Tensor } from "../value.ts";
import { broadcastTo } from "./shape.ts";

/** The primitives without parameters. */
type Plain = {
  [P in PrimitiveName]: Record<never, never> extends PrimitiveParameters[P] ? P : never;
}[PrimitiveName];

/** Operands as tensors of one shape; numbers take the element type of the tensors beside them. */
function aligned(name: string, operands: readonly TensorLike[], fallback: DType = "f32"): Tensor[] {
  const dtype = operands.find((operand) => typeof operand !== "number")?.dtype ?? fallback;
  const tensors = operands.map((operand) => asTensor(operand, dtype));
  const shape = tensors.map((operand) => operand.shape).reduce((a, b) =>
    broadcastShapes(name, a, b)
  );
  return tensors.map((operand) => broadcastTo(operand, shape));
}

function unary(op: Plain): (x: TensorLike) => Tensor {
  return (x) => apply(op, [asTensor(x, "f32")], {});
}

function binary(op: Plain): (a: TensorLike, b: TensorLike) => Tensor {
  return (a, b) => apply(op, aligned(op, [a, b]), {});
}

/**
 * `-x`, modulo 2^32 for integers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { neg } from "@unitune/core";
 *
 * assertEquals(await neg(2).item(), -2);
 * ```
 *
 * @throws {ShapeError} If x holds truth values.
 */
export const neg: (x: TensorLike) => Tensor = unary("neg");
/**
 * `|x|`; its gradient is 0 at 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { abs } from "@unitune/core";
 *
 * assertEquals(await abs(-2).item(), 2);
 * ```
 *
 * @throws {ShapeError} If x holds truth values.
 */
export const abs: (x: TensorLike) => Tensor = unary("abs");
/**
 * -1, 0 or 1 after the sign of x: 0 for -0, NaN where x is NaN. Its gradient is 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sign, tensor } from "@unitune/core";
 *
 * assertEquals(await sign(tensor([-3, 0, 5])).data(), new Float32Array([-1, 0, 1]));
 * ```
 *
 * @throws {ShapeError} If x holds truth values.
 */
export const sign: (x: TensorLike) => Tensor = unary("sign");
/**
 * The largest integer not above x, in x's element type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { floor, tensor } from "@unitune/core";
 *
 * assertEquals(await floor(tensor([1.5, -1.5])).data(), new Float32Array([1, -2]));
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const floor: (x: TensorLike) => Tensor = unary("floor");
/**
 * `e^x`. A graphics processor may give 0 where the result is below 1.2e-38, the least normal number.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { exp } from "@unitune/core";
 *
 * assertAlmostEquals(await exp(1).item(), Math.E, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const exp: (x: TensorLike) => Tensor = unary("exp");
/**
 * `e^x - 1`, exact near 0, where `sub(exp(x), 1)` loses all digits.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { expm1 } from "@unitune/core";
 *
 * assertAlmostEquals(await expm1(1e-8).item(), 1e-8, 1e-14);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const expm1: (x: TensorLike) => Tensor = unary("expm1");
/**
 * The natural logarithm `ln x`: -Infinity at 0, NaN below.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log } from "@unitune/core";
 *
 * assertAlmostEquals(await log(Math.E).item(), 1, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const log: (x: TensorLike) => Tensor = unary("log");
/**
 * `ln(1 + x)`, exact near 0, where `log(add(x, 1))` loses all digits.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { log1p } from "@unitune/core";
 *
 * assertAlmostEquals(await log1p(1e-8).item(), 1e-8, 1e-14);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const log1p: (x: TensorLike) => Tensor = unary("log1p");
/**
 * The square root; NaN below 0. Its gradient is infinite at 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sqrt } from "@unitune/core";
 *
 * assertEquals(await sqrt(9).item(), 3);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const sqrt: (x: TensorLike) => Tensor = unary("sqrt");
/**
 * The sine of x in radians, for any finite x: in f32 within 4e-7, and never beyond -1 and 1.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { sin } from "@unitune/core";
 *
 * assertAlmostEquals(await sin(Math.PI / 6).item(), 0.5, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const sin: (x: TensorLike) => Tensor = unary("sin");
/**
 * The cosine of x in radians, for any finite x: in f32 within 4e-7, and never beyond -1 and 1.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { cos } from "@unitune/core";
 *
 * assertAlmostEquals(await cos(Math.PI / 3).item(), 0.5, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const cos: (x: TensorLike) => Tensor = unary("cos");
/**
 * The hyperbolic tangent `(e^2x - 1) / (e^2x + 1)`.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tanh } from "@unitune/core";
 *
 * assertAlmostEquals(await tanh(Math.log(3)).item(), 0.8, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const tanh: (x: TensorLike) => Tensor = unary("tanh");
/**
 * The error function, `2 / sqrt(pi)` times the integral of `e^-t^2` for t from 0 to x.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { erf } from "@unitune/core";
 *
 * assertAlmostEquals(await erf(1).item(), 0.8427008, 1e-6);
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export const erf: (x: TensorLike) => Tensor = unary("erf");

/**
 * `a + b`, with broadcasting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { add, tensor } from "@unitune/core";
 *
 * const sums = add(tensor([[1], [2]]), tensor([10, 20]));
 * assertEquals(sums.shape, [2, 2]);
 * assertEquals(await sums.data(), new Float32Array([11, 21, 12, 22]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const add: (a: TensorLike, b: TensorLike) => Tensor = binary("add");
/**
 * `a - b`, with broadcasting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sub, tensor } from "@unitune/core";
 *
 * assertEquals(await sub(1, tensor([1, 3])).data(), new Float32Array([0, -2]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const sub: (a: TensorLike, b: TensorLike) => Tensor = binary("sub");
/**
 * `a * b` element by element, with broadcasting; see {@linkcode matmul} for matrices.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mul, tensor } from "@unitune/core";
 *
 * assertEquals(await mul(tensor([1, 2]), 3).data(), new Float32Array([3, 6]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const mul: (a: TensorLike, b: TensorLike) => Tensor = binary("mul");
/**
 * `a / b`, with broadcasting; integers truncate toward zero, and an integer divided by 0 is 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { div, tensor } from "@unitune/core";
 *
 * assertEquals(await div(tensor([1, 3]), 2).data(), new Float32Array([0.5, 1.5]));
 * assertEquals(await div(tensor([-7], { dtype: "i32" }), 2).item(), -3);
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const div: (a: TensorLike, b: TensorLike) => Tensor = binary("div");
/**
 * `a^b`, with broadcasting; NaN where a is negative and b no integer. Special cases follow IEEE
 * 754: `x^0` and `1^x` are 1 for every x, NaN included. In f32 the relative error is at most 1e-6,
 * on wasm half a unit in the last place; whole powers that f32 holds are exact.
 *
 * The gradient with respect to b is 0 where a is 0 and b is not negative, as in PyTorch.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { pow } from "@unitune/core";
 *
 * assertAlmostEquals(await pow(2, 0.5).item(), Math.SQRT2, 1e-6);
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ or are no floats.
 */
export const pow: (a: TensorLike, b: TensorLike) => Tensor = binary("pow");
/**
 * The larger of a and b, with broadcasting; NaN where either is NaN. Where they tie, each has half of
 * the gradient; 0 is larger than -0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { maximum, tensor } from "@unitune/core";
 *
 * assertEquals(await maximum(tensor([-1, 2]), 0).data(), new Float32Array([0, 2]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const maximum: (a: TensorLike, b: TensorLike) => Tensor = binary("maximum");
/**
 * The smaller of a and b, with broadcasting; NaN where either is NaN. Where they tie, each has half of
 * the gradient; -0 is smaller than 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { minimum, tensor } from "@unitune/core";
 *
 * assertEquals(await minimum(tensor([-1, 2]), 0).data(), new Float32Array([-1, 0]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const minimum: (a: TensorLike, b: TensorLike) => Tensor = binary("minimum");
/**
 * The remainder `a - b trunc(a / b)`, with the sign of a and with broadcasting: exact, as C's fmod. A
 * float's remainder by 0 is NaN, an integer's is 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rem, tensor } from "@unitune/core";
 *
 * assertEquals(await rem(tensor([5, -5]), 3).data(), new Float32Array([2, -2]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const rem: (a: TensorLike, b: TensorLike) => Tensor = binary("rem");
/**
 * Truth of `a = b`, with broadcasting; false where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { equal, tensor } from "@unitune/core";
 *
 * assertEquals(await equal(tensor([1, 2]), 2).data(), new Uint32Array([0, 1]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const equal: (a: TensorLike, b: TensorLike) => Tensor = binary("equal");
/**
 * Truth of `a < b`, with broadcasting; false where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { less, tensor } from "@unitune/core";
 *
 * assertEquals(await less(tensor([1, 2]), 2).data(), new Uint32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const less: (a: TensorLike, b: TensorLike) => Tensor = binary("less");
/**
 * Truth of `a <= b`, with broadcasting; false where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { lessEqual, tensor } from "@unitune/core";
 *
 * assertEquals(await lessEqual(tensor([2, 3]), 2).data(), new Uint32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export const lessEqual: (a: TensorLike, b: TensorLike) => Tensor = binary("lessEqual");
/**
 * Logical and of truth values, with broadcasting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { and, greater, less, tensor } from "@unitune/core";
 *
 * const x = tensor([1, 2, 3]);
 * assertEquals(await and(greater(x, 1), less(x, 3)).data(), new Uint32Array([0, 1, 0]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or an operand holds no truth values.
 */
export const and: (a: Tensor, b: Tensor) => Tensor = binary("and");
/**
 * Logical or of truth values, with broadcasting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { equal, or, tensor } from "@unitune/core";
 *
 * const x = tensor([1, 2, 3]);
 * assertEquals(await or(equal(x, 1), equal(x, 3)).data(), new Uint32Array([1, 0, 1]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or an operand holds no truth values.
 */
export const or: (a: Tensor, b: Tensor) => Tensor = binary("or");

/**
 * Logical negation of truth values.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { equal, not, tensor } from "@unitune/core";
 *
 * assertEquals(await not(equal(tensor([1, 2]), 2)).data(), new Uint32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If x holds no truth values.
 */
export function not(x: Tensor): Tensor {
  return apply("not", [x], {});
}

/**
 * Truth of `a != b`, with broadcasting; true where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { notEqual, tensor } from "@unitune/core";
 *
 * assertEquals(await notEqual(tensor([1, 2]), 2).data(), new Uint32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export function notEqual(a: TensorLike, b: TensorLike): Tensor {
  return not(equal(a, b));
}

/**
 * Truth of `a > b`, with broadcasting; false where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { greater, tensor } from "@unitune/core";
 *
 * assertEquals(await greater(tensor([2, 3]), 2).data(), new Uint32Array([0, 1]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export function greater(a: TensorLike, b: TensorLike): Tensor {
  return less(b, a);
}

/**
 * Truth of `a >= b`, with broadcasting; false where either is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { greaterEqual, tensor } from "@unitune/core";
 *
 * assertEquals(await greaterEqual(tensor([1, 2]), 2).data(), new Uint32Array([0, 1]));
 * ```
 *
 * @throws {ShapeError} If the shapes do not broadcast, or the element types differ.
 */
export function greaterEqual(a: TensorLike, b: TensorLike): Tensor {
  return lessEqual(b, a);
}

/**
 * `a` where the condition holds, `b` elsewhere; all three broadcast. What is not chosen does not
 * matter, not even NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { greater, log, tensor, where } from "@unitune/core";
 *
 * const x = tensor([-1, 1]);
 * assertEquals(await where(greater(x, 0), log(x), 0).data(), new Float32Array([0, 0]));
 * ```
 *
 * @param condition Truth values.
 * @param a The values where the condition holds.
 * @param b The values elsewhere, of the element type of `a`.
 * @returns A tensor of the shape to which all three broadcast.
 * @throws {ShapeError} If shapes do not broadcast, the condition holds no truth values, or the element
 * types of `a` and `b` differ.
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const [x, y] = aligned("where", [a, b]);
  if (x === undefined || y === undefined) throw new ShapeError("where: two operands expected");
  const shape = broadcastShapes("where", condition.shape, x.shape);
  return apply("where", [condition, x, y].map((operand) => broadcastTo(operand, shape)), {});
}

/**
 * The same numbers in another element type. Floats to integers truncate toward zero and stop at the
 * type's ends, NaN becoming 0; between i32 and u32 the bits stay; to bool, all but 0 and -0 is true.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cast, tensor } from "@unitune/core";
 *
 * assertEquals(await cast(tensor([1.9, -1.9]), "i32").data(), new Int32Array([1, -1]));
 * ```
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : apply("cast", [x], { dtype });
}

/**
 * The same 32 bits as another element type: of an f32 its sign, exponent and fraction as an integer,
 * and back. No gradient flows through them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { bitcast, tensor } from "@unitune/core";
 *
 * assertEquals(await bitcast(tensor([1]), "u32").data(), new Uint32Array([0x3f800000]));
 * ```
 *
 * @throws {ShapeError} If x does not hold f32, i32 or u32.
 */
export function bitcast(x: Tensor, dtype: "f32" | "i32" | "u32"): Tensor {
  return x.dtype === dtype ? x : apply("bitcast", [x], { dtype });
}

/**
 * The operand as a constant: its value is x's, and no gradient flows through it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { stopGradient, tensor } from "@unitune/core";
 *
 * assertEquals(await stopGradient(tensor([3])).item(), 3);
 * ```
 */
export function stopGradient(x: Tensor): Tensor {
  return apply("stopGradient", [x], {});
}

/**
 * `x^2`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { square, tensor } from "@unitune/core";
 *
 * assertEquals(await square(tensor([-3])).item(), 9);
 * ```
 */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

/**
 * `1 / x`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reciprocal, tensor } from "@unitune/core";
 *
 * assertEquals(await reciprocal(tensor([4])).item(), 0.25);
 * ```
 */
export function reciprocal(x: Tensor): Tensor {
  return div(1, x);
}

/**
 * `1 / sqrt(x)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rsqrt, tensor } from "@unitune/core";
 *
 * assertEquals(await rsqrt(tensor([4])).item(), 0.5);
 * ```
 */
export function rsqrt(x: Tensor): Tensor {
  return div(1, sqrt(x));
}

/**
 * Truth of "is a number": false where x is NaN.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { isNumber, tensor } from "@unitune/core";
 *
 * assertEquals(await isNumber(tensor([1, NaN])).data(), new Uint32Array([1, 0]));
 * ```
 *
 * @throws {ShapeError} If x is not floating point.
 */
export function isNumber(x: Tensor): Tensor {
  if (!isFloat(x.dtype)) throw new ShapeError(`isNumber: expected floats, got ${x.dtype}`);
  return equal(x, x);
}
