/** Special values on the backends without a graphics processor; see tests/webgpu for the other. */
import { assertEquals } from "@std/assert";
import { compile, full, reference, wasm } from "@unitune/core";
import { specials, wrongRows } from "./special_values.ts";

const devices = {
  reference: reference(),
  wasm: wasm({ threads: 1 }),
  "wasm without relaxed SIMD": wasm({ threads: 1, relaxedSimd: false }),
};

Deno.test("special values that are known when a program is compiled are the same", async () => {
  for (const { of, apply, dtype, rows } of specials) {
    for (const row of rows) {
      const operands = row.slice(0, -1).map((value) => full([1], value, dtype));
      using program = compile(() => apply(operands), { device: devices.wasm });
      assertEquals(await program().item(), row.at(-1), `${of}(${row.slice(0, -1)})`);
    }
  }
});

for (const entry of specials) {
  Deno.test(`${entry.of} of special values of ${entry.dtype} is as IEEE 754 has it`, async () => {
    for (const [name, device] of Object.entries(devices)) {
      assertEquals(await wrongRows(device, entry), [], name);
    }
  });
}
