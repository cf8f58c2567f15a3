/** Every primitive with its gradients, random programs and a training, as compiled C. */
import { assertEquals } from "@std/assert";
import type { Tensor } from "@unitune/core";
import fc from "fast-check";
import { gradientOf, sloped } from "../core/gradient_cases.ts";
import { wrongAttention, wrongLogits } from "../core/infinite_logits.ts";
import { wrongParts } from "../core/parts.ts";
import { cases } from "../core/primitives_table.ts";
import { arbitraryProgram, inputsOf, runProgram } from "../core/programs.ts";
import { specials, wrongRows } from "../core/special_values.ts";
import { assertAllLikeReference, assertLikeReference, type Compared } from "../webgpu/compare.ts";
import { assertTrainsLikeReference } from "../backend/training.ts";
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

testOnNative("a part of a tensor is read as the whole has it", async (device) => {
  assertEquals(await wrongParts(device), []);
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
  await assertTrainsLikeReference(device);
});
