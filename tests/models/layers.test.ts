import { assert, assertEquals } from "@std/assert";
import {
  compile,
  type Device,
  reference,
  type Tensor,
  tensor,
  wasm,
  webgpu,
  WebGpuUnavailableError,
} from "@unitune/core";
import { checkGradients } from "@unitune/autodiff";
import fc from "fast-check";
// Not public: a layer by itself.
import { LAYER_NORM_EPSILON, layerNorm } from "../../models/layers.ts";

async function devices(): Promise<Device[]> {
  try {
    return [
      reference(),
      wasm({ threads: 1 }),
      await webgpu(),
      await webgpu({ tuning: "hardware" }),
    ];
  } catch (error) {
    if (!(error instanceof WebGpuUnavailableError)) throw error;
    return [reference(), wasm({ threads: 1 })];
  }
}

function normalised(device: Device) {
  return compile(
    (x: Tensor, weight: Tensor, bias: Tensor) => layerNorm(x, { weight, bias }),
    { device },
  );
}

Deno.test("a row of equal elements is normalised to exactly its offset", async () => {
  const values = fc.float({ noNaN: true, noDefaultInfinity: true });
  for (const device of await devices()) {
    using run = normalised(device);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(1, 2, 3, 50, 129, 768), values, async (width, value) => {
        const weight = Float32Array.from({ length: width }, (_, i) => 1 + i / 7);
        const bias = Float32Array.from({ length: width }, (_, i) => i - 3.3);
        const rows = tensor(new Float32Array(2 * width).fill(value), { shape: [2, width] });
        const y = await run(rows, tensor(weight), tensor(bias)).data();
        assertEquals([...y], [...bias, ...bias]);
      }),
      { numRuns: 12, seed: 3, examples: [[768, Math.fround(0.7)], [3, Math.fround(0.7)]] },
    );
    device[Symbol.dispose]();
  }
});

Deno.test("rows far from 0 are normalised as by their formula in f64", async () => {
  const width = 300;
  const row = Float32Array.from({ length: width }, (_, i) => 1000 + Math.sin(3 * i));
  const mean = row.reduce((sum, x) => sum + x, 0) / width;
  const variance = row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / width;
  const expected = Array.from(row, (x) => (x - mean) / Math.sqrt(variance + LAYER_NORM_EPSILON));
  for (const device of await devices()) {
    using run = normalised(device);
    const [ones, zeros] = [new Float32Array(width).fill(1), new Float32Array(width)];
    const y = await run(tensor(row, { shape: [1, width] }), tensor(ones), tensor(zeros)).data();
    // The mean of 1,000 is rounded to half a unit of 6e-5, and divided by a deviation of 0.7.
    y.forEach((element, i) => assert(Math.abs(element - (expected[i] ?? NaN)) < 1e-4));
    device[Symbol.dispose]();
  }
});

Deno.test("the gradient of a normalised row is right to second order, equal elements included", async () => {
  const [weight, bias] = [tensor([1.5, -0.5, 2]), tensor([0.1, 0.2, -0.3])];
  const f = ({ x, weight, bias }: { x: Tensor; weight: Tensor; bias: Tensor }) =>
    layerNorm(x, { weight, bias });
  for (const x of [tensor([[0.3, -1.2, 0.7], [2, 1.9, 0]]), tensor([[0.4, 0.1, 0.4]])]) {
    await checkGradients(f, { x, weight, bias }, { order: 2 });
  }
});
