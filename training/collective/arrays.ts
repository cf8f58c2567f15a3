/**
 * Arrays of numbers that processes tell each other.
 *
 * @module
 */

import type { Collective } from "./collective.ts";

/**
 * The arrays of all processes, one after the other in the order of ranks.
 *
 * @param collective The processes.
 * @param own The arrays of this one.
 * @returns The arrays of all.
 *
 * @example
 * ```ts
 * import { collectivesInMemory, gatherArrays } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const heard = collectivesInMemory(2).map((collective) =>
 *   gatherArrays(collective, [new Float32Array(collective.rank).fill(7)])
 * );
 * assertEquals((await Promise.all(heard))[0], [new Float32Array(), new Float32Array([7])]);
 * ```
 */
export async function gatherArrays(
  collective: Collective,
  own: readonly Float32Array[],
): Promise<readonly Float32Array[]> {
  if (collective.size === 1) return own;
  const lengths = Uint32Array.from(own, ({ length }) => length);
  const numbers = new Float32Array(own.reduce((total, { length }) => total + length, 0));
  let end = 0;
  for (const array of own) {
    numbers.set(array, end);
    end += array.length;
  }
  const allLengths = await collective.allGather(new Uint8Array(lengths.buffer));
  const allNumbers = await collective.allGather(new Uint8Array(numbers.buffer));
  return allLengths.flatMap((bytes, rank) => {
    const numbers = new Float32Array((allNumbers[rank] ?? new Uint8Array()).slice().buffer);
    let start = 0;
    return Array.from(new Uint32Array(bytes.slice().buffer), (length) => {
      const array = numbers.slice(start, start + length);
      start += length;
      return array;
    });
  });
}
