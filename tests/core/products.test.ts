/** Products large enough for all ways in which the wasm backend reads its operands. */
import { assertEquals } from "@std/assert";
import { compile, type Device, reference, type Tensor, wasm } from "@unitune/core";
import { products, sizes } from "./product_cases.ts";

for (const [name, { operands, product }] of Object.entries(products)) {
  Deno.test(`${name} is exactly the reference's, with fused multiplication and without`, async () => {
    for (const size of sizes) {
      const on = async (device: Device) => {
        using run = compile((a: Tensor, b: Tensor) => product(a, b, size), { device });
        return await run(...operands(size)).data();
      };
      const expected = await on(reference());
      for (const relaxedSimd of [true, false]) {
        using device = wasm({ relaxedSimd, threads: 1 });
        assertEquals(await on(device), expected, `M, K, N = ${size}`);
      }
    }
  });
}
