/**
 * Element types and the typed arrays that hold them.
 *
 * `bool` is stored as 32-bit words that are 0 or 1, so that every backend, a GPU's storage buffers
 * included, can address it. `bf16` and `f16` are types of storage: tensors of them are moved as they
 * are, and cast to f32 where they are computed with.
 */

import { OutOfMemoryError } from "./memory_error.ts";
import { ShapeError } from "./shape.ts";

/** The typed array that holds the elements of each {@linkcode DType}. */
export interface TypedArrays {
  /** 32-bit floating point. */
  readonly f32: Float32Array<ArrayBuffer>;
  /** 64-bit floating point; on the reference backend only. */
  readonly f64: Float64Array<ArrayBuffer>;
  /** 32-bit signed integers. */
  readonly i32: Int32Array<ArrayBuffer>;
  /** 32-bit unsigned integers. */
  readonly u32: Uint32Array<ArrayBuffer>;
  /** Truth values: 0 or 1 in 32-bit words. */
  readonly bool: Uint32Array<ArrayBuffer>;
  /** bfloat16, by its bits: 8 bits of exponent and 7 of fraction, the upper half of an f32. */
  readonly bf16: Uint16Array<ArrayBuffer>;
  /** Half precision (IEEE 754 binary16), by its bits: 5 bits of exponent and 10 of fraction. */
  readonly f16: Uint16Array<ArrayBuffer>;
}

/** The name of an element type. */
export type DType = keyof TypedArrays;

/** The element types that elements are only stored in: nothing but `cast` computes with them. */
export type StorageDType = "bf16" | "f16";

/** The element types that are computed with. */
export type ComputedDType = Exclude<DType, StorageDType>;

/** The elements of a tensor as they are read from it, in row-major order. */
export type TypedArray = TypedArrays[DType];

/** The floating-point element types. */
export type FloatDType = "f32" | "f64";

const allocators: { readonly [D in DType]: (size: number) => TypedArrays[D] } = {
  f32: (size) => new Float32Array(size),
  f64: (size) => new Float64Array(size),
  i32: (size) => new Int32Array(size),
  u32: (size) => new Uint32Array(size),
  bool: (size) => new Uint32Array(size),
  bf16: (size) => new Uint16Array(size),
  f16: (size) => new Uint16Array(size),
};

/**
 * Zeros of an element type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { allocate } from "@unitune/core";
 *
 * assertEquals(allocate("i32", 2), new Int32Array([0, 0]));
 * ```
 *
 * @param dtype The element type.
 * @param size The number of elements.
 * @returns A new typed array of zeros.
 * @throws {OutOfMemoryError} If there is not that much memory.
 */
export function allocate<D extends DType>(dtype: D, size: number): TypedArrays[D] {
  try {
    return allocators[dtype](size);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new OutOfMemoryError(
      `${size} elements of ${dtype} take ${size * bytesPerElement[dtype]} bytes, more than there ` +
        `are: make the model or the batch smaller`,
      { cause },
    );
  }
}

/** Bytes that one element takes. */
export const bytesPerElement: Readonly<Record<DType, number>> = {
  f32: 4,
  f64: 8,
  i32: 4,
  u32: 4,
  bool: 4,
  bf16: 2,
  f16: 2,
};

/** Whether a number is one of an element type; floats are rounded, and so each is one. */
export const holds: Readonly<Record<DType, (value: number) => boolean>> = {
  f32: (value) => typeof value === "number",
  f64: (value) => typeof value === "number",
  i32: (value) => Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31,
  u32: (value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32,
  bool: (value) => value === 0 || value === 1,
  bf16: (value) => typeof value === "number",
  f16: (value) => typeof value === "number",
};

/** The numbers that an element type has, in words. */
export const numbersOf: Readonly<Record<DType, string>> = {
  f32: "numbers",
  f64: "numbers",
  i32: "integers from -2147483648 to 2147483647",
  u32: "integers from 0 to 4294967295",
  bool: "0 and 1",
  bf16: "numbers",
  f16: "numbers",
};

/**
 * Whether an element type is floating point, and so can carry a gradient.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isFloat } from "@unitune/core";
 *
 * assert(isFloat("f32") && !isFloat("i32"));
 * ```
 *
 * @param dtype The element type.
 * @returns True for `f32` and `f64`.
 */
export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype === "f32" || dtype === "f64";
}

/**
 * Whether an element type is one of storage, which only `cast` computes with.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isStorage } from "@unitune/core";
 *
 * assert(isStorage("bf16") && !isStorage("f32"));
 * ```
 *
 * @param dtype The element type.
 * @returns True for `bf16` and `f16`.
 */
export function isStorage(dtype: DType): dtype is StorageDType {
  return dtype === "bf16" || dtype === "f16";
}

/**
 * Refuses to make elements of a type of storage out of nothing.
 *
 * @throws {ShapeError} If the type is one of storage; names the operation.
 */
export function checkComputed(operation: string, dtype: DType): asserts dtype is ComputedDType {
  if (isStorage(dtype)) {
    throw new ShapeError(
      `${operation}: ${dtype} is for storage, and computed with as f32: cast tensors of it to f32 ` +
        `first, or make f32 and cast it to ${dtype}`,
    );
  }
}

/**
 * The number that an element type has for a number: floats go to the nearest, integers modulo 2^32.
 * Every literal becomes it before anything is computed.
 */
export function rounded(dtype: ComputedDType, value: number): number {
  const [own = value] = allocate(dtype, 1).fill(value);
  return own;
}
