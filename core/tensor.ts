/** Tensors: immutable values, either elements or an expression over the table of primitives. */
import type { Buffer, Device } from "./backend.ts";
import { allocate, type DType, type TypedArray } from "./dtype.ts";
import { readElements } from "./evaluate.ts";
import {
  type Abstract,
  inferResult,
  type PrimitiveName,
  type PrimitiveParameters,
} from "./primitives.ts";
import { type Shape, ShapeError, showShape, sizeOf } from "./shape.ts";

/** A primitive applied to tensors: a node of an expression. */
export type Expression<P extends PrimitiveName = PrimitiveName> = {
  [Q in P]: {
    /** Tells expressions from elements. */
    readonly kind: "expression";
    /** The primitive. */
    readonly op: Q;
    /** Its operands. */
    readonly inputs: readonly Tensor[];
    /** Its static parameters. */
    readonly parameters: PrimitiveParameters[Q];
  };
}[P];

/** What stands behind a tensor. */
export type Value =
  /** Elements on the host. */
  | { readonly kind: "host"; readonly data: TypedArray }
  /** Elements on a device. */
  | { readonly kind: "device"; readonly device: Device; readonly buffer: Buffer }
  /** A primitive applied to tensors. */
  | Expression
  /** An argument of a function that is being traced. */
  | { readonly kind: "argument" }
  /** Elements that were given away or disposed of. */
  | { readonly kind: "gone"; readonly why: string };

/**
 * Where a tensor's value is kept. The value that it stands for never changes; how it is kept does:
 * an expression becomes elements once it was evaluated.
 */
export interface Cell {
  /** How the value is kept now. */
  value: Value;
}

/**
 * An immutable tensor. Use it as often as you like; nothing is to be freed, but `using` gives a
 * device's storage back early.
 */
export interface Tensor extends Abstract {
  /** Where the value is kept. */
  readonly cell: Cell;
  /** True if the value depends on an argument of a function that is being traced. */
  readonly traced: boolean;
  /** True if a derivative is being taken through the value, so that compiled functions inline. */
  readonly followed: boolean;
  /** The elements in row-major order, evaluated now if they were not yet. */
  data(): Promise<TypedArray>;
  /** The element of a tensor of one element. */
  item(): Promise<number>;
  /** Gives the device's storage back; the tensor cannot be read afterwards. */
  [Symbol.dispose](): void;
}

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
 * @param cell Where the value is kept.
 * @param flags Whether the value depends on a traced argument, and whether a derivative is taken.
 * @returns The tensor.
 */
export function makeTensor(
  { shape, dtype }: Abstract,
  cell: Cell,
  { traced = false, followed = false }: { traced?: boolean; followed?: boolean } = {},
): Tensor {
  const tensor: Branded = {
    shape,
    dtype,
    cell,
    traced,
    followed,
    data: () => readElements(tensor),
    async item() {
      const [element, ...rest] = await readElements(tensor);
      if (element === undefined || rest.length > 0) {
        throw new ShapeError(`item: expected one element, got shape ${showShape(shape)}`);
      }
      return element;
    },
    [Symbol.dispose]() {
      if (cell.value.kind === "device") cell.value.buffer.dispose();
      cell.value = { kind: "gone", why: "it was disposed of" };
    },
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
  return makeTensor(x, x.cell, { traced: x.traced, followed: true });
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
 * A primitive applied to tensors: an expression, evaluated when it is read. What the operations of
 * this package are made of; they broadcast, primitives do not.
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
 */
export function apply<P extends PrimitiveName>(
  op: P,
  inputs: readonly Tensor[],
  parameters: PrimitiveParameters[P],
): Tensor {
  const result = inferResult(op, inputs, parameters);
  return makeTensor(result, { value: expression(op, inputs, parameters) }, {
    traced: inputs.some((input) => input.traced),
    followed: inputs.some((input) => input.followed),
  });
}

/** Numbers, nested to any depth. */
export type NestedNumbers = number | readonly NestedNumbers[];

function nestedShape(values: NestedNumbers): number[] {
  if (typeof values === "number") return [];
  const [first] = values;
  return [values.length, ...(first === undefined ? [] : nestedShape(first))];
}

function flattenInto(values: NestedNumbers, shape: Shape, out: number[]): void {
  if (typeof values === "number" ? shape.length !== 0 : values.length !== shape[0]) {
    throw new ShapeError(
      `tensor: rows differ in length or depth; expected ${showShape(shape)} throughout`,
    );
  }
  if (typeof values === "number") out.push(values);
  else for (const value of values) flattenInto(value, shape.slice(1), out);
}

/**
 * A tensor of given numbers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assertEquals(x.shape, [2, 2]);
 * assertEquals(await x.data(), new Float32Array([1, 2, 3, 4]));
 * assertEquals(tensor(new Int32Array(6), { shape: [2, 3], dtype: "i32" }).shape, [2, 3]);
 * ```
 *
 * @param values A number, nested arrays of numbers, or a typed array in row-major order.
 * @param options `dtype` (f32 unless told) and `shape` (that of the nesting unless told).
 * @returns The tensor, its elements copied.
 * @throws {ShapeError} If rows differ in length or the shape does not hold as many elements.
 */
export function tensor(
  values: NestedNumbers | ArrayLike<number>,
  options: { readonly dtype?: DType; readonly shape?: Shape } = {},
): Tensor {
  const { dtype = "f32" } = options;
  const flat: number[] = [];
  const isNested = typeof values === "number" || Array.isArray(values);
  let elements: ArrayLike<number> = flat;
  let natural: readonly number[];
  if (isNested) {
    natural = nestedShape(values);
    flattenInto(values, natural, flat);
  } else {
    elements = isArrayLike(values) ? values : flat;
    natural = [elements.length];
  }
  const shape = options.shape ?? natural;
  if (sizeOf(shape) !== elements.length) {
    throw new ShapeError(
      `tensor: shape ${showShape(shape)} holds ${sizeOf(shape)} elements, got ${elements.length}`,
    );
  }
  const data = allocate(dtype, elements.length);
  if (dtype === "bool") { for (let i = 0; i < elements.length; i++) data[i] = elements[i] ? 1 : 0; }
  else data.set(elements);
  return makeTensor({ shape: [...shape], dtype }, { value: { kind: "host", data } });
}

function isArrayLike(values: NestedNumbers | ArrayLike<number>): values is ArrayLike<number> {
  return typeof values === "object" && !Array.isArray(values);
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
 */
export function asTensor(value: TensorLike, dtype: DType): Tensor {
  return typeof value === "number" ? apply("fill", [], { shape: [], dtype, value }) : value;
}
