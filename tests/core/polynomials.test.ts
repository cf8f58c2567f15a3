/** That fitted coefficients, rounded to f32, are as good as they say: in f64, roundings aside. */
import { assert } from "@std/assert";
import {
  EXP2,
  EXP2_SERIES,
  LOG2_SERIES,
  LOG2_UNITS,
  TAIL_DENOMINATOR,
  TAIL_NUMERATOR,
  TANH_DENOMINATOR,
  TANH_NUMERATOR,
} from "../../core/lowering/elementary/polynomials.ts";

function polynomial(coefficients: readonly number[], x: number, own = Math.fround): number {
  return coefficients.reduce((sum, next) => sum * x + own(next), 0);
}

/** Coefficients that are not rounded. */
const asIs = (x: number) => x;

const tanh = (x: number) =>
  x * polynomial(TANH_NUMERATOR, x * x) / polynomial(TANH_DENOMINATOR, x * x);

interface Fit {
  readonly of: (x: number) => number;
  readonly is: (x: number) => number;
  readonly low: number;
  readonly high: number;
  readonly within: number;
}

/** Functions, what they approximate, where, and the largest relative error. */
const fits: Readonly<Record<string, Fit>> = {
  "2^f": {
    of: (f: number) => polynomial(EXP2, f),
    is: (f: number) => 2 ** f,
    low: -0.5,
    high: 0.5,
    within: 1.6e-8,
  },
  tanh: { of: tanh, is: Math.tanh, low: 1e-6, high: 9.02, within: 4.2e-8 },
  "2^f in f64": {
    of: (f) => polynomial(EXP2_SERIES, f, asIs),
    is: (f) => 2 ** f,
    low: -0.5,
    high: 0.5,
    within: 3e-13,
  },
  "log2 in f64": {
    of: (s) => s * polynomial(LOG2_SERIES, s * s, asIs),
    is: (s) => Math.log1p(2 * s / (1 - s)) / Math.LN2,
    low: 1e-6,
    high: 0.172,
    // The series' own error and some roundings of f64, 1.1e-16 each.
    within: 2e-15,
  },
  "log2 in integers": {
    of: (t) => polynomial(LOG2_UNITS, t, asIs) / 2 ** 30,
    is: (t) => Math.log1p(t) / t / Math.LN2,
    low: Math.SQRT1_2 - 1,
    high: Math.SQRT2 - 1,
    // Half a unit of 2^-30 for the first coefficient, and as much for all others.
    within: 1e-9,
  },
  "the tail of the normal distribution": {
    of: (t) => polynomial(TAIL_NUMERATOR, t) / polynomial(TAIL_DENOMINATOR, t),
    // By its continued fraction, of which 400 steps leave e^-28 at 0.5, and less beyond.
    is: (t) => {
      let fraction = 0;
      for (let n = 400; n > 0; n--) fraction = n / (t + fraction);
      return 1 / (t + fraction) / Math.sqrt(2 * Math.PI);
    },
    low: 0.5,
    high: 13.5,
    within: 3.2e-8,
  },
  "tanh near 1": { of: tanh, is: Math.tanh, low: 9.02, high: 9.5, within: 4e-7 },
};

for (const [name, { of, is, low, high, within }] of Object.entries(fits)) {
  Deno.test(`the coefficients of ${name} are within ${within}`, () => {
    for (let i = 0; i <= 100_000; i++) {
      const x = low + (high - low) * i / 100_000;
      const error = Math.abs(of(x) / is(x) - 1);
      assert(error <= within, `at ${x} the relative error is ${error}`);
    }
  });
}
