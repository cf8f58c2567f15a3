import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { interleaved, quantile, spreadOf, timeOf } from "../../bench/measure.ts";

/** A clock that moves only when something takes time. */
function fakeClock(): { now: () => number; pass: (milliseconds: number) => void } {
  let time = 1000;
  return {
    now: () => time,
    pass: (milliseconds) => {
      time += milliseconds;
    },
  };
}

const measurements = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 });

Deno.test("quantile: known values", () => {
  for (
    const [values, q, expected] of [
      [[5], 0.5, 5],
      [[3, 1, 2], 0.5, 2],
      [[4, 1, 2, 3], 0.5, 2.5],
      [[4, 1, 2, 3], 0.25, 1.75],
      [[10, 0], 0.75, 7.5],
      [[3, 1, 2], 0, 1],
      [[3, 1, 2], 1, 3],
    ] as const
  ) {
    assertEquals(quantile(values, q), expected, `quantile ${q} of ${values}`);
  }
  assertThrows(() => quantile([], 0.5), RangeError, "at least one measurement");
});

Deno.test("spread: the order of measurements does not matter, and the quartiles enclose the median", () => {
  fc.assert(fc.property(measurements, (values) => {
    const { median, low, high } = spreadOf(values);
    assert(Math.min(...values) <= low && low <= median && median <= high);
    assert(high <= Math.max(...values));
    assertEquals(spreadOf(values.toReversed()), { median, low, high });
  }));
});

Deno.test("median: half of the measurements on either side", () => {
  fc.assert(fc.property(measurements, (values) => {
    const median = quantile(values, 0.5);
    assert(values.filter((value) => value < median).length <= values.length / 2);
    assert(values.filter((value) => value > median).length <= values.length / 2);
  }));
});

Deno.test("time of: until the promise is kept", async () => {
  const { now, pass } = fakeClock();
  const subject = {
    async run() {
      pass(2);
      await Promise.resolve();
      pass(3);
    },
  };
  assertEquals(await timeOf(subject, now), 5);
});

Deno.test("interleaved: each once a round, forward and backward, warm-up not counted", async () => {
  const { now, pass } = fakeClock();
  const calls: string[] = [];
  const subject = (name: string, milliseconds: number) => ({
    name,
    run() {
      // The first round is slow, as where something is compiled.
      pass(calls.length < 2 ? 1000 : milliseconds);
      calls.push(name);
      return Promise.resolve();
    },
  });
  const measured = await interleaved([subject("a", 10), subject("b", 14)], {
    warmUp: 1,
    rounds: 3,
    now,
  });
  assertEquals(calls, ["a", "b", "b", "a", "a", "b", "b", "a"]);
  assertEquals(measured.map(({ subject }) => subject.name), ["a", "b"]);
  assertEquals(measured.map(({ time }) => time), [
    { median: 10, low: 10, high: 10 },
    { median: 14, low: 14, high: 14 },
  ]);
});

Deno.test("interleaved: a machine that slows down steadily does not change the ratio", async () => {
  const { now, pass } = fakeClock();
  let done = 0;
  const subject = (milliseconds: number) => ({
    run() {
      pass(milliseconds * (1 + 0.01 * done++));
      return Promise.resolve();
    },
  });
  const [a, b] = await interleaved([subject(100), subject(130)], { warmUp: 0, rounds: 40, now });
  const ratio = (b?.time.median ?? NaN) / (a?.time.median ?? NaN);
  // Two subjects of a round are one call apart, 1 % of a step that takes 1.4 times as long by then.
  assertAlmostEquals(ratio, 1.3, 0.01);
  // One after the other, the second would have seemed slower by another 1.6 / 1.2.
});

Deno.test("interleaved: a failure is the caller's", async () => {
  const { now } = fakeClock();
  const failing = { run: () => Promise.reject(new Error("out of memory")) };
  await assertRejects(
    () => interleaved([failing], { warmUp: 0, rounds: 1, now }),
    Error,
    "out of memory",
  );
});
