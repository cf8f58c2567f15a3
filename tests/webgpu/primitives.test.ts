/** Every primitive and its gradient on WebGPU, with both choices of kernels. */
import type { Tensor } from "@unitune/core";
import { gradientOf, sloped } from "../core/gradient_cases.ts";
import { cases } from "../core/primitives_table.ts";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";

for (const [primitive, list] of Object.entries(cases)) {
  testOnWebGpu(`${primitive} is the same on webgpu as on the reference`, async (...devices) => {
    for (const entry of list) {
      const f = (inputs: readonly Tensor[]) => [entry.apply(inputs)];
      const build = () => entry.build("f32");
      await assertLikeReference(devices, f, build, entry.tolerance, entry.name);
      if (entry.order === 0) continue;
      await assertLikeReference(
        devices,
        gradientOf(entry),
        build,
        sloped,
        `${entry.name} gradient`,
      );
    }
  });
}
