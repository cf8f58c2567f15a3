/** Sums as long as memory allows, and contexts as long as loops count. */
import { assertEquals } from "@std/assert";
import { grad } from "@unitune/autodiff";
import {
  compile,
  type Device,
  matmul,
  mean,
  mul,
  sum,
  type Tensor,
  tensor,
  wasm,
} from "@unitune/core";
import { checkWay } from "../core/exact_sums.ts";
import { assertLikeReference } from "../webgpu/compare.ts";
import { testOnWebGpu } from "../webgpu/adapter.ts";
import { numbers, summed } from "../webgpu/numbers.ts";
import { checkUpdates } from "../webgpu/ranges.ts";
import { packedAttention } from "../packed_attention.ts";

Deno.test("the mean of 2^28 ones is 1, and their sum exact", async () => {
  using device = wasm();
  using run = compile((x: Tensor) => [mean(x), sum(x)], { device });
  const [average, total] = run(tensor(new Float32Array(2 ** 28).fill(1)));
  assertEquals([await average?.item(), await total?.item()], [1, 2 ** 28]);
});

/** Asserts that as many terms as f32 counts ones stay within the bounds of their sums. */
async function checkSums(device: Device): Promise<void> {
  for (const name of ["along rows", "by scatterAdd", "by a product"]) {
    await checkWay(device, name, { count: 2 ** 24, width: 1, seed: 5, order: 1 });
  }
}

Deno.test("sums of 2^24 terms stay within their bounds on wasm", async () => {
  using device = wasm();
  await checkSums(device);
});

testOnWebGpu("sums of 2^24 terms stay within their bounds on webgpu", checkSums);

testOnWebGpu(
  "many wide updates find their rows, and products of large parts",
  async (...devices) => {
    await checkUpdates(devices, 70_001, [[250, 260]]);
    const depth = 2 ** 18 + 40;
    await assertLikeReference(
      devices,
      ([x, y]) => x === undefined || y === undefined ? [] : [matmul(x, y)],
      () => [numbers([32, depth]), numbers([depth, 32], 2)],
      summed(depth),
      `[32, ${depth}] x [${depth}, 32]`,
    );
  },
);

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
