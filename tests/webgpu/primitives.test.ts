/** Every primitive and its gradient on WebGPU, with both choices of kernels. */
import { grad } from "@unitune/autodiff";
import { cos, isFloat, sum, type Tensor } from "@unitune/core";
import { type Case, cases } from "../core/primitives_table.ts";
import { testOnWebGpu } from "./adapter.ts";
import { assertLikeReference } from "./compare.ts";

const sloped = {
  value: 2e-5,
  reason: "gradients multiply several rounded factors of a size up to 10",
};

/** The gradient of `sum(cos(f(x)))` with respect to the floats of a case. */
function gradientOf({ apply }: Case): (inputs: readonly Tensor[]) => readonly Tensor[] {
  return (inputs) => {
    const total = (floats: readonly Tensor[]) => {
      const next = floats.values();
      return sum(
        cos(apply(inputs.map((x) => isFloat(x.dtype) ? next.next().value ?? x : x))),
      );
    };
    return grad(total)(inputs.filter(({ dtype }) => isFloat(dtype)));
  };
}

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
