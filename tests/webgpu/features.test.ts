/** What adapters may lack: the same results with a feature and without. */
import { assert, assertEquals } from "@std/assert";
import { webgpu } from "@unitune/core";
import { testOnWebGpu } from "./adapter.ts";
import { checkReductions, reduceTwice } from "./reductions.ts";

testOnWebGpu("without subgroups lanes meet in workgroup memory", async (_, hardware) => {
  if (!hardware.features.includes("subgroups")) {
    console.warn("reductions by subgroups are skipped: the adapter has none");
  }
  using plain = await webgpu({ tuning: "hardware", without: ["subgroups"] });
  assert(!plain.features.includes("subgroups"));
  await checkReductions([plain]);
});

testOnWebGpu("reductions of the same elements have the same bits", async (_, hardware) => {
  assertEquals(...await reduceTwice(hardware));
});

testOnWebGpu("a device does without what it is told to", async () => {
  const without = ["f16", "subgroups", "timestamps"] as const;
  using plain = await webgpu({ without });
  assertEquals(plain.features, []);
});
