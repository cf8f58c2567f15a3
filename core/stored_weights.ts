/** Weights of 16 bits as f32 and back. */
import { isStorage, type StorageDType } from "./dtype.ts";
import { narrowed, widened } from "./half.ts";
import { cast } from "./ops/elementwise.ts";
import type { TensorData } from "./safetensors.ts";
import { leavesOf, mapTree } from "./tree.ts";

/**
 * A tree whose tensors of 16 bits are cast to f32. In a compiled function nothing is copied: the
 * readers of the casts read the tensors of 16 bits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { inFloats, tensor } from "@unitune/core";
 *
 * const { weight } = inFloats({ weight: tensor([1, 2], { dtype: "bf16" }) });
 * assertEquals(weight.dtype, "f32");
 * assertEquals(await weight.data(), new Float32Array([1, 2]));
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @returns The tree; the same one, if no tensor has 16 bits.
 */
export function inFloats<T>(tree: T): T {
  if (!leavesOf(tree).some(({ dtype }) => isStorage(dtype))) return tree;
  return mapTree(tree, (leaf) => isStorage(leaf.dtype) ? cast(leaf, "f32") : leaf);
}

/**
 * Elements on the host in another type of floats: widened exactly, or rounded to the nearest, ties to
 * even.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { storedAs } from "@unitune/core";
 *
 * const halves = storedAs({ dtype: "f32", shape: [1], data: new Float32Array([1]) }, "bf16");
 * assertEquals(halves, { dtype: "bf16", shape: [1], data: Uint16Array.of(0x3f80) });
 * ```
 *
 * @param elements The elements.
 * @param dtype The type.
 * @returns The elements; the same ones if they have the type, or are no floats of at most 32 bits.
 */
export function storedAs(elements: TensorData, dtype: "f32" | StorageDType): TensorData {
  const { dtype: own, shape, data } = elements;
  if (own === dtype || own !== "f32" && !isStorage(own)) return elements;
  const floats = isStorage(own) ? widened(own, Uint16Array.from(data)) : new Float32Array(data);
  return { dtype, shape, data: dtype === "f32" ? floats : narrowed(dtype, floats) };
}
