import { assertEquals } from "@std/assert";
import { wrongAttention, wrongLogits } from "../core/infinite_logits.ts";
import { testOnWebGpu } from "./adapter.ts";

testOnWebGpu(
  "sums of exponentials of infinite logits are PyTorch's on webgpu",
  async (...devices) => {
    for (const device of devices) assertEquals(await wrongLogits(device), []);
  },
);

testOnWebGpu("attention to infinite scores is the reference's on webgpu", async (...devices) => {
  for (const device of devices) assertEquals(await wrongAttention(device), []);
});
