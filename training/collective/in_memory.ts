/**
 * Processes that are none: each is a function of one program, and their bytes stay in its memory.
 *
 * @module
 */

import { alone, type Collective, collectiveOf, type CollectiveOptions } from "./collective.ts";

/** An exchange at which not everyone has arrived. */
interface Meeting {
  /** The parts of those who have, by rank. */
  readonly given: Map<number, readonly Uint8Array[]>;
  /** Ends once all have. */
  readonly complete: Promise<void>;
  /** Ends it. */
  readonly finish: () => void;
}

function meeting(): Meeting {
  let finish = () => {};
  // Node 20 has no `Promise.withResolvers`.
  const complete = new Promise<void>((resolve) => {
    finish = resolve;
  });
  return { given: new Map(), complete, finish };
}

/**
 * The collectives of some trainings that one program carries out side by side, as if they were
 * processes: to try, test and measure what several processes do where there is one.
 *
 * @param size The number of processes, from 1.
 * @param options The size of buckets.
 * @returns A collective for each rank.
 * @throws {RangeError} If the number is no positive integer.
 *
 * @example
 * ```ts
 * import { collectivesInMemory } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const sums = await Promise.all(collectivesInMemory(3).map(async ({ rank, allReduce }) => {
 *   const numbers = new Float32Array([1, rank]);
 *   await allReduce([numbers]);
 *   return numbers;
 * }));
 * assertEquals(sums, new Array(3).fill(new Float32Array([3, 3])));
 * ```
 */
export function collectivesInMemory(
  size: number,
  options: CollectiveOptions = {},
): readonly Collective[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(`collectivesInMemory: size is an integer from 1, not ${size}`);
  }
  if (size === 1) return [alone];
  const meetings = new Map<number, Meeting>();
  return Array.from({ length: size }, (_, rank) => {
    let calls = 0;
    return collectiveOf({
      rank,
      size,
      async exchange(parts) {
        const number = calls++;
        const own = meetings.get(number) ?? meeting();
        meetings.set(number, own);
        own.given.set(rank, parts.map((part) => part.slice()));
        if (own.given.size === size) {
          meetings.delete(number);
          own.finish();
        }
        await own.complete;
        return Array.from({ length: size }, (_, from) => own.given.get(from)?.[rank] ?? NOTHING);
      },
    }, options);
  });
}

/** No bytes. */
const NOTHING = new Uint8Array();
