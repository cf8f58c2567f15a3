/** Schedules against their formulas in plain numbers. */
import {
  constant,
  cosineDecay,
  linearWarmup,
  type Schedule,
  warmupCosine,
} from "@unitune/autodiff";
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { compile, tensor } from "@unitune/core";

async function assertFollows(schedule: Schedule, formula: (step: number) => number): Promise<void> {
  using compiled = compile(schedule);
  for (const step of [0, 1, 2, 5, 9, 10, 11, 50, 99, 100, 101, 1000]) {
    const value = compiled(tensor(step, { dtype: "i32" }));
    assertEquals([value.dtype, value.shape], ["f32", []]);
    // f32, and a cosine by polynomial, on values of at most 1.
    assertAlmostEquals(await value.item(), formula(step), 1e-6, `step ${step}`);
  }
}

const cosine = (part: number) => (1 + Math.cos(Math.PI * Math.min(1, part))) / 2;

Deno.test("schedules follow their formulas, before, within and beyond their steps", async () => {
  await assertFollows(constant(0.3), () => 0.3);
  await assertFollows(
    linearWarmup({ peak: 0.5, warmup: 10 }),
    (step) => 0.5 * Math.min(1, (step + 1) / 11),
  );
  await assertFollows(
    cosineDecay({ peak: 1, end: 0.1, total: 100 }),
    (step) => 0.1 + 0.9 * cosine(step / 100),
  );
  await assertFollows(
    warmupCosine({ peak: 1, end: 0.1, warmup: 10, total: 100 }),
    (step) => step < 10 ? (step + 1) / 11 : 0.1 + 0.9 * cosine((step - 10) / 90),
  );
});

Deno.test("schedules without a warm-up, or with nothing after it", async () => {
  await assertFollows(linearWarmup({ peak: 1, warmup: 0 }), () => 1);
  await assertFollows(
    warmupCosine({ peak: 1, end: 0, warmup: 10, total: 10 }),
    (step) => step < 10 ? (step + 1) / 11 : step === 10 ? 1 : 0,
  );
});
