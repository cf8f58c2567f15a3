/** The device of a worker. */
import { wasm } from "@unitune/core";

/** WebAssembly on all processors but one, which draws the page meanwhile. */
export function deviceOfPage() {
  return wasm({ threads: Math.max(1, navigator.hardwareConcurrency - 1) });
}
