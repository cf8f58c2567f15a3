import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { exponentOf, interleaved, quantile, spreadOf, timeOf, warm } from "../../bench/measure.ts";

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

Deno.test("warm: so often and for so long, whichever ends later", async () => {
  for (
    const [runs, milliseconds, expected] of [[3, 0, 3], [0, 0, 0], [1, 25, 3], [5, 25, 5]] as const
  ) {
    const { now, pass } = fakeClock();
    let done = 0;
    const run = () => {
      pass(10);
      done++;
      return Promise.resolve();
    };
    await warm({ run }, { runs, milliseconds }, now);
    assertEquals(done, expected, `${runs} runs, ${milliseconds} ms`);
  }
});

Deno.test("interleaved: each warmed up, then once a round, forward and backward", async () => {
  const { now, pass } = fakeClock();
  const calls: string[] = [];
  const subject = (name: string, milliseconds: number) => {
    let done = 0;
    return {
      name,
      run() {
        // The first run is slow, as where something is compiled.
        pass(done++ === 0 ? 1000 : milliseconds);
        calls.push(name);
        return Promise.resolve();
      },
    };
  };
  const measured = await interleaved([subject("a", 10), subject("b", 14)], {
    warmUp: { runs: 2, milliseconds: 0 },
    rounds: 3,
    now,
  });
  assertEquals(calls.join(" "), "a a b b a b b a a b");
  assertEquals(measured.map(({ subject }) => subject.name), ["a", "b"]);
  assertEquals(measured.map(({ time }) => time), [
    { median: 10, low: 10, high: 10 },
    { median: 14, low: 14, high: 14 },
  ]);
});

const cold = { runs: 0, milliseconds: 0 };

Deno.test("interleaved: a machine that slows down steadily does not change the ratio", async () => {
  const { now, pass } = fakeClock();
  let done = 0;
  const subject = (milliseconds: number) => ({
    run() {
      pass(milliseconds * (1 + 0.01 * done++));
      return Promise.resolve();
    },
  });
  const [a, b] = await interleaved([subject(100), subject(130)], { warmUp: cold, rounds: 40, now });
  const ratio = (b?.time.median ?? NaN) / (a?.time.median ?? NaN);
  // Two subjects of a round are one call apart, 1 % of a step that takes 1.4 times as long by then.
  assertAlmostEquals(ratio, 1.3, 0.01);
  // One after the other, the second would have seemed slower by another 1.6 / 1.2.
});

Deno.test("interleaved: a failure is the caller's", async () => {
  const { now } = fakeClock();
  const failing = { run: () => Promise.reject(new Error("out of memory")) };
  await assertRejects(
    () => interleaved([failing], { warmUp: cold, rounds: 1, now }),
    Error,
    "out of memory",
  );
});

Deno.test("exponent: that of a power, whatever its factor", () => {
  const sizes = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 6 });
  const power = fc.double({ min: -3, max: 3, noNaN: true });
  const factor = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
  fc.assert(fc.property(sizes, power, factor, (sizes, power, factor) => {
    const points = sizes.map((x) => ({ x, y: factor * x ** power }));
    // Logarithms of neighbouring sizes differ by a thousandth, and are rounded in the 16th digit.
    assertAlmostEquals(exponentOf(points), power, 1e-9);
  }));
  assertThrows(() => exponentOf([{ x: 2, y: 1 }]), RangeError, "two places");
});
