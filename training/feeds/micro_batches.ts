/**
 * The rows of a step as micro-batches.
 *
 * @module
 */

import { classOf } from "../data/lengths.ts";
import { longest } from "../longest.ts";

/** The rows of a forward pass. */
export interface MicroBatch {
  /** The indices of the rows among those of the step. */
  readonly rows: readonly number[];
  /** The length to which they are padded, in tokens. */
  readonly length: number;
  /** The number of rows of the batch; those that are missing consist of padding. */
  readonly size: number;
}

/** How the rows of a step are cut into micro-batches. */
export interface Cut {
  /** The lengths to which batches are padded, ascending. */
  readonly classes: readonly number[];
  /** The number of rows of a micro-batch. */
  readonly batchSize: number;
  /**
   * The most tokens of a micro-batch, padding counted, by which it has as many rows as fit, at least
   * one, instead of a number of them (default: none).
   */
  readonly batchTokens?: number;
}

/**
 * The rows of a step as micro-batches, each padded to the class of its longest row.
 *
 * By a number of rows, they follow each other as they come. By tokens, the longest come first, and
 * each micro-batch takes as many of the rest as fit at the length of its longest. Each length then
 * has one number of rows, so that one program serves it: the last micro-batch of a step is filled up
 * with rows of padding, which add nothing to a loss or to its normalizer.
 *
 * @param lengths The tokens of each row of the step.
 * @param cut The classes, and the size of a micro-batch.
 * @returns The micro-batches.
 *
 * @example
 * ```ts
 * import { microBatches } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const lengths = [60, 120, 20, 30];
 * const classes = [64, 128];
 * assertEquals(microBatches(lengths, { classes, batchSize: 2 }), [
 *   { rows: [0, 1], length: 128, size: 2 },
 *   { rows: [2, 3], length: 64, size: 2 },
 * ]);
 * assertEquals(microBatches(lengths, { classes, batchSize: 2, batchTokens: 128 }), [
 *   { rows: [1], length: 128, size: 1 },
 *   { rows: [0, 3], length: 64, size: 2 },
 *   { rows: [2], length: 64, size: 2 },
 * ]);
 * ```
 */
export function microBatches(
  lengths: readonly number[],
  { classes, batchSize, batchTokens }: Cut,
): readonly MicroBatch[] {
  const lengthOf = (row: number): number => lengths[row] ?? NaN;
  const paddedTo = (rows: readonly number[]) => classOf(classes, longest(rows, lengthOf));
  if (batchTokens === undefined) {
    return Array.from({ length: Math.ceil(lengths.length / batchSize) }, (_, part) => {
      const end = Math.min((part + 1) * batchSize, lengths.length);
      const rows = Array.from({ length: end - part * batchSize }, (_, i) => part * batchSize + i);
      return { rows, length: paddedTo(rows), size: rows.length };
    });
  }
  const sorted = [...lengths.keys()].sort((a, b) => lengthOf(b) - lengthOf(a));
  const batches: MicroBatch[] = [];
  for (let first = 0; first < sorted.length;) {
    const length = paddedTo(sorted.slice(first, first + 1));
    const fitting = Math.max(1, Math.floor(batchTokens / length));
    const size = Math.min(fitting, sorted.length);
    batches.push({ rows: sorted.slice(first, first + size), length, size });
    first += size;
  }
  return batches;
}
