/** The tokens that the rows of a group have in common. */
import { checkOptions, ranges, type SharedPrefix, tensor } from "@unitune/core";

/** The elements of a batch, `[B, T]` each, in row-major order. */
export interface BatchElements {
  /** The tokens that a policy reads. */
  readonly ids: ArrayLike<number>;
  /** 1 on the tokens to learn, 0 elsewhere. */
  readonly mask: ArrayLike<number>;
}

/** The rows of a batch, and the sizes in which they are read together. */
export interface PrefixOptions {
  /** Rows, B. */
  readonly rows: number;
  /** The rows of a group. */
  readonly groupSize: number;
  /** The most tokens that a group is read together for. */
  readonly longest: number;
  /** The tokens that are read of each row behind them. */
  readonly rest: number;
}

const prefixRanges = {
  rows: ranges.integerFrom(1),
  groupSize: ranges.integerFrom(1),
  longest: ranges.integerFrom(1),
  rest: ranges.integerFrom(1),
} as const;

/**
 * The tokens that the rows of each group have in common before the first one that is learned, such as
 * the prompt of a group of answers. A policy reads them once a group: 8 answers of 64 tokens to a
 * prompt of 64 are `64 + 8 * 64` tokens in place of `8 * (64 + 64)`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { commonPrefix } from "@unitune/objectives";
 *
 * // The answers 1 and 2 1 to the prompt 7 8.
 * const batch = { ids: [7, 8, 1, 0, 7, 8, 2, 1], mask: [0, 0, 1, 0, 0, 0, 1, 1] };
 * const prefix = commonPrefix(batch, { rows: 2, groupSize: 2, longest: 3, rest: 1 });
 * assertEquals(await prefix?.lengths.data(), new Int32Array([2, 2]));
 * ```
 *
 * @param batch The elements of the batch.
 * @param options The rows, and the sizes.
 * @returns The tokens in common; undefined where the rows are not whole groups of two at least, where a
 * group has nothing in common, or where a learned token is more than `rest` tokens behind.
 * @throws {RangeError} If a size is no integer from 1.
 */
export function commonPrefix(
  { ids, mask }: BatchElements,
  { rows, groupSize, longest, rest }: PrefixOptions,
): SharedPrefix | undefined {
  checkOptions("commonPrefix", prefixRanges, { rows, groupSize, longest, rest });
  if (groupSize === 1 || rows % groupSize !== 0) return undefined;
  const T = ids.length / rows;
  const lengths: number[] = [];
  for (let first = 0; first < rows; first += groupSize) {
    const starts = Array.from({ length: groupSize }, (_, row) => (first + row) * T);
    const isCommon = (t: number) =>
      starts.every((start) => mask[start + t] === 0 && ids[start + t] === ids[first * T + t]);
    let common = 0;
    while (common < Math.min(longest, T - 1) && isCommon(common)) common++;
    // The last token that is read of a row predicts its last learned one.
    const end = common + rest;
    const fits = starts.every((start) => {
      for (let t = end + 1; t < T; t++) if (mask[start + t] !== 0) return false;
      return true;
    });
    if (common === 0 || !fits) return undefined;
    for (let row = 0; row < groupSize; row++) lengths.push(common);
  }
  const groups = rows / groupSize;
  return { groups, lengths: tensor(lengths, { dtype: "i32" }), longest, rest };
}
