/** Special values on WebGPU, with both choices of kernels. */
import { assertEquals } from "@std/assert";
import { specials, wrongRows } from "../core/special_values.ts";
import { testOnWebGpu } from "./adapter.ts";

/** WGSL lets compilers leave out a 0 that is added, and with it the sign of a sum that is 0. */
function isSameSum(a: number, b: number): boolean {
  return a === b || Object.is(a, b);
}

for (const entry of specials) {
  testOnWebGpu(
    `${entry.of} of special values of ${entry.dtype} is as IEEE 754 has it on webgpu`,
    async (...devices) => {
      const isSame = entry.of === "sum" ? isSameSum : Object.is;
      for (const device of devices) assertEquals(await wrongRows(device, entry, isSame), []);
    },
  );
}
