/**
 * Plain values that processes tell each other.
 *
 * @module
 */

import type { Collective } from "./collective.ts";

/**
 * What all processes say, in the order of ranks.
 *
 * @typeParam T A value that JSON carries: texts, finite numbers, null, lists and records of them.
 * @param collective The processes.
 * @param own What this one says.
 * @returns What each says.
 *
 * @example
 * ```ts
 * import { collectivesInMemory, gatherValues } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const heard = collectivesInMemory(2).map((all) => gatherValues(all, { rank: all.rank }));
 * assertEquals((await Promise.all(heard))[0], [{ rank: 0 }, { rank: 1 }]);
 * ```
 */
export async function gatherValues<T>(collective: Collective, own: T): Promise<readonly T[]> {
  if (collective.size === 1) return [own];
  const all = await collective.allGather(new TextEncoder().encode(JSON.stringify(own)));
  return all.map((bytes): T => JSON.parse(new TextDecoder().decode(bytes)));
}
