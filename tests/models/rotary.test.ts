/**
 * Rotary frequencies against those of transformers 5.18: the first result of
 * `ROPE_INIT_FUNCTIONS[rope_type](config, "cpu")` for heads of 16 elements, in f32.
 */
import { assertAlmostEquals, assertEquals } from "@std/assert";
// Not public: the rotary positions of the architectures.
import {
  rotaryFrequencies,
  type RotaryScaling,
  type YarnScaling,
} from "../../models/architectures/rotary.ts";

const yarn: YarnScaling = {
  kind: "yarn",
  factor: 4,
  lowTurns: 1,
  highTurns: 32,
  originalContext: 128,
  attentionFactor: 1,
  truncate: true,
};

/** The base and the scaling, and the eight frequencies. */
const cases: readonly (readonly [number, RotaryScaling | null, readonly number[]])[] = [
  [10_000, null, [1, 0.31622776, 0.1, 0.031622776, 0.01, 0.0031622776, 0.001, 0.00031622776]],
  [
    10_000,
    { kind: "linear", factor: 4 },
    [0.25, 0.07905694, 0.025, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  [
    10_000,
    { kind: "llama3", factor: 8, lowTurns: 1, highTurns: 4, originalContext: 128 },
    [1, 0.31622776, 0.042751178, 0.0039528473, 0.00125, 0.00039528473, 0.000125, 3.9528473e-5],
  ],
  [
    10_000,
    yarn,
    [1, 0.23717082, 0.05, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  [
    10_000,
    { ...yarn, truncate: false },
    [1, 0.22563748, 0.04270567, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  [
    10_000,
    { ...yarn, originalContext: 1024 },
    [1, 0.31622776, 0.08125, 0.019764237, 0.004375, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  // The interpolation would begin before the first frequency.
  [
    10_000,
    { ...yarn, originalContext: 16, truncate: false },
    [1, 0.07905694, 0.025, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  // The interpolation would end beyond the last element.
  [
    10,
    { ...yarn, originalContext: 1e9, highTurns: 5e7 },
    [1, 0.7498942, 0.56234133, 0.42169651, 0.31622776, 0.22096889, 0.15357867, 0.10607557],
  ],
  [
    10,
    { ...yarn, originalContext: 1e9, highTurns: 5e7, truncate: false },
    [1, 0.7498942, 0.56234133, 0.42169651, 0.31622776, 0.22130474, 0.15380533, 0.10622666],
  ],
  // It begins where it ends: between two frequencies, and before the first one.
  [
    10_000,
    { ...yarn, lowTurns: 3, highTurns: 3, truncate: false },
    [1, 0.31622776, 0.025, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-5],
  ],
  [
    10_000,
    { ...yarn, originalContext: 64, lowTurns: 20, highTurns: 20, truncate: false },
    [1, 0.31622776, 0.1, 0.031622778, 0.01, 0.0031622777, 0.001, 0.00031622777],
  ],
];

Deno.test("rotary frequencies are those of transformers, however they are scaled", () => {
  for (const [base, scaling, expected] of cases) {
    const actual = rotaryFrequencies({ base, scaling }, 16);
    assertEquals(actual.length, expected.length);
    expected.forEach((frequency, i) =>
      // The expected numbers are rounded to f32, after a few operations in it.
      assertAlmostEquals((actual[i] ?? NaN) / frequency, 1, 1e-6, `${JSON.stringify(scaling)} ${i}`)
    );
  }
});
