/** Devices on which tensors come in pieces, and what their shaders bind. */
import type { WebGpuLimits } from "@unitune/core";

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
