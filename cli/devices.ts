/**
 * Devices by the names that the command line has for them.
 *
 * @module
 */

import { type Device, reference, wasm } from "@unitune/core";
import type { TrainSettings } from "./settings.ts";

/** The name of a device. */
export type DeviceName = Exclude<TrainSettings["device"], "auto">;

const devices: { readonly [Name in DeviceName]: () => Device } = { wasm, reference };

/**
 * The device that a setting stands for. A run keeps its name, so that it goes on where it began:
 * the same numbers come from the same device only.
 *
 * @param setting A name, or `"auto"` for the fastest that there is.
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
 */
export function openDevice(setting: TrainSettings["device"]): Device {
  return devices[chooseDevice(setting)]();
}
