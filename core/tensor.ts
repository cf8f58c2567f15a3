/** Tensors as they are made: from numbers, and by applying primitives to tensors. */
import {
  allocate,
  bytesPerElement,
  checkComputed,
  type DType,
  holds,
  isFloat,
  isStorage,
  numbersOf,
  type TypedArray,
} from "./dtype.ts";
import { readElements } from "./evaluate.ts";
import { narrowed, storedNumber } from "./half.ts";
import {
  type Abstract,
  inferResults,
  type PrimitiveName,
  type PrimitiveParameters,
} from "./primitives.ts";
import { denoInspect, inspect, nodeInspect } from "./inspect.ts";
import { nameOf } from "./names.ts";
import { checkShape, type Shape, ShapeError, showShape, sizeOf } from "./shape.ts";
import type { Cell, Expression, Tensor } from "./value.ts";

/** A tensor, or a number that stands for a tensor filled with it. */
export type TensorLike = Tensor | number;

/**
 * Under this key a tensor names itself, which a copy of its properties does not. A set of all tensors
 * would say as much, but the garbage collector pays for every entry.
 */
const self = Symbol("tensor");

/** A tensor as it is made. */
interface Branded extends Tensor {
  [self]?: Tensor;
  readonly [denoInspect]: typeof inspect;
  readonly [nodeInspect]: typeof inspect;
}

/**
 * Whether a value is a tensor.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isTensor, tensor } from "@unitune/core";
 *
 * assert(isTensor(tensor([1])) && !isTensor([1]));
 * ```
 */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && self in value && value[self] === value;
}

/**
 * A tensor over a cell. Two tensors over one cell have one value and separate gradients.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { makeTensor, tensor } from "@unitune/core";
 *
 * const x = tensor([1, 2]);
 * assertEquals(await makeTensor(x, x.cell).data(), await x.data());
 * ```
 *
 * @param abstract The shape and element type.
 * @param cell The cell that keeps the value.
 * @param flags Whether the value depends on a traced argument, and whether a derivative is taken.
 * @returns The tensor.
 */
export function makeTensor(
  { shape, dtype }: Abstract,
  cell: Cell,
  { traced = false, differentiated = false }: { traced?: boolean; differentiated?: boolean } = {},
): Tensor {
  const tensor: Branded = {
    shape,
    dtype,
    cell,
    traced,
    differentiated,
    data: (range) => readElements(tensor, range),
    async item() {
      const [element] = sizeOf(shape) === 1 ? await readElements(tensor) : [];
      if (element === undefined) {
        throw new ShapeError(`item: expected one element, got shape ${showShape(shape)}`);
      }
      return isStorage(dtype) ? storedNumber(dtype, element) : element;
    },
    [Symbol.dispose]() {
      if (cell.value.kind === "device") cell.value.buffer.dispose();
      cell.value = { kind: "gone", why: "it was disposed of" };
    },
    [denoInspect]: inspect,
    [nodeInspect]: inspect,
  };
  tensor[self] = tensor;
  return tensor;
}

/**
 * The same value as a new variable: derivatives with respect to it see no other use of it.
 *
 * @example
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import { tensor, variable } from "@unitune/core";
 *
 * const x = tensor([1, 2]);
 * assertStrictEquals(variable(x).cell, x.cell);
 * ```
 */
export function variable(x: Tensor): Tensor {
  return makeTensor(x, x.cell, { traced: x.traced, differentiated: true });
}

/**
 * An expression as a member of the union of all. The compiler cannot see that `Expression<P>` is
 * one for every P; the overload says it, and the signature keeps operation and parameters together.
 */
function expression<P extends PrimitiveName>(
  op: P,
  inputs: readonly Tensor[],
  parameters: PrimitiveParameters[P],
): Expression;
function expression(op: PrimitiveName, inputs: readonly Tensor[], parameters: unknown): unknown {
  return { kind: "expression", op, inputs, parameters };
}

/**
 * A primitive of one result applied to tensors: an expression, evaluated when it is read. What the
 * operations of this package are made of; they broadcast, primitives do not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { apply, tensor } from "@unitune/core";
 *
 * const x = apply("sum", [tensor([[1, 2], [3, 4]])], { axes: [0] });
 * assertEquals(await x.data(), new Float32Array([4, 6]));
 * ```
 *
 * @param op The primitive's name.
 * @param inputs Its operands.
 * @param parameters Its static parameters.
 * @returns The tensor that it gives.
 * @throws {ShapeError} If the operands or parameters do not fit; names the operation and shapes.
 * @throws {TypeError} If an operand is no tensor, or the primitive gives several results.
 */
export function apply<P extends PrimitiveName>(
  op: P,
  inputs: readonly Tensor[],
  parameters: PrimitiveParameters[P],
): Tensor {
  const [result, ...others] = applyAll(op, inputs, parameters);
  if (others.length === 0) return result;
  throw new TypeError(`${op} gives ${1 + others.length} results: use applyAll`);
}

/**
 * A primitive applied to tensors, with all of its results.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { applyAll, tensor } from "@unitune/core";
 *
 * const [x, y] = [tensor([1, 2]), tensor([[3]])];
 * const results = applyAll("customVjp", [x, y], { rule: { name: "none" }, values: 2 });
 * assertEquals(results.map(({ shape }) => shape), [[2], [1, 1]]);
 * ```
 *
 * @param op The primitive's name.
 * @param inputs Its operands.
 * @param parameters Its static parameters.
 * @returns The tensors that it gives.
 * @throws {ShapeError} If the operands or parameters do not fit; names the operation and shapes.
 * @throws {TypeError} If an operand is no tensor.
 */
export function applyAll<P extends PrimitiveName>(
  op: P,
  inputs: readonly Tensor[],
  parameters: PrimitiveParameters[P],
): readonly [Tensor, ...Tensor[]] {
  for (const [index, input] of inputs.entries()) {
    if (isTensor(input)) continue;
    throw new TypeError(`${op}: operand ${index} is ${nameOf(input)}; expected a tensor`);
  }
  const results = inferResults(op, inputs, parameters);
  const [first, ...others] = results;
  const of = expression(op, inputs, parameters);
  const flags = {
    traced: inputs.some((input) => input.traced),
    differentiated: inputs.some((input) => input.differentiated),
  };
  if (others.length === 0) return [makeTensor(first, { value: of }, flags)];
  const result = (abstract: Abstract, index: number): Tensor =>
    makeTensor(abstract, { value: { kind: "result", of, results, index } }, flags);
  return [result(first, 0), ...others.map((other, i) => result(other, 1 + i))];
}

/**
 * A tensor without elements, which stands for one of its shape and element type where only a plan is
 * made: compiled functions plan for it, and nothing can be computed of it.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { compile, matmul, outline, type Tensor, wasm } from "@unitune/core";
 *
 * const large = outline({ shape: [40_000, 40_000], dtype: "f32" });
 * using device = wasm();
 * const { multiplications } = compile((x: Tensor) => matmul(x, x), { device }).plan(large);
 * assertEquals(multiplications, 40_000 ** 3);
 * await assertRejects(() => large.data(), Error, "it is an outline");
 * ```
 *
 * @param abstract The shape and element type.
 * @returns The tensor.
 */
export function outline({ shape, dtype }: Abstract): Tensor {
  checkShape("outline", shape);
  return makeTensor({ shape: [...shape], dtype }, { value: { kind: "outline" } });
}

/** Numbers, nested to any depth. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** The deepest nesting that is read; an array that contains itself has none. */
const MOST_AXES = 64;

/** The sizes along the first element of each array. */
function nestedShape(values: unknown): number[] {
  const shape: number[] = [];
  for (let inner = values; Array.isArray(inner); inner = inner[0]) {
    if (shape.length === MOST_AXES) {
      throw new ShapeError(
        `tensor: arrays are nested more than ${MOST_AXES} deep, or contain themselves`,
      );
    }
    shape.push(inner.length);
  }
  return shape;
}

/** The place of an element, as one would write it: `[1][0]`. */
const showPlace = (place: readonly number[]): string => place.map((i) => `[${i}]`).join("");

/** The numbers of nested arrays in row-major order. */
function flattenInto(
  values: unknown,
  shape: Shape,
  place: number[],
  dtype: DType,
  out: number[],
): void {
  const axis = place.length;
  if (axis < shape.length && Array.isArray(values) && values.length === shape[axis]) {
    // By index, since an array may have holes.
    for (let i = 0; i < values.length; i++) {
      place.push(i);
      flattenInto(values[i], shape, place, dtype, out);
      place.pop();
    }
    return;
  }
  if (Array.isArray(values) || (axis < shape.length && typeof values === "number")) {
    const got = Array.isArray(values) ? `a row of ${values.length}` : "a number";
    throw new ShapeError(
      `tensor: rows differ in length or depth; expected ${showShape(shape)} throughout, ` +
        `got ${got} at ${showPlace(place)}`,
    );
  }
  out.push(checkElement(values, dtype, place));
}

/** An element, if it is a number that the element type has. */
function checkElement(value: unknown, dtype: DType, place: readonly number[]): number {
  const where = place.length === 0 ? "the number" : `element ${showPlace(place)}`;
  if (typeof value !== "number") {
    throw new TypeError(
      place.length === 0
        ? `tensor: expected a number, nested arrays of numbers or a typed array, got ${
          nameOf(value)
        }`
        : `tensor: ${where} is ${nameOf(value)}; expected a number`,
    );
  }
  if (!holds[dtype](value)) {
    throw new RangeError(
      `tensor: ${where} is ${value}, and ${dtype} holds ${numbersOf[dtype]} only`,
    );
  }
  return value;
}

/** A list of numbers by index, such as a typed array. */
function isNumberList(values: NestedNumbers | ArrayLike<number>): values is ArrayLike<number> {
  return typeof values === "object" && values !== null && !Array.isArray(values) &&
    Number.isInteger(values.length) && values.length >= 0;
}

/** Whether a list can hold no number that the element type does not have. */
function hasOnly(dtype: DType, elements: ArrayLike<number>): boolean {
  return dtype !== "bool" && elements.constructor === allocate(dtype, 0).constructor ||
    (isFloat(dtype) || isStorage(dtype)) &&
      (elements instanceof Float32Array || elements instanceof Float64Array);
}

/** Numbers that an element type has, or is rounded to, as its elements. */
function elementsFrom(dtype: DType, numbers: ArrayLike<number>): TypedArray {
  // Elements of 16 bits are given by their bits, or as numbers.
  if (isStorage(dtype) && !(numbers instanceof Uint16Array)) {
    return narrowed(dtype, Float32Array.from(numbers));
  }
  const data = allocate(dtype, numbers.length);
  data.set(numbers);
  return data;
}

/**
 * A tensor of given numbers. Floats are rounded to the element type; the integers and truth values of
 * other element types have to be such. Elements of `bf16` and `f16` are numbers, which are rounded to
 * f32 and then to the nearest, or a `Uint16Array` of their bits.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { tensor } from "@unitune/core";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assertEquals(x.shape, [2, 2]);
 * assertEquals(await x.data(), new Float32Array([1, 2, 3, 4]));
 * assertEquals(tensor(new Int32Array(6), { shape: [2, 3], dtype: "i32" }).shape, [2, 3]);
 * assertThrows(() => tensor([1.5], { dtype: "i32" }), RangeError, "element [0] is 1.5");
 * ```
 *
 * @param values A number, nested arrays of numbers, or a typed array in row-major order.
 * @param options `dtype` (default f32) and `shape` (default: the shape of the nesting).
 * @returns The tensor, its elements copied.
 * @throws {ShapeError} If rows differ in length or the shape does not hold as many elements.
 * @throws {TypeError} If something is no number, with its place.
 * @throws {RangeError} If the element type does not have a number, with its place.
 */
export function tensor(
  values: NestedNumbers | ArrayLike<number>,
  options: { readonly dtype?: DType; readonly shape?: Shape } = {},
): Tensor {
  const { dtype = "f32" } = options;
  if (!Object.hasOwn(bytesPerElement, dtype)) {
    throw new TypeError(
      `tensor: ${nameOf(dtype)} is no element type; expected one of ` +
        Object.keys(bytesPerElement).join(", "),
    );
  }
  const flat: number[] = [];
  let elements: ArrayLike<number> = flat;
  let natural: readonly number[];
  if (isNumberList(values)) {
    elements = values;
    natural = [values.length];
  } else {
    natural = nestedShape(values);
    flattenInto(values, natural, [], dtype, flat);
  }
  const shape = options.shape ?? natural;
  checkShape("tensor", shape);
  if (sizeOf(shape) !== elements.length) {
    throw new ShapeError(
      `tensor: shape ${showShape(shape)} holds ${sizeOf(shape)} elements, got ${elements.length}`,
    );
  }
  if (elements !== flat && !hasOnly(dtype, elements)) {
    for (let i = 0; i < elements.length; i++) checkElement(elements[i], dtype, [i]);
  }
  const data = elementsFrom(dtype, elements);
  return makeTensor({ shape: [...shape], dtype }, { value: { kind: "host", data } });
}

/**
 * The number as a scalar tensor of an element type, or the tensor itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { asTensor } from "@unitune/core";
 *
 * assertEquals(asTensor(2, "i32").dtype, "i32");
 * ```
 *
 * @throws {ShapeError} If the element type does not have the number.
 * @throws {TypeError} If the value is neither.
 */
export function asTensor(value: TensorLike, dtype: DType): Tensor {
  if (typeof value === "number") return filled([], dtype, value);
  if (isTensor(value)) return value;
  throw new TypeError(`expected a tensor or a number, got ${nameOf(value)}`);
}

/**
 * A number everywhere, of an element type that is computed with.
 *
 * @throws {ShapeError} If the type is one of storage, or does not have the number.
 */
export function filled(shape: Shape, dtype: DType, value: number): Tensor {
  checkComputed("fill", dtype);
  return apply("fill", [], { shape, dtype, value });
}
