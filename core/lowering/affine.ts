/**
 * Affine maps: positions as linear functions of a loop's indices. They let transposes, slices,
 * repetitions and most reshapes be read in place, without a copy.
 */
import { at, type Shape, sizeOf, stridesOf } from "../shape.ts";

/** `offset + sum_d strides[d] i_d` for the indices i of a loop nest. */
export interface Affine {
  /** The value where all indices are 0. */
  readonly offset: number;
  /** The step along each loop. */
  readonly strides: readonly number[];
}

/** An index into a tensor: one affine function for each of its axes. */
export type IndexMap = readonly Affine[];

/** Sums of multiples of affine functions over the same loops. */
export function combine(
  rank: number,
  terms: readonly { readonly factor: number; readonly of: Affine }[],
): Affine {
  const strides = new Array<number>(rank).fill(0);
  let offset = 0;
  for (const { factor, of } of terms) {
    offset += factor * of.offset;
    of.strides.forEach((stride, axis) => strides[axis] = at(strides, axis) + factor * stride);
  }
  return { offset, strides };
}

/** Each loop's index is the index into the axis of the same number. */
export function identityMap(domain: Shape): IndexMap {
  return domain.map((_, axis) => ({
    offset: 0,
    strides: domain.map((_, other) => other === axis ? 1 : 0),
  }));
}

/** The position in row-major order of an index into a shape. */
export function linearize(rank: number, shape: Shape, index: IndexMap): Affine {
  const strides = stridesOf(shape);
  return combine(rank, index.map((of, axis) => ({ factor: at(strides, axis), of })));
}

/** Shifts an index along each axis. */
export function shiftMap(index: IndexMap, by: readonly number[]): IndexMap {
  return index.map(({ offset, strides }, axis) => ({ offset: offset + at(by, axis), strides }));
}

/**
 * Splits a position within `shape` into an index, if it is affine along every axis: each loop's
 * steps must stay within one axis, without a carry into the next.
 */
function delinearize(domain: Shape, shape: Shape, position: Affine): IndexMap | undefined {
  const axisStrides = stridesOf(shape);
  let rest = position.offset;
  const index = axisStrides.map((stride) => {
    const digit = Math.floor(rest / stride);
    rest -= digit * stride;
    return { offset: digit, strides: new Array<number>(domain.length).fill(0) };
  });
  const reach = index.map(({ offset }) => offset);
  for (const [loop, step] of position.strides.entries()) {
    const extent = at(domain, loop);
    if (step === 0 || extent === 1) continue;
    const axis = axisStrides.findIndex((stride) => stride <= step);
    const factor = step / at(axisStrides, axis);
    const entry = index[axis];
    if (entry === undefined || !Number.isInteger(factor)) return undefined;
    entry.strides[loop] = factor;
    reach[axis] = at(reach, axis) + factor * (extent - 1);
  }
  return reach.every((last, axis) => last < at(shape, axis)) ? index : undefined;
}

/**
 * The index into `from` of the element that stands at `index` in `to`, both shapes of one tensor;
 * undefined if it is not affine.
 */
export function reshapeMap(
  domain: Shape,
  to: Shape,
  from: Shape,
  index: IndexMap,
): IndexMap | undefined {
  if (sizeOf(from) === 0) return undefined;
  const zero: Affine = { offset: 0, strides: new Array<number>(domain.length).fill(0) };
  const result: Affine[] = [];
  let [t, f] = [0, 0];
  // Both shapes fall into runs of axes of equal products; each run is converted by itself.
  while (t < to.length || f < from.length) {
    let [endTo, endFrom] = [t, f];
    let [productTo, productFrom] = [1, 1];
    do {
      const takeTo = endTo < to.length && (productTo <= productFrom || endFrom >= from.length);
      if (takeTo) productTo *= at(to, endTo++);
      else productFrom *= at(from, endFrom++);
    } while (productTo !== productFrom);
    const [shapeTo, shapeFrom] = [to.slice(t, endTo), from.slice(f, endFrom)];
    const position = linearize(domain.length, shapeTo, index.slice(t, endTo));
    if (shapeFrom.length === 1) result.push(position);
    // deno-lint-ignore unitune/no-spread-of-data -- axes of a shape
    else if (shapeFrom.every((size) => size === 1)) result.push(...shapeFrom.map(() => zero));
    else {
      const split = delinearize(domain, shapeFrom, position);
      if (split === undefined) return undefined;
      // deno-lint-ignore unitune/no-spread-of-data -- axes of a shape
      result.push(...split);
    }
    [t, f] = [endTo, endFrom];
  }
  return result;
}
