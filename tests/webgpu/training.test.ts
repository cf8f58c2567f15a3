/** Training and generation on WebGPU against wasm. */
import { assert, assertEquals } from "@std/assert";
import { type Device, leavesOf, replaceLeaves, tensor, wasm } from "@unitune/core";
import { createGenerator } from "@unitune/models";
import { blockedOperands, blockedResults, blockedTolerance } from "../objectives/blocked.ts";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";
import { model, train } from "./training.ts";

testOnWebGpu("200 steps have wasm's losses", async (device) => {
  using cpu = wasm();
  const { submits } = device.statistics();
  const [expected, actual] = [await train(cpu, 200), await train(device, 200)];
  // One submit a step, one that makes the first state, one that reads all losses.
  assertEquals(device.statistics().submits - submits, 202);
  assert((expected.losses.at(-1) ?? Infinity) < 1, "nothing was learned");
  actual.losses.forEach((loss, step) => {
    const wanted = expected.losses[step] ?? NaN;
    // Roundings of 1e-7 a step, which training amplifies: 200 steps stay well below 1e-5 here.
    assert(
      Math.abs(loss - wanted) <= 1e-4 * Math.max(1, wanted),
      `step ${step}: ${loss} against wasm's ${wanted}`,
    );
  });
});

testOnWebGpu("the same training gives the same bits", async (device) => {
  const [first, second] = [await train(device, 5), await train(device, 5)];
  assertEquals(first.losses, second.losses);
  const elements = (params: object) => Promise.all(leavesOf(params).map((leaf) => leaf.data()));
  assertEquals(await elements(first.params), await elements(second.params));
});

testOnWebGpu("greedy generation is wasm's", async (device) => {
  using cpu = wasm();
  const { params } = await train(cpu, 60);
  const onHost = await Promise.all(
    leavesOf(params).map(async (leaf) => tensor(await leaf.data(), leaf)),
  );
  const prompts = [[3, 4, 5], [1], [7, 8]];
  const options = { maxNewTokens: 10 };
  const generate = async (device: Device) => {
    using generator = createGenerator(model, { device });
    const tree = replaceLeaves(params, onHost);
    return await generator.generate(tree, prompts, options);
  };
  const { submits } = device.statistics();
  const completions = await generate(device);
  // One for the prompts, one a token, and two that read: after the eighth, to see who has ended, and
  // the last.
  assertEquals(device.statistics().submits - submits, 1 + options.maxNewTokens + 2);
  assertEquals(completions, await generate(cpu));
});

testOnWebGpu(
  "a head in blocks predicts and learns as on the reference",
  (device) =>
    assertLikeReference(
      [device],
      blockedResults,
      blockedOperands,
      blockedTolerance,
      "a head in blocks",
    ),
);
