/** Devices on which tensors come in pieces, and what their shaders bind. */
import {
  compile,
  type Device,
  type Tensor,
  type TypedArray,
  type WebGpuLimits,
} from "@unitune/core";

/** Results of a function whose operands are arguments, some of them donated. */
export async function bitsOn(
  device: Device,
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
  inputs: readonly Tensor[],
): Promise<TypedArray[]> {
  using program = compile((inputs: readonly Tensor[]) => [...f(inputs)], { device });
  return await Promise.all(program(inputs).map((result) => result.data()));
}

/** Limits for pieces of so many elements, and the fewest bindings that WebGPU grants. */
export function piecesOf(elements: number): Partial<WebGpuLimits> {
  return {
    maxBufferSize: 4 * elements + 100,
    maxStorageBufferBindingSize: 4 * elements,
    maxStorageBuffersPerShaderStage: 8,
  };
}

/** Runs something, and gives the most bytes of a binding and the most bindings of a group. */
export async function watched(
  run: () => Promise<void>,
): Promise<{ bytes: number; bindings: number }> {
  const { createBindGroup } = GPUDevice.prototype;
  let [bytes, bindings] = [0, 0];
  GPUDevice.prototype.createBindGroup = function (descriptor) {
    const entries = [...descriptor.entries];
    bindings = Math.max(bindings, entries.length);
    for (const { resource } of entries) {
      if ("buffer" in resource) bytes = Math.max(bytes, resource.size ?? resource.buffer.size);
    }
    return createBindGroup.call(this, descriptor);
  };
  try {
    await run();
  } finally {
    GPUDevice.prototype.createBindGroup = createBindGroup;
  }
  return { bytes, bindings };
}
