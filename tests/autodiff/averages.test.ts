/** Averages of parameters, against TRL's callbacks: scripts/trl/averages.py. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { bema, movingAverage, type ParameterAverage } from "@unitune/autodiff";
import { compile, leavesOf, type Tensor, tensor } from "@unitune/core";
import golden from "./golden/averages.json" with { type: "json" };

const SIZE = 4;

/** The parameters after a number of steps: element i is `sin(i^2 + 7 t)`. */
function paramsAfter(t: number, dtype: "f32" | "f64" = "f64"): { readonly weight: Tensor } {
  const elements = Array.from({ length: SIZE }, (_, i) => Math.sin(i * i + 7 * t));
  return { weight: tensor(elements, { dtype }) };
}

const stepOf = (t: number) => tensor(t, { dtype: "i32" });

const { version, ...values } = golden;

const averages: { readonly [Name in keyof typeof values]: ParameterAverage } = {
  moving: movingAverage(),
  reference: movingAverage({ rate: 0.6, every: 3 }),
  bema: bema(),
  "bema at every second step": bema({
    ...{ ratePower: 0.7, biasPower: 0.4, lag: 3, growth: 2, every: 2 },
  }),
};

/** Asserts that an average takes the values of some steps. */
async function assertValues(
  { init, update }: ParameterAverage,
  expected: readonly (readonly number[])[],
  name: string,
): Promise<void> {
  let state = init(paramsAfter(0));
  for (const [i, values] of expected.entries()) {
    state = update(state, paramsAfter(i + 1), stepOf(i + 1));
    const own = await state.params.weight.data();
    // The rounding of f64 in sums of a few terms of order 1.
    values.forEach((value, k) =>
      assertAlmostEquals(own[k] ?? NaN, value, 1e-14, `${name}, step ${i + 1}`)
    );
  }
}

Deno.test("averages are TRL's, step by step", async () => {
  assertEquals(version, "1.13.0");
  await assertValues(averages.moving, values.moving, "moving");
  await assertValues(averages.reference, values.reference, "reference");
  await assertValues(averages.bema, values.bema, "bema");
  const name = "bema at every second step";
  await assertValues(averages[name], values[name], name);
});

Deno.test("an average that is not due keeps its bits, and is one program with those that are", async () => {
  const { init, update } = movingAverage({ rate: 0.3, every: 2 });
  const step = compile(update<{ weight: Tensor }>);
  const start = init(paramsAfter(0, "f32"));
  const first = step(start, paramsAfter(1, "f32"), stepOf(1));
  assertEquals(await first.params.weight.data(), await start.params.weight.data());
  await step(first, paramsAfter(2, "f32"), stepOf(2)).params.weight.data();
  assertEquals(step.statistics().length, 1);
});

Deno.test("a rate of 1 takes the parameters as they are", async () => {
  const { init, update } = movingAverage({ rate: 1 });
  const after = update(init(paramsAfter(0, "f32")), paramsAfter(1, "f32"), stepOf(1));
  assertEquals(await after.params.weight.data(), await paramsAfter(1, "f32").weight.data());
});

Deno.test("the state of BEMA has what it reads, and that of another average is refused", () => {
  assertEquals(leavesOf(bema().init(paramsAfter(0))).length, 3);
  const state = movingAverage().init(paramsAfter(0));
  assertThrows(() => bema().update(state, paramsAfter(1), stepOf(1)), RangeError, "its init");
});
