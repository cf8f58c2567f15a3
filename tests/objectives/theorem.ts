/** Theorems as properties, each proved in every arithmetic that the library computes in. */
import { defaultDevice, type FloatDType } from "@unitune/core";
import fc from "fast-check";

/** Where numbers are computed, and how near the two sides of an equation come there. */
export interface Arithmetic {
  /** The dtype of parameters, batches and results; the default device for it computes. */
  readonly dtype: FloatDType;
  /** How far two sides that are equal for real numbers may be apart, relative to 1 + their size. */
  readonly tolerance: number;
}

/**
 * A thousand roundings: sums of up to some tens of terms, each the end of a chain of some tens of
 * operations, whose sizes are up to some times that of the result.
 */
const ROUNDINGS = 1000;

/** Half a unit in the last place, by dtype. */
const roundoff: Readonly<Record<FloatDType, number>> = { f32: 2 ** -24, f64: 2 ** -53 };

/** Every arithmetic that the library computes in: on the reference in f64, on wasm in f32. */
export const arithmetics: readonly Arithmetic[] = (["f64", "f32"] as const).map((dtype) => ({
  dtype,
  tolerance: ROUNDINGS * roundoff[dtype],
}));

/** The number of worlds that are drawn by default; on wasm each new shape is a program to compile. */
const draws: Readonly<Record<FloatDType, number>> = { f32: 4, f64: 12 };

/**
 * A theorem as one test for each arithmetic: on the reference in f64, on wasm in f32.
 *
 * @param name What holds.
 * @param property Its property in an arithmetic.
 * @param runs How many worlds are drawn in each arithmetic; there is no test in one that is left out.
 */
export function theorem<T>(
  name: string,
  property: (arithmetic: Arithmetic) => fc.IAsyncProperty<T>,
  runs: Readonly<Partial<Record<FloatDType, number>>> = draws,
): void {
  for (const arithmetic of arithmetics) {
    const { dtype } = arithmetic;
    const numRuns = runs[dtype];
    if (numRuns === undefined) continue;
    Deno.test(`${name} (${defaultDevice(dtype).name}, ${dtype})`, () =>
      fc.assert(property(arithmetic), { numRuns }));
  }
}
