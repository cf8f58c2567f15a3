/**
 * Devices by their names on the command line.
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
import type { NativeDevice } from "@unitune/core/native";
import { showBytes, type TrainSettings, UserError } from "@unitune/training";
import { machineMemory } from "./machine_memory.ts";

/** A device of the command line, whose name opens a device of the same kind again. */
export type NamedDevice = NativeDevice | ReferenceDevice | WasmDevice | WebGpuDevice;

/** The precisions of operands of products that each device has. */
const precisions: {
  readonly [Name in NamedDevice["name"]]: readonly TrainSettings["precision"][];
} = {
  wasm: ["f32"],
  native: ["f32", "bf16"],
  webgpu: ["f32", "f16"],
  reference: ["f32"],
};

/** Options of opening a device. */
export interface DeviceOptions {
  /** The precision of the operands of products (default f32). */
  readonly precision?: TrainSettings["precision"];
  /**
   * The most bytes of memory on the processor by WebAssembly (default: those of the machine, where
   * they may be known, as far as addresses reach).
   */
  readonly memory?: number | undefined;
  /** The threads on the processor (default: as many as the machine has processors). */
  readonly threads?: number;
}

/** Opens the processor by WebAssembly, with a note where it cannot have the memory. */
function openProcessor(
  note: (sentence: string) => void,
  { memory, threads }: Pick<DeviceOptions, "memory" | "threads">,
): WasmDevice {
  const most = memory ?? machineMemory()?.total;
  const device = wasm({
    ...most !== undefined && { memory: most },
    ...threads !== undefined && { threads },
  });
  const { mostBytes } = device.statistics();
  if (memory !== undefined && memory - mostBytes > ROUNDING) {
    note(
      `the memory of wasm ends at ${showBytes(mostBytes)} here, below the ${
        showBytes(memory)
      } of ` +
        `--memory: this engine gives no more`,
    );
  }
  return device;
}

/** What is left of a memory's bytes where they are no whole pages. */
const ROUNDING = 2 ** 20;

/** Opens WebGPU, in f32 where it does not have the precision. */
function openAdapter({ precision }: DeviceOptions): Promise<WebGpuDevice> {
  return webgpu({ precision: precision === "f16" ? precision : "f32" });
}

/** Opens a graphics processor or, without one, the processor by WebAssembly. */
async function openBest(
  note: (sentence: string) => void,
  options: DeviceOptions,
): Promise<NamedDevice> {
  try {
    const device = await openAdapter(options);
    if (!device.isSoftware) return device;
    note(
      `computing on wasm: the only WebGPU adapter, ${device.description}, is software and slower`,
    );
    device[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    note(`computing on wasm: ${error.message}`);
  }
  return openProcessor(note, options);
}

/** Opens WebGPU, with a warning if its adapter is software. */
async function openGraphics(
  note: (sentence: string) => void,
  options: DeviceOptions,
): Promise<NamedDevice> {
  const device = await openAdapter(options);
  if (device.isSoftware) {
    note(
      `computing on webgpu by ${device.description}, a software adapter: --device wasm is faster`,
    );
  }
  return device;
}

/** Opens the device that compiles C, if the task may call what that makes. */
async function openNative(
  _note: (sentence: string) => void,
  { threads, precision }: Pick<DeviceOptions, "threads" | "precision">,
): Promise<NamedDevice> {
  const { native, NativeUnavailableError } = await import("@unitune/core/native");
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    throw new UserError(
      "--device native compiles C and calls it, which this task may not do: use the task whose name " +
        "ends in :native, such as `deno task train:native`, with the same flags",
    );
  }
  try {
    return native({
      ...threads !== undefined && { threads },
      ...precision === "bf16" && { matrixUnit: precision },
    });
  } catch (error) {
    if (!(error instanceof NativeUnavailableError)) throw error;
    throw new UserError(`--device native: ${error.message}`, { cause: error });
  }
}

const devices: {
  readonly [Name in TrainSettings["device"]]: (
    note: (sentence: string) => void,
    options: DeviceOptions,
  ) => NamedDevice | Promise<NamedDevice>;
} = {
  auto: openBest,
  wasm: openProcessor,
  native: openNative,
  webgpu: openGraphics,
  reference: () => reference(),
};

/**
 * Opens a device. A run records the name that `"auto"` has chosen, so that it is resumed on the
 * same kind of device: only the same device gives the same numbers.
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
 * @param setting A name, or `"auto"` for a graphics processor if there is one, otherwise wasm.
 * @param note Called with a sentence if `"auto"` is not a graphics processor or `"webgpu"` is
 * software.
 * @param options The precision of products, and the most memory.
 * @returns The device.
 * @throws {UserError} If the machine has no such device, or none with this precision.
 */
export async function openDevice(
  setting: TrainSettings["device"],
  note: (sentence: string) => void = () => {},
  options: DeviceOptions = {},
): Promise<NamedDevice> {
  const { precision = "f32" } = options;
  try {
    const device = await devices[setting](note, options);
    const own = precisions[device.name];
    if (own.includes(precision)) return device;
    device[Symbol.dispose]();
    throw new UserError(
      `--precision ${precision}: --device ${setting} computes on ${device.name} here, in ${
        own.join(" or ")
      } only: give --device ${precision === "f16" ? "webgpu" : "native"}, or leave --precision out`,
    );
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    throw new UserError(`--device ${setting}: ${error.message}`, { cause: error });
  }
}
