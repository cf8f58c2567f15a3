/** Sums of the reference backend: in f64, with the rounding errors of the additions added up too. */

/** Sums that are added to, one for each result. */
export interface Sums {
  /** Adds a term to a sum. */
  add(index: number, term: number): void;
  /** A sum with its errors; where it is no finite number, the errors say nothing. */
  total(index: number): number;
}

/**
 * Sums that start at 0. An addition's rounding error is itself a float (Knuth, "The Art of Computer
 * Programming", volume 2, section 4.2.2, theorem B), so that a sum of n terms is off by one rounding
 * and about `n^2 2^-106` of its terms' magnitudes.
 */
export function makeSums(count: number): Sums {
  const [sums, errors] = [new Float64Array(count), new Float64Array(count)];
  return {
    add(index, term) {
      const before = sums[index] ?? NaN;
      const after = before + term;
      const added = after - before;
      sums[index] = after;
      errors[index] = (errors[index] ?? NaN) + (before - (after - added)) + (term - added);
    },
    total(index) {
      const sum = sums[index] ?? NaN;
      return Number.isFinite(sum) ? sum + (errors[index] ?? NaN) : sum;
    },
  };
}
