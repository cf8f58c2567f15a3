/**
 * Devices by the names that the command line has for them.
 *
 * @module
 */

import { type Device, reference, wasm, webgpu, WebGpuUnavailableError } from "@unitune/core";
import { UserError } from "./errors.ts";
import type { TrainSettings } from "./settings.ts";

/** The name of a device. */
export type DeviceName = Exclude<TrainSettings["device"], "auto">;

const devices: { readonly [Name in DeviceName]: () => Device | Promise<Device> } = {
  wasm,
  webgpu,
  reference,
};

/**
 * The device that a setting stands for. A run keeps its name, so that it goes on where it began:
 * the same numbers come from the same device only.
 *
 * @param setting A name, or `"auto"`: wasm, the fastest that was measured for models of these sizes.
 * @returns The name.
 */
export function chooseDevice(setting: TrainSettings["device"]): DeviceName {
  return setting === "auto" ? "wasm" : setting;
}

/**
 * A device of its own for a command.
 *
 * @param setting A name, or `"auto"` for the fastest that there is.
 * @returns The device.
 * @throws {UserError} If the machine has no such device.
 */
export async function openDevice(setting: TrainSettings["device"]): Promise<Device> {
  try {
    return await devices[chooseDevice(setting)]();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    throw new UserError(`--device ${setting}: ${error.message}`, { cause: error });
  }
}
