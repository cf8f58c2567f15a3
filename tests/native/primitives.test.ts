/** Every primitive with its gradients, random programs and a training, as compiled C. */
import { assert, assertEquals } from "@std/assert";
import { leavesOf, reference, type Tensor } from "@unitune/core";
import fc from "fast-check";
import { gradientOf, sloped } from "../core/gradient_cases.ts";
import { wrongAttention, wrongLogits } from "../core/infinite_logits.ts";
import { cases } from "../core/primitives_table.ts";
import { arbitraryProgram, inputsOf, runProgram } from "../core/programs.ts";
import { specials, wrongRows } from "../core/special_values.ts";
import { assertAllLikeReference, assertLikeReference, type Compared } from "../webgpu/compare.ts";
import { train } from "../webgpu/training.ts";
import { testOnNative } from "./machine.ts";

for (const [primitive, list] of Object.entries(cases)) {
  // One program for all cases, since each program starts the compiler.
  testOnNative(`${primitive} is the same as C as on the reference`, async (device) => {
    const compared = list.flatMap((entry): Compared[] => {
      const build = () => entry.build("f32");
      const value: Compared = {
        name: entry.name,
        f: (inputs) => [entry.apply(inputs)],
        build,
        tolerance: entry.tolerance,
      };
      if (entry.order === 0) return [value];
      const name = `${entry.name} gradient`;
      return [value, { name, f: gradientOf(entry), build, tolerance: sloped }];
    });
    await assertAllLikeReference(device, compared);
  });
}

for (const entry of specials) {
  testOnNative(
    `${entry.of} of special values of ${entry.dtype} as C is IEEE 754's`,
    async (device) => {
      assertEquals(await wrongRows(device, entry), []);
    },
  );
}

testOnNative("infinite logits and scores are PyTorch's and the reference's", async (device) => {
  assertEquals(await wrongLogits(device), []);
  assertEquals(await wrongAttention(device), []);
});

testOnNative("random programs are the same as C as on the reference", async (device) => {
  // At most 16 steps, each of about two roundings of 6e-8, none of which grows (see programs.ts).
  const tolerance = { value: 2e-6, reason: "some roundings a step" };
  await fc.assert(
    fc.asyncProperty(arbitraryProgram, async (program) => {
      const f = (inputs: readonly Tensor[]) => runProgram(program, [...inputs]);
      await assertLikeReference([device], f, () => inputsOf(program), tolerance, "a program");
    }),
    { numRuns: 20 },
  );
});

testOnNative("a GPT trains to the reference's losses and parameters", async (device) => {
  const [actual, expected] = [await train(device, 3), await train(reference(), 3)];
  // Each step rounds what it computes to f32, 1e-7 of losses of about 3.
  actual.losses.forEach((loss, i) => {
    const wanted = expected.losses[i] ?? NaN;
    assert(Math.abs(loss - wanted) < 1e-5, `step ${i}: ${loss} against ${wanted}`);
  });
  assert((actual.losses[2] ?? NaN) < (actual.losses[0] ?? NaN), "nothing was learned");
  const elementsOf = (params: object) => Promise.all(leavesOf(params).map((leaf) => leaf.data()));
  const [params, wanted] = [await elementsOf(actual.params), await elementsOf(expected.params)];
  assertEquals(params.length, wanted.length);
  // AdamW divides a gradient by its size: where that is next to nothing, so are its exact digits. An
  // update is 1e-3 at most; a tenth of it is the limit.
  params.forEach((leaf, i) =>
    leaf.forEach((x, j) => {
      const off = Math.abs(x - (wanted[i]?.[j] ?? NaN));
      assert(off < 1e-4, `element ${j} of leaf ${i} is off by ${off}`);
    })
  );
});
