/**
 * Sums in levels. A sum in floating point is off by up to a rounding for each addition that a term
 * goes through. Added one after the other, n terms go through n additions; added in runs whose
 * totals are added in runs again, through `CHAIN` at each of a few levels. So emitters cut the loops
 * of a sum into blocks, and keep a total for each level.
 */
import { at } from "../shape.ts";

/** The most additions that follow one another before a total goes on to the next level. */
export const CHAIN = 64;

/** A loop cut into blocks of rounds, whose totals are added up at a level of their own. */
export interface Cut {
  /** The loop. */
  readonly loop: number;
  /** Rounds of a block. */
  readonly rounds: number;
}

/** A quotient rounded up. */
function parts(size: number, part: number): number {
  return Math.ceil(size / part);
}

/**
 * The cuts of nested loops that add up one value a round, innermost blocks first. Blocks of a loop
 * lie within one another. Loops of at most 64 rounds in all are not cut.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { levelsOf } from "@unitune/core/backend";
 *
 * // 1,000 rounds: 16 totals of 64 rounds each.
 * assertEquals(levelsOf([1000]), [{ loop: 0, rounds: 64 }]);
 * assertEquals(levelsOf([8, 8]), []);
 * ```
 *
 * @param rounds The rounds of the loops, outermost first.
 * @returns The blocks.
 */
export function levelsOf(rounds: readonly number[]): Cut[] {
  const cuts: Cut[] = [];
  let chain = 1;
  for (let loop = rounds.length - 1; loop >= 0; loop--) {
    let [left, block] = [at(rounds, loop), 1];
    while (chain * left > CHAIN) {
      const joined = Math.floor(CHAIN / chain);
      block *= joined;
      cuts.push({ loop, rounds: block });
      left = parts(left, joined);
      chain = 1;
    }
    chain *= Math.max(1, left);
  }
  return cuts;
}
