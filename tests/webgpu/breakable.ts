/** Devices that can be broken, to see what becomes of the work on them. */
import { assert } from "@std/assert";
import { webgpu, type WebGpuDevice } from "@unitune/core";

/** Opens a device, and gives the browser's own object behind it. */
export async function openBreakable(): Promise<{
  readonly device: WebGpuDevice;
  readonly gpu: GPUDevice;
}> {
  const { requestDevice } = GPUAdapter.prototype;
  const made: GPUDevice[] = [];
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    const gpu = await requestDevice.call(this, descriptor);
    made.push(gpu);
    return gpu;
  };
  try {
    const device = await webgpu();
    const [gpu] = made;
    assert(gpu !== undefined);
    return { device, gpu };
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
}
