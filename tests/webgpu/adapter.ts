/**
 * A WebGPU device for tests. Without an adapter tests are skipped, with a word on what is missing,
 * unless `CI` is set: there an adapter is installed, and its absence is a failure.
 */
import {
  webgpu,
  type WebGpuDevice,
  type WebGpuOptions,
  WebGpuUnavailableError,
} from "@unitune/core";

async function open(options: WebGpuOptions): Promise<WebGpuDevice | undefined> {
  try {
    return await webgpu(options);
  } catch (error) {
    const { state } = await Deno.permissions.query({ name: "env", variable: "CI" });
    const isRequired = state === "granted" && Deno.env.has("CI");
    if (isRequired || !(error instanceof WebGpuUnavailableError)) throw error;
    console.warn(`tests on WebGPU are skipped: ${error.message}`);
    return undefined;
  }
}

/** Devices with the adapter's own kernels and with those made for hardware. */
export const [device, hardware] = [await open({}), await open({ tuning: "hardware" })];

// A driver whose devices are still there when the process ends may fail while it is torn down.
Deno.test.afterAll(() => {
  device?.[Symbol.dispose]();
  hardware?.[Symbol.dispose]();
});

/** A test that needs a WebGPU adapter. */
export function testOnWebGpu(
  name: string,
  test: (device: WebGpuDevice, hardware: WebGpuDevice) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore: device === undefined || hardware === undefined,
    async fn() {
      if (device !== undefined && hardware !== undefined) await test(device, hardware);
    },
  });
}
