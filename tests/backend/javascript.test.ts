/** A backend outside core: every primitive with its gradient, and a training, by exports alone. */
import { assert, assertEquals } from "@std/assert";
import { leavesOf, reference, type Tensor } from "@unitune/core";
import fc from "fast-check";
import { gradientOf, sloped } from "../core/gradient_cases.ts";
import { cases } from "../core/primitives_table.ts";
import { arbitraryProgram, inputsOf, runProgram } from "../core/programs.ts";
import { assertLikeReference } from "../webgpu/compare.ts";
import { train } from "../webgpu/training.ts";
import { javascript } from "./javascript.ts";

const device = javascript();

for (const [primitive, list] of Object.entries(cases)) {
  Deno.test(`${primitive} is the same in JavaScript as on the reference`, async () => {
    for (const entry of list) {
      const f = (inputs: readonly Tensor[]) => [entry.apply(inputs)];
      const build = () => entry.build("f32");
      await assertLikeReference([device], f, build, entry.tolerance, entry.name);
      if (entry.order === 0) continue;
      const name = `${entry.name} gradient`;
      await assertLikeReference([device], gradientOf(entry), build, sloped, name);
    }
  });
}

Deno.test("random programs are the same in JavaScript as on the reference", async () => {
  // At most 16 steps, each of about two roundings of 6e-8, none of which grows (see programs.ts).
  const tolerance = { value: 2e-6, reason: "some roundings a step" };
  await fc.assert(fc.asyncProperty(arbitraryProgram, async (program) => {
    const f = (inputs: readonly Tensor[]) => runProgram(program, [...inputs]);
    await assertLikeReference([device], f, () => inputsOf(program), tolerance, "a program");
  }));
});

Deno.test("a GPT trains in JavaScript to the reference's losses and parameters", async () => {
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
  // update is 1e-3 at most; a tenth of it is the limit, and 1.4e-5 is what was seen.
  params.forEach((leaf, i) =>
    leaf.forEach((x, j) => {
      const off = Math.abs(x - (wanted[i]?.[j] ?? NaN));
      assert(off < 1e-4, `element ${j} of leaf ${i} is off by ${off}`);
    })
  );
});

Deno.test("the backend has less than 420 lines, and imports what is exported for all", async () => {
  const source = await Deno.readTextFile(new URL("./javascript.ts", import.meta.url));
  const imported = [...source.matchAll(/from "(?<name>[^"]+)"/g)].map(({ groups }) => groups?.name);
  assertEquals(imported, ["@unitune/core", "@unitune/core/backend"]);
  const lines = source.trimEnd().split("\n").length;
  assert(lines < 420, `${lines} lines`);
});
