/**
 * Rows of several sources in one order, in which all of them are spread evenly.
 *
 * @module
 */

/** A source whose rows are counted. */
export interface CountedSource {
  /** The number of rows. */
  readonly count: number;
  /** Its share of the rows, relative to those of the others (default: as many as it has). */
  readonly weight?: number;
}

/**
 * The number of rows of each source in a mixture. With weights, these are the shares of the mixture,
 * which is as large as it can be without a row twice: of each source the first rows are taken
 * (`fraction` of TRL's `datasets`).
 *
 * @param sources The sources; all of them have weights, or none.
 * @returns The numbers.
 *
 * @example
 * ```ts
 * import { takenRows } from "./mixture.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(takenRows([{ count: 100, weight: 3 }, { count: 20, weight: 1 }]), [60, 20]);
 * assertEquals(takenRows([{ count: 100 }, { count: 20 }]), [100, 20]);
 * ```
 */
export function takenRows(sources: readonly CountedSource[]): readonly number[] {
  const weighted = sources.flatMap(({ count, weight }) =>
    weight === undefined ? [] : [{ count, weight }]
  );
  if (weighted.length < sources.length) return sources.map(({ count }) => count);
  // The rows for a weight of 1, of which the scarcest source has no more.
  const each = weighted.reduce(
    (least, { count, weight }) => Math.min(least, count / weight),
    Infinity,
  );
  return weighted.map(({ count, weight }) => Math.min(count, Math.round(each * weight)));
}

/**
 * The order in which rows of several sources follow each other: the next is of the source of which the
 * smallest part has come. So any stretch of the order, such as its last tenth, has rows of all sources
 * in their proportion.
 *
 * @param counts The number of rows of each source.
 * @returns The sources, by number.
 *
 * @example
 * ```ts
 * import { spreadOrder } from "./mixture.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...spreadOrder([4, 2])], [0, 1, 0, 0, 1, 0]);
 * ```
 */
export function* spreadOrder(counts: readonly number[]): Generator<number> {
  const sources = counts.map((count, source) => ({ source, count, come: 0 }));
  type Source = typeof sources[number];
  const partOf = ({ come, count }: Source) => (come + 0.5) / count;
  const total = counts.reduce((sum, count) => sum + count, 0);
  for (let i = 0; i < total; i++) {
    const next = sources.reduce((first, own) => partOf(own) < partOf(first) ? own : first);
    next.come += 1;
    yield next.source;
  }
}
