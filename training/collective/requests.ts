/**
 * What one process asks of all.
 *
 * @module
 */

import type { Collective } from "./collective.ts";

/**
 * Whether any process asks for something.
 *
 * @param collective The processes.
 * @param own Whether this one does.
 * @returns True in all processes if one does.
 *
 * @example
 * ```ts
 * import { collectivesInMemory, isAsked } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answers = collectivesInMemory(2).map((all) => isAsked(all, all.rank === 1));
 * assertEquals(await Promise.all(answers), [true, true]);
 * ```
 */
export async function isAsked(collective: Collective, own: boolean): Promise<boolean> {
  if (collective.size === 1) return own;
  const asked = new Float32Array([Number(own)]);
  await collective.allReduce([asked]);
  return asked.some((number) => number > 0);
}
