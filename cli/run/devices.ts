/**
 * Devices by the names that the command line has for them.
 *
 * @module
 */

import {
  reference,
  type ReferenceDevice,
  wasm,
  type WasmDevice,
  webgpu,
  type WebGpuDevice,
  WebGpuUnavailableError,
} from "@unitune/core";
import { UserError } from "@unitune/training";
import type { TrainSettings } from "../flags/settings.ts";

/** A device that commands open, under the name by which they open the same one again. */
export type NamedDevice = ReferenceDevice | WasmDevice | WebGpuDevice;

/** A graphics processor, or else the processor, by WebAssembly. */
async function openBest(
  note: (sentence: string) => void,
  precision: TrainSettings["precision"],
): Promise<NamedDevice> {
  try {
    const device = await webgpu({ precision });
    if (!device.isSoftware) return device;
    note(
      `computing on wasm: the only WebGPU adapter, ${device.description}, is software and slower`,
    );
    device[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    note(`computing on wasm: ${error.message}`);
  }
  return wasm();
}

/** The adapter that WebGPU gives, and a word of warning where it is none of hardware. */
async function openGraphics(
  note: (sentence: string) => void,
  precision: TrainSettings["precision"],
): Promise<NamedDevice> {
  const device = await webgpu({ precision });
  if (device.isSoftware) {
    note(
      `computing on webgpu by ${device.description}, a software adapter: --device wasm is faster`,
    );
  }
  return device;
}

const devices: {
  readonly [Name in TrainSettings["device"]]: (
    note: (sentence: string) => void,
    precision: TrainSettings["precision"],
  ) => NamedDevice | Promise<NamedDevice>;
} = {
  auto: openBest,
  wasm: () => wasm(),
  webgpu: openGraphics,
  reference: () => reference(),
};

/**
 * A device of its own for a command. A run keeps the name of what `"auto"` gave, so that it goes on
 * where it began: the same numbers come from the same device only.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { openDevice } from "@unitune/cli";
 *
 * const sentences: string[] = [];
 * using device = await openDevice("auto", (sentence) => sentences.push(sentence));
 * assert(device.name === "webgpu" || sentences.length === 1);
 * ```
 *
 * @param setting A name, or `"auto"`: a graphics processor where there is one, else wasm.
 * @param note Told in a sentence why `"auto"` is not a graphics processor, and that `"webgpu"` is none
 * of hardware.
 * @param precision What operands of products are rounded to, on a graphics processor.
 * @returns The device.
 * @throws {UserError} If the machine has no such device, or none with this precision.
 */
export async function openDevice(
  setting: TrainSettings["device"],
  note: (sentence: string) => void = () => {},
  precision: TrainSettings["precision"] = "f32",
): Promise<NamedDevice> {
  try {
    const device = await devices[setting](note, precision);
    if (precision === "f32" || device.name === "webgpu") return device;
    device[Symbol.dispose]();
    throw new UserError(
      `--precision ${precision}: --device ${setting} computes on ${device.name} here, in f32 only: ` +
        `give --device webgpu, or leave --precision out`,
    );
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    throw new UserError(`--device ${setting}: ${error.message}`, { cause: error });
  }
}
