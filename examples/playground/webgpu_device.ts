/** WebGPU as the device of a worker. */
import { type Device, webgpu, WebGpuUnavailableError } from "@unitune/core";
import { UserError } from "@unitune/training";

/**
 * Opens WebGPU.
 *
 * @throws {UserError} If the browser has no adapter.
 */
export async function openWebGpu(): Promise<Device> {
  try {
    return await webgpu();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    throw new UserError(
      "this browser has no WebGPU, or no adapter for it: choose WebAssembly as the device",
      { cause: error },
    );
  }
}
