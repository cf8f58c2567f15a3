/** Accuracy of functions on wasm, with and without relaxed SIMD; see tests/webgpu for the other. */
import { assert, assertEquals } from "@std/assert";
import { compile, pow, reference, type Tensor, tensor, wasm } from "@unitune/core";
import fc from "fast-check";
import {
  accurate,
  angles,
  misses,
  worstCircular,
  worstPower,
  wrongRemainders,
} from "./accuracy.ts";

const devices = [
  wasm({ threads: 1 }),
  wasm({ threads: 1, relaxedSimd: false }),
];

for (const name of Object.keys(accurate)) {
  Deno.test(`${name} and its gradient keep their digits, in the tails too`, async () => {
    for (const device of devices) assertEquals(await misses(device, name, 1 << 16), []);
  });
}

Deno.test("powers are rounded once", async () => {
  for (const device of devices) {
    // Half a unit in the last place is 2^-24 of the least mantissa.
    const worst = await worstPower(device, 1 << 16);
    assert(worst <= 2 ** -24 * (1 + 1e-6), `off by ${worst}`);
  }
});

Deno.test("whole powers that a float holds are exact", async () => {
  const whole = fc.integer({ min: -2000, max: 2000 });
  const powers = fc.array(fc.tuple(whole, fc.integer({ min: 0, max: 24 })), { minLength: 1 });
  await fc.assert(fc.asyncProperty(powers, async (drawn) => {
    const held = drawn.filter(([a, b]) => Math.fround(a ** b) === a ** b);
    const [a, b] = [held.map(([a]) => a), held.map(([, b]) => b)];
    for (const device of [...devices, reference()]) {
      using program = compile((a: Tensor, b: Tensor) => pow(a, b), { device });
      assertEquals(
        [...await program(tensor(a), tensor(b)).data()],
        a.map((x, i) => x ** (b[i] ?? 0)),
      );
    }
  }));
});

Deno.test("remainders are exact, however long the quotient", async () => {
  for (const device of devices) assertEquals(await wrongRemainders(device, 1 << 16), []);
});

Deno.test("sine and cosine are bounded by 1 and right at any size", async () => {
  for (const device of devices) {
    const { error, size } = await worstCircular(device, angles(1 << 16));
    assert(size <= 1 && error <= 2e-7, `off by ${error}, as large as ${size}`);
  }
});
