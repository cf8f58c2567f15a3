/** Sums as long as memory allows, and contexts as long as loops count. */
import { assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import { compile, mean, mul, sum, type Tensor, tensor, wasm } from "@unitune/core";
import { assertLikeReference } from "../webgpu/compare.ts";
import { testOnWebGpu } from "../webgpu/adapter.ts";
import { numbers } from "../webgpu/numbers.ts";
import { packedAttention } from "../packed_attention.ts";

Deno.test("the mean of 2^28 ones is 1, and their sum exact", async () => {
  using device = wasm();
  using run = compile((x: Tensor) => [mean(x), sum(x)], { device });
  const [average, total] = run(tensor(new Float32Array(2 ** 28).fill(1)));
  assertEquals([await average?.item(), await total?.item()], [1, 2 ** 28]);
});

testOnWebGpu(
  "a context in which an invocation's loops have more than 65,535 rounds",
  async (device) => {
    // Four keys take 33 rounds: vectors of 64 are read in 16 pieces for each of two products.
    const [length, width] = [8200, 64];
    await assertLikeReference(
      [device],
      ([x, g]) =>
        x === undefined || g === undefined ? [] : [
          packedAttention(x, { scale: 0.125 }),
          grad((y: Tensor) => sum(mul(packedAttention(y, { scale: 0.125 }), g)))(x),
        ],
      () => [numbers([1, length, 3, 1, width]), numbers([1, length, 1, width], 3)],
      { value: 1e-4, reason: "scores up to 8, each off by some units of 5e-7 in the last place" },
      `${length} positions`,
    );
  },
);
