/** Operands for tests, and what sums of them may differ by. */
import { type Shape, type Tensor, tensor } from "@unitune/core";
import type { Tolerance } from "../core/primitives_table.ts";

/** Numbers between -1 and 1 that no shape repeats. */
export function numbers(shape: Shape, seed = 1): Tensor {
  const size = shape.reduce((product, axis) => product * axis, 1);
  const data = Float32Array.from({ length: size }, (_, i) => Math.sin(1.7 * i * seed + i * i));
  return tensor(data, { shape });
}

/** Sums of n terms of size 1 in f32; the errors of the terms add up like a random walk at worst. */
export function summed(terms: number): Tolerance {
  return { value: 2e-6 * Math.sqrt(terms + 1), reason: `${terms} terms of size 1 summed in f32` };
}
