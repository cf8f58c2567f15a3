/** A backend outside core: every primitive with its gradient, and a training, by exports alone. */
import { assert, assertEquals } from "@std/assert";
import type { Tensor } from "@unitune/core";
import fc from "fast-check";
import { gradientOf, sloped } from "../core/gradient_cases.ts";
import { cases } from "../core/primitives_table.ts";
import { arbitraryProgram, inputsOf, runProgram } from "../core/programs.ts";
import { assertLikeReference } from "../webgpu/compare.ts";
import { assertTrainsLikeReference } from "./training.ts";
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
  await assertTrainsLikeReference(device);
});

Deno.test("the backend has less than 420 lines, and imports what is exported for all", async () => {
  const source = await Deno.readTextFile(new URL("./javascript.ts", import.meta.url));
  const imported = [...source.matchAll(/from "(?<name>[^"]+)"/g)].map(({ groups }) => groups?.name);
  assertEquals(imported, ["@unitune/core", "@unitune/core/backend"]);
  const lines = source.trimEnd().split("\n").length;
  assert(lines < 420, `${lines} lines`);
});
