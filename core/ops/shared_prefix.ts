/** Rows that begin alike, read as one sequence in which what they have in common stands once. */
import { checkRange, ranges } from "../ranges.ts";
import { dims } from "../dims.ts";
import { at, ShapeError, showShape, sizeOf } from "../shape.ts";
import type { Tensor } from "../value.ts";
import { attention, type AttentionOptions } from "./attention.ts";
import { add, less, maximum, minimum, mul, sub, where } from "./elementwise.ts";
import { gather } from "./indexing.ts";
import { broadcastTo, concat, full, iota, reshape, slice } from "./shape.ts";

/**
 * Rows of tokens `[B, T]` that begin alike in groups, such as the answers to a prompt. A model that
 * reads them by {@linkcode joinedRows} computes what a group has in common once.
 */
export interface SharedPrefix {
  /** The number of groups G, of as many rows each, one behind the other: an integer from 1. */
  readonly groups: number;
  /** For each row, the tokens that its group has in common, from 1 to `longest`: i32 `[B]`. */
  readonly lengths: Tensor;
  /** The most tokens that a group has in common, P, an integer from 1. */
  readonly longest: number;
  /** The tokens behind them that are read of each row, C, an integer from 1. */
  readonly rest: number;
}

/** The layout in which rows that begin alike are one sequence of N = G P + B C tokens. */
export interface JoinedRows {
  /** The position of each token in its row, i32 `[1, N]`. */
  readonly positions: Tensor;
  /** Values of the tokens of all rows as those of the sequence: `[B, T, ...] -> [1, N, ...]`. */
  readonly join: (x: Tensor) => Tensor;
  /**
   * Values of the sequence as those of the rows: `[1, N, ...] -> [B, T, ...]`. Behind the C tokens that
   * are read of a row, they are those of the last of them.
   */
  readonly part: (x: Tensor) => Tensor;
  /**
   * Causal attention within each row: queries `[1, N, Hq, D]` see the keys and values
   * `[1, N, Hkv, D]` of their own row up to their own position. `[1, N, Hq, D]`.
   */
  readonly attend: (
    q: Tensor,
    k: Tensor,
    v: Tensor,
    options?: Pick<AttentionOptions, "window" | "scale" | "softcap">,
  ) => Tensor;
}

/**
 * The layout of rows that begin alike: the common tokens of each group, then the rest of each row. The
 * beginnings end in the same column, so that the distance of two columns is that of two positions.
 *
 * Every function of single tokens, such as the layers of a transformer between its attentions, gives
 * in this layout what it gives of the rows, from `G P + B C` tokens in place of `B T`; so do its
 * gradients, in which the terms of the rows of a group are added.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { joinedRows, tensor } from "@unitune/core";
 *
 * // Two answers to the prompt 7 8, whose last tokens nobody reads.
 * const rows = tensor([[7, 8, 1, 2], [7, 8, 3, 4]], { dtype: "i32" });
 * const lengths = tensor([2, 2], { dtype: "i32" });
 * const { join, part, positions } = joinedRows(rows.shape, {
 *   ...{ groups: 1, lengths, longest: 2, rest: 1 },
 * });
 * assertEquals([...await join(rows).data()], [7, 8, 1, 3]);
 * assertEquals([...await positions.data()], [0, 1, 2, 2]);
 * assertEquals([...await part(join(rows)).data()], [7, 8, 1, 1, 7, 8, 3, 3]);
 * ```
 *
 * @param shape The shape of the rows, `[B, T]` and axes behind them.
 * @param prefix What they have in common.
 * @returns The layout.
 * @throws {ShapeError} If the rows are no groups, or the lengths are not one for each.
 * @throws {RangeError} If a number of tokens is no integer from 1.
 */
export function joinedRows(
  [B = 0, T = 0]: readonly number[],
  { groups, lengths, longest, rest }: SharedPrefix,
): JoinedRows {
  for (const [name, value] of Object.entries({ groups, longest, rest })) {
    checkRange(`joinedRows: ${name}`, value, ranges.integerFrom(1));
  }
  const rows = B / groups;
  const isFitting = lengths.dtype === "i32" && showShape(lengths.shape) === showShape([B]);
  if (!isFitting || !Number.isInteger(rows)) {
    throw new ShapeError(
      `joinedRows: got ${B} rows in ${groups} groups and lengths ${lengths.dtype}${
        showShape(lengths.shape)
      }; expected groups of as many rows each, and lengths i32[${B}]`,
    );
  }
  const common = groups * longest;
  const ofRows = reshape(lengths, [B, 1]);
  const ofGroups = slice(reshape(lengths, [groups, rows]), 1, 0, 1); // [G, 1]
  /** Values of groups as those of their rows: `[G, ...] -> [B, ...]`. */
  const toRows = (x: Tensor) => {
    const [, ...own] = x.shape;
    return reshape(broadcastTo(reshape(x, [groups, 1, ...own]), [groups, rows, ...own]), [
      B,
      ...own,
    ]);
  };
  const counted = (shape: readonly number[], axis: number) => iota(shape, axis, "i32");
  const sequence = (prefixes: Tensor, ends: Tensor) =>
    concat([reshape(prefixes, [1, common]), reshape(ends, [1, B * rest])], 1);

  // The beginnings are at the end of their columns: those before them are padding.
  const columns = sub(counted([groups, longest], 1), sub(longest, ofGroups)); // [G, P]
  const isPadding = less(columns, 0);
  const first = maximum(columns, 0);
  const behind = minimum(add(ofRows, counted([B, rest], 1)), T - 1); // [B, C]
  const rowStarts = (shape: readonly number[], distance: number) =>
    mul(counted(shape, 0), distance);
  const tokens = sequence(
    add(rowStarts([groups, longest], rows * T), first),
    add(rowStarts([B, rest], T), behind),
  );

  const t = counted([B, T], 1);
  const beginnings = add(toRows(rowStarts([groups, T], longest)), add(t, sub(longest, ofRows)));
  const ends = add(
    rowStarts([B, T], rest),
    add(minimum(maximum(sub(t, ofRows), 0), rest - 1), common),
  );
  const places = where(less(t, ofRows), beginnings, ends); // [B, T]

  /** Values of the tokens of all rows one behind the other: `[A, T, ...] -> [A T, ...]`. */
  const flat = (x: Tensor) => reshape(x, [sizeOf(x.shape.slice(0, 2)), ...x.shape.slice(2)]);
  const paddingOfRows = concat([toRows(isPadding), full([B, rest], 0, "bool")], 1);
  return {
    positions: sequence(first, behind),
    join: (x) => gather(flat(x), tokens),
    part: (x) => gather(flat(x), places),
    attend(q, k, v, options = {}) {
      const { H } = dims(q, `1 ${common + B * rest} H D`, "joinedRows: queries");
      const split = (x: Tensor) => {
        const own = x.shape.slice(2);
        return [
          reshape(slice(x, 1, 0, common), [groups, longest, ...own]),
          reshape(slice(x, 1, common), [B, rest, ...own]),
        ] as const;
      };
      const [[q0, q1], [k0, k1], [v0, v1]] = [split(q), split(k), split(v)];
      const causal = { ...options, causal: true };
      const ofBeginnings = attention(q0, k0, v0, { ...causal, padding: isPadding });
      const seen = (begun: Tensor, own: Tensor) => concat([toRows(begun), own], 1);
      const ofEnds = attention(q1, seen(k0, k1), seen(v0, v1), {
        ...causal,
        start: longest,
        padding: paddingOfRows,
      });
      const D = at(v.shape, 3);
      return concat([
        reshape(ofBeginnings, [1, common, H, D]),
        reshape(ofEnds, [1, B * rest, H, D]),
      ], 1);
    },
  };
}
