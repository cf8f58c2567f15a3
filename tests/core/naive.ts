/** Tensors as functions of an index: the plainest statement of what operations compute. */
import { assertEquals } from "@std/assert";
import { type DType, type Shape, type Tensor, tensor } from "@unitune/core";
import fc from "fast-check";

/** An index into a tensor. */
export type Index = readonly number[];

/** Elements by their index. */
export interface Naive {
  readonly shape: Shape;
  readonly at: (index: Index) => number;
}

/** All indices of a shape, in row-major order. */
export function indicesOf(shape: Shape): Index[] {
  return shape.reduce<Index[]>(
    (indices, size) =>
      indices.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

/** An index with one axis replaced. */
export function withAxis(index: Index, axis: number, value: number): Index {
  return index.map((old, i) => i === axis ? value : old);
}

/** The elements as a tensor. */
export function toTensor({ shape, at }: Naive, dtype: DType = "f32"): Tensor {
  return tensor(Float64Array.from(indicesOf(shape), at), { shape, dtype });
}

/** Asserts that a tensor has the shape and exactly the elements, whatever the sign of zeros. */
export async function assertIs(actual: Tensor, { shape, at }: Naive): Promise<void> {
  assertEquals(actual.shape, shape);
  const elements = [...await actual.data()];
  assertEquals(elements.map((x) => x + 0), indicesOf(shape).map((index) => at(index) + 0));
}

/** Shapes with few elements, empty ones and scalars included unless told. */
export function arbitraryShape(
  { minRank = 0, maxRank = 4, minSize = 0, maxSize = 4 } = {},
): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: minSize, max: maxSize }), {
    minLength: minRank,
    maxLength: maxRank,
  });
}

/** Small integers, whose sums and products are exact in every element type. */
export function arbitraryNaive(shape: Shape, max = 9): fc.Arbitrary<Naive> {
  const indices = indicesOf(shape);
  return fc.array(fc.integer({ min: -max, max }), {
    minLength: indices.length,
    maxLength: indices.length,
  }).map((elements) => {
    const positions = new Map(indices.map((index, position) => [index.join(), position]));
    return { shape, at: (index) => elements[positions.get(index.join()) ?? -1] ?? NaN };
  });
}
