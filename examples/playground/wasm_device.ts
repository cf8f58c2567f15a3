/** WebAssembly as the device of a worker. */
import { type Device, wasm } from "@unitune/core";

/** WebAssembly on all processors but one, which draws the page meanwhile. */
export function openWasm(): Device {
  return wasm({ threads: Math.max(1, navigator.hardwareConcurrency - 1) });
}
