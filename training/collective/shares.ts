/**
 * The micro-batches of a step, shared out among processes.
 *
 * @module
 */

import type { MicroBatch } from "../feeds/micro_batches.ts";
import type { Collective } from "./collective.ts";
import { rangeOf } from "./vector.ts";

/** How the steps of a stage are shared out: to whom, among how many. */
export interface Sharing extends Pick<Collective, "rank" | "size"> {
  /** Whether micro-batches stay whole (default: they may be cut between rows). */
  readonly isWhole?: boolean;
}

/** What a process computes of a step. */
export interface StepShare {
  /** Its micro-batches. */
  readonly batches: readonly MicroBatch[];
  /**
   * The number of the first, by which dropout is drawn: that of the same micro-batch where one
   * process computes them all. Where a micro-batch is cut, the parts have numbers of their own.
   */
  readonly first: number;
}

/**
 * The part of a step's micro-batches that a process computes. They follow each other as they do where
 * one process computes them all, and are of the same lengths.
 *
 * Where the rows of a micro-batch are compared with each other it stays whole, and processes have as
 * many of them as the others, give or take one. Otherwise they have as many rows, and a micro-batch
 * may be cut between rows.
 *
 * @param batches The micro-batches of the whole step.
 * @param sharing The process, and whether micro-batches stay whole.
 * @returns Its part; no micro-batch where there are fewer than processes.
 *
 * @example
 * ```ts
 * import { shareOf } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const batches = [
 *   { rows: [0, 1], length: 64, size: 2 },
 *   { rows: [2, 3], length: 32, size: 2 },
 *   { rows: [4, 5], length: 32, size: 2 },
 * ];
 * const second = { rank: 1, size: 2 };
 * assertEquals(shareOf(batches, { ...second, isWhole: true }).batches, batches.slice(1));
 * assertEquals(shareOf(batches, second).batches, [
 *   { rows: [3], length: 32, size: 1 },
 *   { rows: [4, 5], length: 32, size: 2 },
 * ]);
 * ```
 */
export function shareOf(
  batches: readonly MicroBatch[],
  { rank, size, isWhole = false }: Sharing,
): StepShare {
  if (isWhole) {
    const { from, to } = rangeOf(batches.length, rank, size);
    return { batches: batches.slice(from, to), first: from };
  }
  const { from, to } = rangeOf(
    batches.reduce((total, { rows }) => total + rows.length, 0),
    rank,
    size,
  );
  const own: MicroBatch[] = [];
  let [start, first, isCut] = [0, 0, false];
  for (const [number, batch] of batches.entries()) {
    const rows = batch.rows.slice(Math.max(0, from - start), Math.max(0, to - start));
    start += batch.rows.length;
    if (rows.length === 0) continue;
    if (own.length === 0) first = number;
    const isPart = rows.length < batch.rows.length;
    isCut ||= isPart;
    own.push(isPart ? { ...batch, rows, size: rows.length } : batch);
  }
  return { batches: own, first: isCut ? first + (rank + 1) * batches.length : first };
}
