/** The gradient rule of every primitive, on the cases of the table. */
import { checkGradients, grad } from "@unitune/autodiff";
import {
  cast,
  type FloatDType,
  isFloat,
  isStorage,
  primitives,
  sum,
  type Tensor,
} from "@unitune/core";
import { assert, assertEquals } from "@std/assert";
import { type Case, cases } from "../core/primitives_table.ts";

/** The floats of a case, and the case as a function of them alone. */
function ofFloats({ build, apply }: Case, precision: FloatDType): {
  readonly floats: Tensor[];
  readonly f: (floats: readonly Tensor[]) => Tensor;
} {
  const inputs = build(precision);
  const f = (floats: readonly Tensor[]) => {
    const next = floats.values();
    return apply(inputs.map((input) => isFloat(input.dtype) ? next.next().value ?? input : input));
  };
  return { floats: inputs.filter(({ dtype }) => isFloat(dtype)), f };
}

/** Whether a case moves elements of 16 bits, or makes them of f32. */
function isStored({ build, apply }: Case): boolean {
  const inputs = build("f32");
  return [...inputs, apply(inputs)].some(({ dtype }) => isStorage(dtype));
}

/** Elements that are only stored have no gradient. */
async function checkStored(entry: Case): Promise<void> {
  const { floats, f } = ofFloats(entry, "f32");
  for (const gradient of grad((x: readonly Tensor[]) => sum(cast(f(x), "f32")))(floats)) {
    for (const element of await gradient.data()) assertEquals(element, 0);
  }
}

Deno.test("every primitive has cases", () => {
  assertEquals(Object.keys(cases).toSorted(), Object.keys(primitives).toSorted());
  for (const [name, list] of Object.entries(cases)) assert(list.length > 0, name);
});

for (const [name, list] of Object.entries(cases)) {
  Deno.test(`the gradient of ${name}`, async (t) => {
    for (const entry of list) {
      await t.step(entry.name, async () => {
        if (isStored(entry)) return await checkStored(entry);
        const { floats, f } = ofFloats(entry, "f64");
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
