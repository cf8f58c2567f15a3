/** That fitted coefficients, rounded to f32, are as good as they say: in f64, roundings aside. */
import { assert } from "@std/assert";
import { EXP2, TANH_DENOMINATOR, TANH_NUMERATOR } from "../../core/backends/polynomials.ts";

function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduce((sum, next) => sum * x + Math.fround(next), 0);
}

const tanh = (x: number) =>
  x * polynomial(TANH_NUMERATOR, x * x) / polynomial(TANH_DENOMINATOR, x * x);

/** Functions, what they approximate, where, and the largest relative error. */
const fits = {
  "2^f": {
    of: (f: number) => polynomial(EXP2, f),
    is: (f: number) => 2 ** f,
    low: -0.5,
    high: 0.5,
    within: 1.6e-8,
  },
  tanh: { of: tanh, is: Math.tanh, low: 1e-6, high: 9.02, within: 4.2e-8 },
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
