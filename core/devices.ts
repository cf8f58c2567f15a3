/** The devices that are used where none is named. */
import type { Device } from "./backend/device.ts";
import { reference } from "./backends/reference.ts";
import { wasm } from "./backends/wasm/wasm.ts";

/** Made when first needed, since a device takes memory. */
function lazy<T>(make: () => T): () => T {
  const made: T[] = [];
  return () => {
    const [value = make()] = made;
    made[0] = value;
    return value;
  };
}

const devices: Readonly<Record<"f32" | "f64", () => Device>> = {
  f32: lazy(() => wasm()),
  f64: lazy(reference),
};

/**
 * The device that evaluates expressions where none is named: wasm, or the reference for f64.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { defaultDevice } from "@unitune/core";
 *
 * assertEquals(defaultDevice("f64").name, "reference");
 * ```
 *
 * @param precision The widest floating-point type in the expression.
 * @returns The device; the same one each time.
 */
export function defaultDevice(precision: "f32" | "f64"): Device {
  return devices[precision]();
}
