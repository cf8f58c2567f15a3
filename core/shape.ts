/** Shapes: the sizes of a tensor's axes, outermost first; elements are in row-major order. */
import { nameOf } from "./names.ts";

/** The sizes of a tensor's axes; `[]` is a scalar. */
export type Shape = readonly number[];

/** An operation was given shapes, element types or parameters that do not fit it. */
export class ShapeError extends Error {
  /** The error's name. */
  override readonly name = "ShapeError";
}

/**
 * The number of elements of a shape: the product of its axes, 1 for a scalar.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sizeOf } from "@unitune/core";
 *
 * assertEquals(sizeOf([2, 3]), 6);
 * assertEquals(sizeOf([]), 1);
 * ```
 *
 * @param shape The shape.
 * @returns The number of elements.
 */
export function sizeOf(shape: Shape): number {
  return shape.reduce((size, axis) => size * axis, 1);
}

/** Elements between neighbours along each axis of a contiguous tensor. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] ?? 1;
  }
  return strides;
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** A shape as it is shown in messages: `[2, 3]`. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * An entry of a list that has to exist, such as the size of an axis that was checked before.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * import { at } from "@unitune/core";
 *
 * assertEquals(at([2, 3], 1), 3);
 * assertThrows(() => at([2, 3], 2), RangeError, "index 2 is outside a list of 2");
 * ```
 *
 * @param values The list.
 * @param index The index, from 0.
 * @returns The entry.
 * @throws {RangeError} If there is none, which is a fault of the caller.
 */
export function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) {
    throw new RangeError(`index ${index} is outside a list of ${values.length}`);
  }
  return value;
}

/** The largest position: positions are i32. */
const LAST_POSITION = 2 ** 31 - 1;

/**
 * Refuses a list that is no shape.
 *
 * @throws {ShapeError} If a size is negative or no integer.
 */
export function checkShape(operation: string, shape: Shape): void {
  if (!Array.isArray(shape)) {
    throw new ShapeError(`${operation}: expected a shape, such as [2, 3], got ${nameOf(shape)}`);
  }
  // By index, since `every` skips the holes of an array.
  for (let axis = 0; axis < shape.length; axis++) {
    if (Number.isInteger(shape[axis]) && (shape[axis] ?? -1) >= 0) continue;
    throw new ShapeError(
      `${operation}: ${showShape(shape)} is no shape: ${shape[axis]} is no size; ` +
        `sizes are integers from 0`,
    );
  }
}

/**
 * Refuses a number that should be a position or a count and is no integer.
 *
 * @throws {ShapeError} If it is none, or outside i32.
 */
export function checkPosition(operation: string, what: string, value: number): void {
  if (Number.isInteger(value) && Math.abs(value) <= LAST_POSITION) return;
  throw new ShapeError(`${operation}: ${what} is ${value}; expected an integer below 2^31 in size`);
}

/**
 * An axis number counted from the front; a negative one counts from the back.
 *
 * @throws {ShapeError} If the axis does not exist.
 */
export function normalizeAxis(operation: string, shape: Shape, axis: number): number {
  const normal = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || normal < 0 || normal >= shape.length) {
    throw new ShapeError(`${operation}: axis ${axis} does not exist in shape ${showShape(shape)}`);
  }
  return normal;
}

/**
 * Axis numbers counted from the front, in ascending order; negative ones count from the back.
 *
 * @throws {ShapeError} If an axis does not exist or is named twice.
 */
export function normalizeAxes(operation: string, shape: Shape, axes: readonly number[]): number[] {
  const normal = Array.from(axes, (axis) => normalizeAxis(operation, shape, axis));
  normal.forEach((axis, i) => {
    if (normal.indexOf(axis) !== i) {
      throw new ShapeError(`${operation}: axis ${axes[i]} is named twice`);
    }
  });
  return normal.toSorted((a, b) => a - b);
}

/**
 * The shape that two shapes broadcast to: aligned at the last axis, an axis of size 1 (or a
 * missing one) stretches to the other's size.
 *
 * @throws {ShapeError} If two aligned axes differ and neither is 1.
 */
export function broadcastShapes(operation: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new ShapeError(
        `${operation}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast ` +
          `(axis ${axis - rank}: ${x} against ${y}; expected equal sizes or 1)`,
      );
    }
    return x === 1 ? y : x;
  });
}
