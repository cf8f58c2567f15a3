/** What runs in the browser: the small training on WebGPU, or on wasm where there is no adapter. */
import { type Device, wasm, webgpu, WebGpuUnavailableError } from "@unitune/core";
import { train } from "./training.ts";

async function openDevice(): Promise<Device> {
  try {
    return await webgpu();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    return wasm();
  }
}

async function report(): Promise<unknown> {
  try {
    const device = await openDevice();
    const { losses } = await train(device, 8);
    return { device: device.name, losses };
  } catch (error) {
    return { error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) };
  }
}

await fetch("/report", { method: "POST", body: JSON.stringify(await report()) });
