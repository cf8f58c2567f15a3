/** Accuracy of functions on WebGPU, with both choices of kernels. */
import { assert, assertEquals } from "@std/assert";
import { compile, pow, type Tensor, tensor } from "@unitune/core";
import {
  accurate,
  angles,
  misses,
  worstCircular,
  worstPower,
  wrongRemainders,
} from "../core/accuracy.ts";
import { testOnWebGpu } from "./adapter.ts";

for (const name of Object.keys(accurate)) {
  testOnWebGpu(`${name} and its gradient keep their digits on webgpu`, async (...devices) => {
    for (const device of devices) assertEquals(await misses(device, name, 1 << 13), []);
  });
}

testOnWebGpu("powers are off by 1e-6 of themselves at most", async (...devices) => {
  for (const device of devices) {
    const worst = await worstPower(device, 1 << 13);
    assert(worst <= 1e-6, `off by ${worst}`);
  }
});

testOnWebGpu("whole powers that a float holds are exact on webgpu", async (...devices) => {
  const held = Array.from({ length: 401 }, (_, i) => i - 200).flatMap((a) =>
    Array.from({ length: 24 }, (_, b): [number, number] => [a, b])
  ).filter(([a, b]) => Math.fround(a ** b) === a ** b);
  const [a, b] = [held.map(([a]) => a), held.map(([, b]) => b)];
  for (const device of devices) {
    using program = compile((a: Tensor, b: Tensor) => pow(a, b), { device });
    assertEquals(
      [...await program(tensor(a), tensor(b)).data()],
      a.map((x, i) => x ** (b[i] ?? 0)),
    );
  }
});

testOnWebGpu("remainders are exact on webgpu", async (...devices) => {
  for (const device of devices) assertEquals(await wrongRemainders(device, 1 << 13), []);
});

testOnWebGpu(
  "sine and cosine are bounded by 1 and right at any size on webgpu",
  async (...devices) => {
    for (const device of devices) {
      const { error, size } = await worstCircular(device, angles(1 << 13));
      assert(size <= 1 && error <= 1e-6, `off by ${error}, as large as ${size}`);
    }
  },
);
