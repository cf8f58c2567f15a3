/** Ranges of hyperparameters, which f32 has to keep. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { checkRange, inRange, type Range, ranges } from "@unitune/core";
import fc from "fast-check";

const limits = fc.record({
  min: fc.float({ noNaN: true, noDefaultInfinity: true }),
  above: fc.float({ noNaN: true, noDefaultInfinity: true }),
  max: fc.float({ noNaN: true, noDefaultInfinity: true }),
  below: fc.float({ noNaN: true, noDefaultInfinity: true }),
}, { requiredKeys: [] });

Deno.test("a number of f32 lies in a range where it keeps to all of its limits", () => {
  fc.assert(fc.property(limits, fc.float(), (range: Range, value) => {
    const { min, above, max, below } = range;
    const keeps = Number.isFinite(value) && !(min !== undefined && value < min) &&
      !(above !== undefined && value <= above) && !(max !== undefined && value > max) &&
      !(below !== undefined && value >= below);
    assertEquals(inRange(value, range), keeps);
  }));
});

Deno.test("a number that f32 makes another one altogether lies in no range", () => {
  const rows: readonly (readonly [number, Range, string])[] = [
    [1e39, ranges.positive, "got 1e+39, which is Infinity in 32 bits"],
    [1e-46, ranges.positive, "got 1e-46, which is 0 in 32 bits"],
    // A decay of 1 never forgets, and divides by 0 where it is corrected for.
    [0.9999999999, ranges.decay, "got 0.9999999999, which is 1 in 32 bits"],
    [1e-46, ranges.share, "which is 0 in 32 bits"],
  ];
  for (const [value, range, message] of rows) {
    assertThrows(() => checkRange("x", value, range), RangeError, message);
  }
  assert(inRange(2 ** 53 - 1, ranges.integerFrom(0)), "an integer is not computed with in f32");
});

Deno.test("Infinity lies in those ranges only in which it stands for no limit", () => {
  assertEquals(
    [ranges.upToInfinity, ranges.limit, ranges.nonNegative, ranges.finite, ranges.integerFrom(0)]
      .map((range) => [inRange(Infinity, range), inRange(1e39, range), inRange(-Infinity, range)]),
    [[true, true, false], [true, true, false], ...Array(3).fill([false, false, false])],
  );
});
