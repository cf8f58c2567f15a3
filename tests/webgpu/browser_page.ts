/**
 * What runs in the browser: the small training on WebGPU, or on wasm where there is no adapter, and
 * reductions with the adapter's subgroups and without.
 */
import {
  type Device,
  wasm,
  webgpu,
  type WebGpuFeature,
  WebGpuUnavailableError,
} from "@unitune/core";
import { checkAttention } from "./attended.ts";
import { checkContext, checkUpdates } from "./ranges.ts";
import { checkReductions, reduceTwice } from "./reductions.ts";
import { train } from "./training.ts";

async function openDevice(): Promise<Device> {
  try {
    return await webgpu();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    return wasm();
  }
}

/**
 * The features of the adapter, once reductions were as they should with subgroups and without, and
 * loops that are cut into ranges.
 */
async function checkedFeatures(): Promise<readonly WebGpuFeature[]> {
  using hardware = await webgpu({ tuning: "hardware" });
  using plain = await webgpu({ tuning: "hardware", without: ["subgroups"] });
  await checkReductions([hardware, plain]);
  await checkUpdates([hardware], 70_000, [[250, 4]]);
  await checkContext([hardware], 1100);
  await checkAttention([hardware], {
    q: [2, 2, 2, 4],
    k: [2, 40, 1, 4],
    parameters: { start: "operand", segments: true },
    starts: [20, 38],
  });
  const [first, second] = await reduceTwice(hardware);
  if (String(first) !== String(second)) throw new Error("the same sums have other bits");
  return hardware.features;
}

async function report(): Promise<unknown> {
  try {
    const device = await openDevice();
    const { losses } = await train(device, 8);
    const features = device.name === "webgpu" ? await checkedFeatures() : [];
    return { device: device.name, losses, features };
  } catch (error) {
    return { error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) };
  }
}

await fetch("/report", { method: "POST", body: JSON.stringify(await report()) });
