/** Tensors whose elements are on a device from the start. */
import type { Device } from "./backend/device.ts";
import { materialise, store } from "./evaluate.ts";
import type { TensorData } from "./safetensors.ts";
import { makeTensor } from "./tensor.ts";
import { leavesOf } from "./tree.ts";
import type { Tensor } from "./value.ts";

/**
 * A tensor on a device. Elements on the host are copied at every call of a program that reads them,
 * so that large ones that many calls read are better there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { reference, uploaded } from "@unitune/core";
 *
 * const data = new Float32Array([1, 2]);
 * const x = uploaded({ dtype: "f32", shape: [2], data }, reference());
 * assertEquals(await x.data(), data);
 * ```
 *
 * @param elements The elements; the tensor has a copy of them.
 * @param device The device.
 * @returns The tensor.
 */
export function uploaded({ dtype, shape, data }: TensorData, device: Device): Tensor {
  const tensor = makeTensor({ dtype, shape }, { value: { kind: "host", data } });
  store(tensor, device, device.upload(data, dtype));
  return tensor;
}

/**
 * Moves the elements of a tree's tensors to a device, so that programs read them there; expressions
 * are evaluated.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { onDevice, reference, tensor } from "@unitune/core";
 *
 * const { weight } = onDevice({ weight: tensor([1, 2]) }, reference());
 * assertEquals(await weight.data(), new Float32Array([1, 2]));
 * ```
 *
 * @param tree Nested records and arrays of tensors.
 * @param device The device.
 * @returns The same tree.
 */
export function onDevice<T>(tree: T, device: Device): T {
  const leaves = leavesOf(tree);
  materialise(leaves, device);
  for (const leaf of leaves) {
    const { dtype, cell: { value } } = leaf;
    if (value.kind === "host") store(leaf, device, device.upload(value.data, dtype));
  }
  return tree;
}
