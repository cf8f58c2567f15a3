/** Every primitive with its gradient, training and generation on tensors in small pieces. */
import { assert, assertEquals } from "@std/assert";
import { leavesOf, type Tensor, webgpu, type WebGpuDevice } from "@unitune/core";
import { createGenerator } from "@unitune/models";
import { gradientOf } from "../core/gradient_cases.ts";
import { cases } from "../core/primitives_table.ts";
import { testOnWebGpu } from "../webgpu/adapter.ts";
import { bitsOn } from "../webgpu/compare.ts";
import { piecesOf, watched } from "../webgpu/pieces.ts";
import { model, train } from "../webgpu/training.ts";

testOnWebGpu("every primitive and its gradient has the same bits in pieces", async (...ample) => {
  // Attention of the smallest pieces needs more bindings than eight.
  const { maxStorageBuffersPerShaderStage: _, ...limits } = piecesOf(64);
  using software = await webgpu({ limits });
  using hardware = await webgpu({ limits, tuning: "hardware" });
  for (const [i, small] of [software, hardware].entries()) {
    const large = ample[i];
    assert(large !== undefined);
    for (const [primitive, list] of Object.entries(cases)) {
      for (const entry of list) {
        const inputs = entry.build("f32");
        const f = (inputs: readonly Tensor[]) => [entry.apply(inputs)];
        for (const of of entry.order === 0 ? [f] : [f, gradientOf(entry)]) {
          const expected = await bitsOn(large, of, inputs);
          assertEquals(await bitsOn(small, of, inputs), expected, `${primitive} ${entry.name}`);
        }
      }
    }
  }
});

testOnWebGpu("training and generation have the same bits in small pieces", async (ample) => {
  using small = await webgpu({ limits: piecesOf(4096) });
  const bitsOf = async (device: WebGpuDevice) => {
    const { losses, params } = await train(device, 3);
    const leaves = await Promise.all(leavesOf(params).map((leaf) => leaf.data()));
    using generator = createGenerator(model, { device });
    const completions = await generator.generate(params, [[3, 4, 5], [1]], { maxNewTokens: 4 });
    return { losses, leaves, completions };
  };
  const expected = await bitsOf(ample);
  const most = await watched(async () => assertEquals(await bitsOf(small), expected));
  assertEquals(most, { bytes: 2 ** 14, bindings: 8 });
});
