/**
 * The closed table of primitives: every tensor expression is built of these and nothing else.
 *
 * A row describes a primitive without any data: a line on its meaning, its number of operands, and
 * the shape and element type of each of its results. The backends, the gradient rules and the tests
 * are tables over the same names.
 */
import {
  attentionGradientOperands,
  type AttentionOperands,
  attentionOperands,
  type AttentionParameters,
} from "./attention.ts";
import {
  checkComputed,
  type ComputedDType,
  type DType,
  holds,
  isFloat,
  isStorage,
  numbersOf,
} from "./dtype.ts";
import { nameOf } from "./names.ts";
import { at, checkShape, sameShape, type Shape, ShapeError, showShape, sizeOf } from "./shape.ts";

/** Shape and element type, all that a rule may know of an operand. */
export interface Abstract {
  /** The sizes of the axes. */
  readonly shape: Shape;
  /** The element type. */
  readonly dtype: DType;
}

/** No parameters. */
export type None = Record<never, never>;

/** The shapes and element types of a primitive's results, at least one. */
export type Results = readonly [Abstract, ...Abstract[]];

/** The static parameters of each primitive. */
export interface PrimitiveParameters {
  /** `value` everywhere. */
  readonly fill: { readonly shape: Shape; readonly dtype: ComputedDType; readonly value: number };
  /** The index along `axis`. */
  readonly iota: { readonly shape: Shape; readonly dtype: ComputedDType; readonly axis: number };
  /** `-x`. */
  readonly neg: None;
  /** `|x|`. */
  readonly abs: None;
  /** -1, 0 or 1. */
  readonly sign: None;
  /** The largest integer not above x. */
  readonly floor: None;
  /** `e^x`. */
  readonly exp: None;
  /** `e^x - 1`, exact near 0. */
  readonly expm1: None;
  /** `ln x`. */
  readonly log: None;
  /** `ln(1 + x)`, exact near 0. */
  readonly log1p: None;
  /** The square root. */
  readonly sqrt: None;
  /** The sine of x in radians. */
  readonly sin: None;
  /** The cosine of x in radians. */
  readonly cos: None;
  /** The hyperbolic tangent. */
  readonly tanh: None;
  /** The error function, 2/sqrt(pi) times the integral of e^-t^2 from 0 to x. */
  readonly erf: None;
  /**
   * `e^-|u|` with `u = sqrt(2 / pi) (x + 0.044715 x^3)`, from which GPT-2's GELU is made: in one piece,
   * since the error of a rounded u would be one of small results.
   */
  readonly geluDecay: None;
  /** `Phi(-|x|)`: the normal distribution beyond |x|, `erfc(|x| / sqrt(2)) / 2`, with all its digits. */
  readonly normalTail: None;
  /** Logical negation. */
  readonly not: None;
  /**
   * The same numbers in another element type; floats to integers truncate toward zero, f32 to bf16
   * or f16 rounds to the nearest, ties to even. Types of storage are cast from and to f32 only.
   */
  readonly cast: { readonly dtype: DType };
  /** The same 32 bits as another element type: f32, i32 or u32. */
  readonly bitcast: { readonly dtype: "f32" | "i32" | "u32" };
  /** `a + b`. */
  readonly add: None;
  /** `a - b`. */
  readonly sub: None;
  /** `a * b`. */
  readonly mul: None;
  /** `a / b`; integers truncate toward zero, and division by zero gives 0. */
  readonly div: None;
  /** `a^b`. */
  readonly pow: None;
  /** The larger of a and b. */
  readonly maximum: None;
  /** The smaller of a and b. */
  readonly minimum: None;
  /** The remainder of a / b, with the sign of a; integers by zero give 0. */
  readonly rem: None;
  /** `a = b`. */
  readonly equal: None;
  /** `a < b`. */
  readonly less: None;
  /** `a <= b`. */
  readonly lessEqual: None;
  /** Logical and. */
  readonly and: None;
  /** Logical or. */
  readonly or: None;
  /** `condition ? a : b`. */
  readonly where: None;
  /** The sum over `axes`, which go away. */
  readonly sum: { readonly axes: readonly number[] };
  /** The maximum over `axes`, which go away. */
  readonly reduceMax: { readonly axes: readonly number[] };
  /** The first index of the maximum along `axis`, which goes away. */
  readonly argmax: { readonly axis: number };
  /** The indices that sort the last axis in ascending order; equal elements keep their order. */
  readonly argsort: None;
  /** `[...batch, M, K] x [...batch, K, N] -> [...batch, M, N]`. */
  readonly matmul: None;
  /**
   * Attention of every head (Vaswani et al. 2017), queries `q [B, T, Hq, D]` of `Hq / Hkv` heads for
   * each head of the keys and values `k, v [B, S, Hkv, D]`: `y[b, t, h] = sum_s p_ts v_s`, where
   * `p_t` is the softmax of `scale q_t . k_s` over the keys that the query sees; 0 if it sees none.
   * With segments a query sees the keys of its own, and no query sees a key of a negative one.
   */
  readonly attention: AttentionParameters;
  /**
   * The gradients of `sum(g * attention(q, k, v))` with respect to q, k and v, for a cotangent
   * `g [B, T, Hq, D]`: three results.
   */
  readonly attentionGradient: AttentionParameters;
  /** The same elements in another shape. */
  readonly reshape: { readonly shape: Shape };
  /** Axis i of the result is axis `permutation[i]` of the operand. */
  readonly transpose: { readonly permutation: readonly number[] };
  /** Axes of size 1 repeated to the size that `shape` has there; the rank stays. */
  readonly expand: { readonly shape: Shape };
  /** The elements from `start` (included) to `end` (excluded) along every axis. */
  readonly slice: { readonly start: readonly number[]; readonly end: readonly number[] };
  /** The operands one after the other along `axis`. */
  readonly concat: { readonly axis: number };
  /**
   * Rows of a table: `[N, ...row]` at `ids [...]` gives `[...ids, ...row]`. An id outside 0..N-1
   * gives a row of NaN (0 for integers), so that a wrong id cannot pass unseen.
   */
  readonly gather: None;
  /** The transpose of gather: `out[ids[i], ...] += updates[i, ...]`, `rows` rows; ids outside fall away. */
  readonly scatterAdd: { readonly rows: number };
  /**
   * `size` elements along `axis` from a start that is data; the start is clamped to fit. Starts `[N]`
   * are one for each of the N elements of the first axis, which is another one.
   */
  readonly dynamicSlice: { readonly axis: number; readonly size: number };
  /** The operand with `update` written along `axis` from a start that is data, as in `dynamicSlice`. */
  readonly dynamicUpdate: { readonly axis: number };
  /**
   * Threefry-2x32-20 (Salmon et al. 2011): element i is word `i mod 2` of block
   * `(counter[0] + floor(i / 2), counter[1])` under the key. Keys `[N, 2]` and counters `[N, 2]` give
   * `[N, ...]`: each element of the first axis has a key and a counter of its own.
   */
  readonly randomBits: { readonly shape: Shape };
  /** The operand, without a gradient. */
  readonly stopGradient: None;
  /**
   * The first `values` operands, each a result, whose gradients go to the other operands by `rule`,
   * which maps a cotangent for each result to one for each of those (null for none). `rule` is
   * opaque here: autodiff gives it meaning, backends ignore it.
   */
  readonly customVjp: { readonly rule: CustomRule; readonly values: number };
  /** The first operand, not computed anew before the second is known (see `checkpoint`). */
  readonly barrier: None;
}

/** An opaque handle on a gradient rule; autodiff keeps the rule. */
export interface CustomRule {
  /** A name for messages and graph prints. */
  readonly name: string;
}

/** The name of a primitive. */
export type PrimitiveName = keyof PrimitiveParameters;

/** The factor of x in the exponent of `geluDecay`: `sqrt(2 / pi)`. */
export const GELU_LINEAR: number = Math.sqrt(2 / Math.PI);

/** The factor of `x^3` in the exponent of `geluDecay`. */
export const GELU_CUBIC: number = 0.044715 * GELU_LINEAR;

/** The rules of a primitive that need no data. */
export interface Primitive<P extends PrimitiveName> {
  /** The value that the primitive computes, in one line. */
  readonly doc: string;
  /** The number of operands, or "any" for one or more. */
  readonly operands: number | "any";
  /** Checks the operands and gives the shape and element type of the result, or of each. */
  readonly infer: (
    inputs: readonly Abstract[],
    parameters: PrimitiveParameters[P],
  ) => Abstract | Results;
}

function show(inputs: readonly Abstract[]): string {
  return inputs.map(({ shape, dtype }) => `${dtype}${showShape(shape)}`).join(", ");
}

function fail(operation: string, inputs: readonly Abstract[], expected: string): never {
  const stored = inputs.find(({ dtype }) => isStorage(dtype))?.dtype;
  const hint = stored === undefined ? "" : ` (${stored} is for storage: cast it to f32 first)`;
  throw new ShapeError(`${operation}: got ${show(inputs)}; expected ${expected}${hint}`);
}

/** The operand at `index`, whose presence `inferResults` has checked. */
function operand(inputs: readonly Abstract[], index: number): Abstract {
  const input = inputs[index];
  if (input === undefined) throw new ShapeError(`operand ${index} is missing`);
  return input;
}

type Kind = "any" | "number" | "float" | "bool";

/** Whether elements are numbers that are computed with. */
function isNumber(dtype: DType): boolean {
  return dtype !== "bool" && !isStorage(dtype);
}

const admits: Readonly<Record<Kind, (dtype: DType) => boolean>> = {
  any: (dtype) => !isStorage(dtype),
  number: isNumber,
  float: isFloat,
  bool: (dtype) => dtype === "bool",
};

/** A row for a primitive that works element by element on operands of one shape and dtype. */
function elementwise<P extends PrimitiveName>(
  name: P,
  doc: string,
  operands: number,
  kind: Kind,
  result?: DType,
): Primitive<P> {
  return {
    doc,
    operands,
    infer(inputs) {
      const { shape, dtype } = operand(inputs, 0);
      const alike = inputs.every((input) =>
        input.dtype === dtype && input.shape.length === shape.length &&
        input.shape.every((size, axis) => size === shape[axis])
      );
      if (!alike || !admits[kind](dtype)) {
        fail(
          name,
          inputs,
          `operands of one shape and one ${kind === "any" ? "" : kind + " "}dtype`,
        );
      }
      return { shape, dtype: result ?? dtype };
    },
  };
}

/** A row for a primitive that passes its first operand through. */
function passing<P extends PrimitiveName>(doc: string, operands: number | "any"): Primitive<P> {
  return { doc, operands, infer: (inputs) => operand(inputs, 0) };
}

function withoutAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, axis) => !axes.includes(axis));
}

function checkAxes(name: string, inputs: readonly Abstract[], axes: readonly number[]): void {
  const { shape } = operand(inputs, 0);
  const valid = axes.every((axis, i) =>
    Number.isInteger(axis) && axis >= 0 && axis < shape.length && axes.indexOf(axis) === i
  );
  if (!valid) fail(name, inputs, `distinct axes of the operand, not ${showShape(axes)}`);
}

/** Whether starts of windows along an axis are one for all, or one for each element of the first. */
function areStarts({ shape, dtype }: Abstract, whole: Shape, axis: number): boolean {
  return dtype === "i32" &&
    (shape.length === 0 || axis > 0 && shape.length === 1 && shape[0] === whole[0]);
}

/** The starts that windows may have, for messages. */
const STARTS = "a start i32 [], or behind the first axis i32 [N], one for each of its elements,";

/** Checks the operands of attention. */
function checkAttention(
  name: string,
  inputs: readonly Abstract[],
  { q, k, v, start, segments }: AttentionOperands<Abstract>,
  parameters: AttentionParameters,
): void {
  const [batch, length, heads, width] = q.shape;
  const [, keys, keyHeads] = k.shape;
  const fits = q.shape.length === 4 && k.shape.length === 4 && isFloat(q.dtype) &&
    k.dtype === q.dtype && v.dtype === q.dtype && sameShape(v.shape, k.shape) &&
    k.shape[0] === batch && k.shape[3] === width && keyHeads !== undefined &&
    heads !== undefined && (keyHeads === 0 ? heads === 0 : heads % keyHeads === 0);
  if (!fits) {
    fail(
      name,
      inputs,
      "floats of one dtype: queries [B, T, Hq, D], keys and values [B, S, Hkv, D], Hq a multiple " +
        "of Hkv",
    );
  }
  const isIntegers = (x: Abstract, shape: readonly (number | undefined)[]) =>
    x.dtype === "i32" && x.shape.length === shape.length &&
    x.shape.every((size, axis) => size === shape[axis]);
  if (start !== undefined && !isIntegers(start, [batch])) fail(name, inputs, "starts i32 [B]");
  if (
    segments !== undefined &&
    !(isIntegers(segments.queries, [batch, length]) && isIntegers(segments.keys, [batch, keys]))
  ) fail(name, inputs, "segments of queries i32 [B, T] and of keys i32 [B, S]");
  const { scale, softcap, window } = parameters;
  const isPositive = (x: number) => x > 0 && x < Infinity;
  if (!Number.isFinite(scale) || softcap !== null && !isPositive(softcap)) {
    fail(name, inputs, `a finite scale and a positive softcap, not ${scale} and ${softcap}`);
  }
  if (window !== null && !(Number.isInteger(window) && window > 0)) {
    fail(name, inputs, `a window of at least 1, not ${window}`);
  }
  if (parameters.start !== "operand" && !Number.isInteger(parameters.start)) {
    fail(name, inputs, `an integer start, not ${parameters.start}`);
  }
}

/**
 * The closed table of primitives.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { primitives } from "@unitune/core";
 *
 * assertEquals(primitives.matmul.operands, 2);
 * ```
 */
export const primitives: { readonly [P in PrimitiveName]: Primitive<P> } = {
  fill: {
    doc: "value everywhere",
    operands: 0,
    infer(_, { shape, dtype, value }) {
      checkShape("fill", shape);
      checkComputed("fill", dtype);
      if (!holds[dtype](value)) {
        throw new ShapeError(
          `fill: ${nameOf(value)} is no ${dtype}, which holds ${numbersOf[dtype]} only; ` +
            `cast the tensor that it stands beside to f32 first`,
        );
      }
      return { shape, dtype };
    },
  },
  iota: {
    doc: "the index along an axis",
    operands: 0,
    infer(_, { shape, dtype, axis }) {
      checkShape("iota", shape);
      checkComputed("iota", dtype);
      checkAxes("iota", [{ shape, dtype }], [axis]);
      if (dtype === "bool") fail("iota", [{ shape, dtype }], "a number dtype");
      return { shape, dtype };
    },
  },
  neg: elementwise("neg", "-x", 1, "number"),
  abs: elementwise("abs", "|x|", 1, "number"),
  sign: elementwise("sign", "-1, 0 or 1", 1, "number"),
  floor: elementwise("floor", "the largest integer not above x", 1, "float"),
  exp: elementwise("exp", "e^x", 1, "float"),
  expm1: elementwise("expm1", "e^x - 1", 1, "float"),
  log: elementwise("log", "ln x", 1, "float"),
  log1p: elementwise("log1p", "ln(1 + x)", 1, "float"),
  sqrt: elementwise("sqrt", "the square root", 1, "float"),
  sin: elementwise("sin", "sine", 1, "float"),
  cos: elementwise("cos", "cosine", 1, "float"),
  tanh: elementwise("tanh", "hyperbolic tangent", 1, "float"),
  erf: elementwise("erf", "error function", 1, "float"),
  geluDecay: elementwise("geluDecay", "e^-|sqrt(2 / pi) (x + 0.044715 x^3)|", 1, "float"),
  normalTail: elementwise("normalTail", "the normal distribution beyond |x|", 1, "float"),
  not: elementwise("not", "logical negation", 1, "bool"),
  cast: {
    doc: "the same numbers in another dtype",
    operands: 1,
    infer(inputs, { dtype }) {
      const { shape, dtype: from } = operand(inputs, 0);
      const isStored = isStorage(from) || isStorage(dtype);
      if (isStored && from !== dtype && from !== "f32" && dtype !== "f32") {
        throw new ShapeError(
          `cast: ${from} to ${dtype}: types of storage are cast from and to f32 only; cast to f32 ` +
            `first`,
        );
      }
      return { shape, dtype };
    },
  },
  bitcast: {
    doc: "the same 32 bits as another dtype",
    operands: 1,
    infer(inputs, { dtype }) {
      const { shape, dtype: from } = operand(inputs, 0);
      if (from !== "f32" && from !== "i32" && from !== "u32") {
        fail("bitcast", inputs, "f32, i32 or u32");
      }
      return { shape, dtype };
    },
  },
  add: elementwise("add", "a + b", 2, "number"),
  sub: elementwise("sub", "a - b", 2, "number"),
  mul: elementwise("mul", "a * b", 2, "number"),
  div: elementwise("div", "a / b", 2, "number"),
  pow: elementwise("pow", "a^b", 2, "float"),
  maximum: elementwise("maximum", "the larger of a and b", 2, "number"),
  minimum: elementwise("minimum", "the smaller of a and b", 2, "number"),
  rem: elementwise("rem", "the remainder of a / b", 2, "number"),
  equal: elementwise("equal", "a = b", 2, "any", "bool"),
  less: elementwise("less", "a < b", 2, "number", "bool"),
  lessEqual: elementwise("lessEqual", "a <= b", 2, "number", "bool"),
  and: elementwise("and", "logical and", 2, "bool"),
  or: elementwise("or", "logical or", 2, "bool"),
  where: {
    doc: "condition ? a : b",
    operands: 3,
    infer(inputs) {
      const [condition, a, b] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      const alike = condition.dtype === "bool" && a.dtype === b.dtype && !isStorage(a.dtype) &&
        showShape(condition.shape) === showShape(a.shape) &&
        showShape(a.shape) === showShape(b.shape);
      if (!alike) {
        fail("where", inputs, "a bool condition and two operands of one dtype, one shape");
      }
      return a;
    },
  },
  sum: {
    doc: "the sum over axes",
    operands: 1,
    infer(inputs, { axes }) {
      checkAxes("sum", inputs, axes);
      const { shape, dtype } = operand(inputs, 0);
      if (!isNumber(dtype)) fail("sum", inputs, "a number dtype (cast the truth values first)");
      return { shape: withoutAxes(shape, axes), dtype };
    },
  },
  reduceMax: {
    doc: "the maximum over axes",
    operands: 1,
    infer(inputs, { axes }) {
      checkAxes("reduceMax", inputs, axes);
      const { shape, dtype } = operand(inputs, 0);
      if (!isNumber(dtype) || axes.some((axis) => shape[axis] === 0)) {
        fail("reduceMax", inputs, "numbers, at least one along each reduced axis");
      }
      return { shape: withoutAxes(shape, axes), dtype };
    },
  },
  argmax: {
    doc: "the first index of the maximum along an axis",
    operands: 1,
    infer(inputs, { axis }) {
      checkAxes("argmax", inputs, [axis]);
      const { shape, dtype } = operand(inputs, 0);
      if (!isNumber(dtype) || shape[axis] === 0) fail("argmax", inputs, "numbers, at least one");
      return { shape: withoutAxes(shape, [axis]), dtype: "i32" };
    },
  },
  argsort: {
    doc: "the indices that sort the last axis in ascending order",
    operands: 1,
    infer(inputs) {
      const { shape, dtype } = operand(inputs, 0);
      if (shape.length === 0 || !isNumber(dtype)) {
        fail("argsort", inputs, "numbers of at least one axis");
      }
      return { shape, dtype: "i32" };
    },
  },
  matmul: {
    doc: "[...batch, M, K] x [...batch, K, N] -> [...batch, M, N]",
    operands: 2,
    infer(inputs) {
      const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
      const rank = a.shape.length;
      const fits = rank >= 2 && b.shape.length === rank && a.dtype === b.dtype &&
        isFloat(a.dtype) && a.shape[rank - 1] === b.shape[rank - 2] &&
        a.shape.slice(0, -2).every((size, axis) => size === b.shape[axis]);
      if (!fits) {
        fail("matmul", inputs, "floats [...batch, M, K] and [...batch, K, N] of one dtype");
      }
      return { shape: [...a.shape.slice(0, -1), at(b.shape, rank - 1)], dtype: a.dtype };
    },
  },
  attention: {
    doc: "attention of every head: [B, T, Hq, D], [B, S, Hkv, D], [B, S, Hkv, D] -> [B, T, Hq, D]",
    operands: "any",
    infer(inputs, parameters) {
      const named = attentionOperands(inputs, parameters);
      checkAttention("attention", inputs, named, parameters);
      return named.q;
    },
  },
  attentionGradient: {
    doc: "the gradients of attention: q, k, v and a cotangent [B, T, Hq, D] -> as q, k and v",
    operands: "any",
    infer(inputs, parameters) {
      const named = attentionGradientOperands(inputs, parameters);
      const { q, k, v, g } = named;
      checkAttention("attentionGradient", inputs, named, parameters);
      if (g.dtype !== q.dtype || !sameShape(g.shape, q.shape)) {
        fail("attentionGradient", inputs, "a cotangent of the shape and dtype of the queries");
      }
      return [q, k, v];
    },
  },
  reshape: {
    doc: "the same elements in another shape",
    operands: 1,
    infer(inputs, { shape }) {
      checkShape("reshape", shape);
      const { shape: from, dtype } = operand(inputs, 0);
      if (sizeOf(from) !== sizeOf(shape)) {
        fail("reshape", inputs, `${sizeOf(shape)} elements for shape ${showShape(shape)}`);
      }
      return { shape, dtype };
    },
  },
  transpose: {
    doc: "the axes in another order",
    operands: 1,
    infer(inputs, { permutation }) {
      const { shape, dtype } = operand(inputs, 0);
      checkAxes("transpose", inputs, permutation);
      if (permutation.length !== shape.length) {
        fail("transpose", inputs, `a permutation of all axes, not ${showShape(permutation)}`);
      }
      return { shape: permutation.map((axis) => at(shape, axis)), dtype };
    },
  },
  expand: {
    doc: "axes of size 1 repeated",
    operands: 1,
    infer(inputs, { shape }) {
      checkShape("expand", shape);
      const { shape: from, dtype } = operand(inputs, 0);
      const fits = from.length === shape.length &&
        from.every((size, axis) => size === 1 || size === shape[axis]);
      if (!fits) fail("expand", inputs, `a shape that stretches to ${showShape(shape)}`);
      return { shape, dtype };
    },
  },
  slice: {
    doc: "the elements from start to end along every axis",
    operands: 1,
    infer(inputs, { start, end }) {
      const { shape, dtype } = operand(inputs, 0);
      const fits = start.length === shape.length && end.length === shape.length &&
        [...start, ...end].every(Number.isInteger) &&
        shape.every((size, axis) =>
          0 <= at(start, axis) && at(start, axis) <= at(end, axis) && at(end, axis) <= size
        );
      if (!fits) {
        fail(
          "slice",
          inputs,
          `integers 0 <= start <= end <= size, not ${showShape(start)} to ${showShape(end)}`,
        );
      }
      return { shape: end.map((stop, axis) => stop - at(start, axis)), dtype };
    },
  },
  concat: {
    doc: "the operands one after the other along an axis",
    operands: "any",
    infer(inputs, { axis }) {
      checkAxes("concat", inputs, [axis]);
      const { shape, dtype } = operand(inputs, 0);
      const fits = inputs.every((input) =>
        input.dtype === dtype && input.shape.length === shape.length &&
        input.shape.every((size, i) => i === axis || size === shape[i])
      );
      if (!fits) fail("concat", inputs, `operands that differ along axis ${axis} only`);
      const joined = inputs.reduce((size, input) => size + at(input.shape, axis), 0);
      return { shape: shape.map((size, i) => i === axis ? joined : size), dtype };
    },
  },
  gather: {
    doc: "rows of a table: [N, ...row] at ids [...] gives [...ids, ...row]",
    operands: 2,
    infer(inputs) {
      const [table, ids] = [operand(inputs, 0), operand(inputs, 1)];
      if (table.shape.length === 0 || ids.dtype !== "i32") {
        fail("gather", inputs, "a table [N, ...row] and i32 ids");
      }
      return { shape: [...ids.shape, ...table.shape.slice(1)], dtype: table.dtype };
    },
  },
  scatterAdd: {
    doc: "out[ids[i], ...] += updates[i, ...], from zeros or from a table [rows, ...row]",
    operands: "any",
    infer(inputs, { rows }) {
      const [ids, updates] = [operand(inputs, 0), operand(inputs, 1)];
      const result = {
        shape: [rows, ...updates.shape.slice(ids.shape.length)],
        dtype: updates.dtype,
      };
      const fits = ids.dtype === "i32" && isFloat(updates.dtype) &&
        ids.shape.every((size, axis) => size === updates.shape[axis]) &&
        inputs.slice(2).every(({ shape, dtype }, i) =>
          i === 0 && dtype === result.dtype && sameShape(shape, result.shape)
        );
      if (!fits) {
        fail(
          "scatterAdd",
          inputs,
          "i32 ids [...], float updates [...ids, ...row], and a table [rows, ...row] or none",
        );
      }
      return result;
    },
  },
  dynamicSlice: {
    doc: "size elements along an axis from a start that is data",
    operands: 2,
    infer(inputs, { axis, size }) {
      checkAxes("dynamicSlice", inputs, [axis]);
      const [{ shape, dtype }, start] = [operand(inputs, 0), operand(inputs, 1)];
      const fits = Number.isInteger(size) && size >= 0 && size <= at(shape, axis);
      if (!fits || !areStarts(start, shape, axis)) {
        fail("dynamicSlice", inputs, `${STARTS} and room for ${size} along axis ${axis}`);
      }
      return { shape: shape.map((full, i) => i === axis ? size : full), dtype };
    },
  },
  dynamicUpdate: {
    doc: "the operand with an update written along an axis from a start that is data",
    operands: 3,
    infer(inputs, { axis }) {
      checkAxes("dynamicUpdate", inputs, [axis]);
      const [whole, update, start] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
      const fits = areStarts(start, whole.shape, axis) && update.dtype === whole.dtype &&
        update.shape.length === whole.shape.length &&
        update.shape.every((size, i) =>
          i === axis ? size <= at(whole.shape, i) : size === whole.shape[i]
        );
      if (!fits) {
        fail("dynamicUpdate", inputs, `${STARTS} and an update that fits along axis ${axis}`);
      }
      return whole;
    },
  },
  randomBits: {
    doc: "Threefry-2x32-20 bits",
    operands: 2,
    infer(inputs, { shape }) {
      checkShape("randomBits", shape);
      const [key, counter] = [operand(inputs, 0), operand(inputs, 1)];
      const expected = key.shape.length === 1 ? [2] : [...shape.slice(0, 1), 2];
      const fits = [key, counter].every((input) =>
        input.dtype === "u32" && sameShape(input.shape, expected)
      );
      if (!fits) {
        const rows = showShape(shape);
        fail(
          "randomBits",
          inputs,
          `a key and a counter u32[2], or one of each for a row of ${rows}`,
        );
      }
      return { shape, dtype: "u32" };
    },
  },
  stopGradient: passing("the operand, without a gradient", 1),
  customVjp: {
    doc: "the first operands, with a gradient of their own",
    operands: "any",
    infer(inputs, { values }) {
      const [first, ...others] = inputs.slice(0, values);
      if (first === undefined || others.length + 1 !== values) {
        fail("customVjp", inputs, `at least ${values} operands, and one value or more`);
      }
      return [first, ...others];
    },
  },
  barrier: passing("the first operand, not computed anew before the second is known", 2),
};

/**
 * The shapes and element types of the results that a primitive gives for its operands.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { inferResults } from "@unitune/core";
 *
 * const x = { shape: [2, 3], dtype: "f32" } as const;
 * assertEquals(inferResults("sum", [x], { axes: [1] }), [{ shape: [2], dtype: "f32" }]);
 * ```
 *
 * @param name The primitive's name.
 * @param inputs The shapes and element types of its operands.
 * @param parameters Its static parameters.
 * @returns The shape and element type of each result.
 * @throws {ShapeError} If the operands or parameters do not fit; names the operation and shapes.
 */
export function inferResults<P extends PrimitiveName>(
  name: P,
  inputs: readonly Abstract[],
  parameters: PrimitiveParameters[P],
): Results {
  const { operands, infer }: Primitive<P> = primitives[name];
  if (operands === "any" ? inputs.length === 0 : inputs.length !== operands) {
    fail(name, inputs, `${operands === "any" ? "one or more" : operands} operands`);
  }
  const inferred = infer(inputs, parameters);
  const [first, ...others]: Results = "shape" in inferred ? [inferred] : inferred;
  const checked = ({ shape, dtype }: Abstract): Abstract => {
    checkShape(name, shape);
    return { shape: [...shape], dtype };
  };
  return [checked(first), ...others.map(checked)];
}
