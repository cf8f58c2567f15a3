/** The gradient rule of every primitive, on the cases of the table. */
import { checkGradients, grad } from "@unitune/autodiff";
import { cast, isFloat, primitives, sum, type Tensor } from "@unitune/core";
import { assert, assertEquals } from "@std/assert";
import { type Case, cases } from "../core/primitives_table.ts";

/** The floats of a case, and the case as a function of them alone. */
function ofFloats({ build, apply }: Case): {
  readonly floats: Tensor[];
  readonly f: (floats: readonly Tensor[]) => Tensor;
} {
  const inputs = build("f64");
  const f = (floats: readonly Tensor[]) => {
    const next = floats.values();
    return apply(inputs.map((input) => isFloat(input.dtype) ? next.next().value ?? input : input));
  };
  return { floats: inputs.filter(({ dtype }) => isFloat(dtype)), f };
}

Deno.test("every primitive has cases", () => {
  assertEquals(Object.keys(cases).toSorted(), Object.keys(primitives).toSorted());
  for (const [name, list] of Object.entries(cases)) assert(list.length > 0, name);
});

for (const [name, list] of Object.entries(cases)) {
  Deno.test(`the gradient of ${name}`, async (t) => {
    for (const entry of list) {
      await t.step(entry.name, async () => {
        const { floats, f } = ofFloats(entry);
        const result = f(floats);
        for (const element of await result.data()) assert(Number.isFinite(element));
        if (entry.order === 0) {
          const total = (x: readonly Tensor[]) => sum(cast(f(x), "f64"));
          for (const gradient of result.dtype === "bool" ? [] : grad(total)(floats)) {
            for (const element of await gradient.data()) assertEquals(element, 0);
          }
        } else {
          await checkGradients(f, floats, { order: entry.order });
        }
      });
    }
  });
}
