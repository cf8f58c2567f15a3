/** Attention. */
import type { AttentionOperands, AttentionParameters } from "../attention.ts";
import { dims } from "../dims.ts";
import type { DType } from "../dtype.ts";
import { type Shape, ShapeError, showShape } from "../shape.ts";
import { apply } from "../tensor.ts";
import type { Tensor } from "../value.ts";
import { abs, add, and, equal, less, lessEqual, mul, sub, where } from "./elementwise.ts";
import { gather } from "./indexing.ts";
import { broadcastTo, full, iota, reshape, slice, zeros } from "./shape.ts";

/** The keys that a query sees; query t stands at position `start + t` among the keys. */
export interface AttentionMaskOptions {
  /** Whether a query sees no key behind its own position (default false). */
  readonly causal?: boolean;
  /**
   * The reach of a query: the query at p sees keys s with `|p - s| < window`, with `causal` the
   * last `window` keys, its own included (default: all keys).
   */
  readonly window?: number;
  /**
   * The segment of each column, such as the number of a document among several in one row, i32
   * `[B, S]`: queries, which stand in the columns from `start` on, see the keys of their own segment,
   * and none sees a column of a negative one (default: one segment).
   */
  readonly segments?: Tensor;
  /** The columns that hold padding, which no query sees, bool `[B, S]` (default: none). */
  readonly padding?: Tensor;
  /**
   * The position of the first query: a number, or i32, one for all sequences or `[B]` (default 0).
   */
  readonly start?: number | Tensor;
}

/** The keys that a query sees, and the scoring of them. */
export interface AttentionOptions extends AttentionMaskOptions {
  /** The factor of the products of queries and keys (default `1 / sqrt(D)`). */
  readonly scale?: number;
  /** The bound c of scores, `c tanh(x / c)`, as in Gemma 2 (default: none). */
  readonly softcap?: number;
}

/** The number of sequences, and of the queries and keys of each. */
export interface AttentionCounts {
  /** Sequences. */
  readonly B: number;
  /** Queries of a sequence. */
  readonly T: number;
  /** Keys of a sequence. */
  readonly S: number;
}

/** The mask of attention as operands and parameters of its primitive. */
interface Mask {
  readonly operands: MaskOperands;
  readonly parameters: MaskParameters;
}

/** The operands of attention that say which keys a query sees. */
export type MaskOperands = Pick<AttentionOperands<Tensor>, "start" | "segments">;

/** The parameters of attention that say which keys a query sees. */
export type MaskParameters = Pick<
  AttentionParameters,
  "causal" | "window" | "start" | "segments"
>;

/** Checks the element type and the shape of an option. */
function checkOption(name: string, { shape, dtype }: Tensor, expected: DType, sizes: Shape): void {
  if (dtype === expected && showShape(shape) === showShape(sizes)) return;
  throw new ShapeError(
    `attention: ${name} are ${dtype}${showShape(shape)}; expected ${expected}${showShape(sizes)}`,
  );
}

/** The position of the first query of each sequence, i32 `[B]`. */
function startsOf(start: Tensor, batch: number): Tensor {
  const [size = 1, ...others] = start.shape;
  const fits = start.dtype === "i32" && others.length === 0 && (size === 1 || size === batch);
  if (!fits) {
    throw new ShapeError(
      `attention: start is ${start.dtype}${
        showShape(start.shape)
      }; expected i32[] or i32[${batch}]`,
    );
  }
  return broadcastTo(start, [batch]);
}

/** The segments of the queries: the segments of the columns in which they stand. */
function segmentsOfQueries(
  segments: Tensor,
  start: number | Tensor,
  { B, T, S }: AttentionCounts,
): Tensor {
  if (typeof start === "number") {
    if (start < 0 || start + T > S) {
      throw new ShapeError(
        `attention: ${T} queries from column ${start} on are not among the ${S} columns of segments`,
      );
    }
    return slice(segments, 1, start, start + T);
  }
  const columns = add(reshape(start, [B, 1]), iota([B, T], 1, "i32"));
  const rows = mul(iota([B, T], 0, "i32"), S);
  return gather(reshape(segments, [B * S]), add(rows, columns));
}

function maskOf(options: AttentionMaskOptions, counts: AttentionCounts): Mask {
  const { causal = false, window, segments, padding, start = 0 } = options;
  const { B, T, S } = counts;
  const starts = typeof start === "number" ? start : startsOf(start, B);
  if (segments !== undefined) checkOption("segments", segments, "i32", [B, S]);
  if (padding !== undefined) checkOption("columns of padding", padding, "bool", [B, S]);
  const own = segments ?? zeros([B, S], "i32");
  const ofQueries = segments === undefined
    ? zeros([B, T], "i32")
    : segmentsOfQueries(segments, starts, counts);
  const hasSegments = segments !== undefined || padding !== undefined;
  return {
    operands: {
      start: typeof starts === "number" ? undefined : starts,
      segments: hasSegments
        ? { queries: ofQueries, keys: padding === undefined ? own : where(padding, -1, own) }
        : undefined,
    },
    parameters: {
      causal,
      window: window ?? null,
      start: typeof starts === "number" ? starts : "operand",
      segments: hasSegments,
    },
  };
}

/**
 * Scaled dot-product attention of several heads (Vaswani et al. 2017, arXiv 1706.03762):
 *
 *     y[b, t, h] = sum_s p_ts v_s,   p_t = softmax_s(scale q_t . k_s) over the keys that t sees
 *
 * Of Hq heads of queries, `Hq / Hkv` neighbours share a head of keys and values (grouped queries,
 * arXiv 2305.13245). It is one primitive, and so is its gradient: the weights of a head, `[T, S]`,
 * are never in memory at once, and blocks of keys that no query of a block sees are skipped. A
 * query that sees no key gives 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { attention, tensor, zeros } from "@unitune/core";
 *
 * // With equal scores, a position sees the mean of the values so far.
 * const q = zeros([1, 2, 1, 1]);
 * const v = tensor([1, 3], { shape: [1, 2, 1, 1] });
 * assertEquals(await attention(q, q, v, { causal: true }).data(), new Float32Array([1, 2]));
 *
 * // 9 heads of queries, 3 of keys and values.
 * const k = zeros([4, 16, 3, 8]);
 * assertEquals(attention(zeros([4, 2, 9, 8]), k, k, { start: 14 }).shape, [4, 2, 9, 8]);
 * ```
 *
 * @param q Queries, floats `[B, T, Hq, D]`.
 * @param k Keys, `[B, S, Hkv, D]`.
 * @param v Values, `[B, S, Hkv, D]`.
 * @param options The keys that a query sees, and the scoring of them.
 * @returns `[B, T, Hq, D]`.
 * @throws {ShapeError} If operands or options are of other shapes or element types, or out of range.
 */
export function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions = {},
): Tensor {
  const { B, T, D } = dims(q, "B T H D", "attention: queries");
  const { S } = dims(k, "B S H D", "attention: keys");
  const { scale = 1 / Math.sqrt(Math.max(1, D)), softcap } = options;
  const { operands: { start, segments }, parameters } = maskOf(options, { B, T, S });
  const operands = [
    ...(start === undefined ? [] : [start]),
    ...(segments === undefined ? [] : [segments.queries, segments.keys]),
  ];
  return apply("attention", [q, k, v, ...operands], {
    scale,
    softcap: softcap ?? null,
    ...parameters,
  });
}

function startsAlong(start: Tensor | undefined, batch: number): Tensor {
  if (start === undefined) throw new RangeError("attention: the operand with the start is missing");
  return reshape(start, [batch, 1, 1, 1]);
}

/**
 * The mask of an applied primitive: the keys that its queries see.
 *
 * @param counts The number of sequences, and of the queries and keys of each.
 * @param operands The position of the first query and the segments, where they are operands.
 * @param parameters The primitive's parameters.
 * @returns Whether query t sees key s, bool `[B, 1, T, S]`.
 */
export function visibleKeys(
  { B, T, S }: AttentionCounts,
  { start, segments }: MaskOperands,
  parameters: MaskParameters,
): Tensor {
  const shape = [B, 1, T, S];
  const { causal, window } = parameters;
  const first = parameters.start === "operand" ? startsAlong(start, B) : parameters.start;
  const distance = sub(add(iota(shape, 2), first), iota(shape, 3));
  const near = [
    ...(causal ? [lessEqual(0, distance)] : []),
    ...(window === null ? [] : [less(abs(distance), window)]),
  ];
  if (segments === undefined) return near.reduce(and, full(shape, 1, "bool"));
  const queries = reshape(segments.queries, [B, 1, T, 1]);
  const keys = reshape(segments.keys, [B, 1, 1, S]);
  return near.reduce(and, and(equal(queries, keys), lessEqual(0, keys)));
}

/**
 * The mask of {@linkcode attention} as truth values, for computing the weights step by step.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { attentionMask } from "@unitune/core";
 *
 * const mask = attentionMask({ B: 1, T: 2, S: 3 }, { causal: true, start: 1 });
 * assertEquals(mask.shape, [1, 1, 2, 3]);
 * assertEquals([...await mask.data()], [1, 1, 0, 1, 1, 1]);
 * ```
 *
 * @param counts The number of sequences, and of the queries and keys of each.
 * @param options The keys that a query sees.
 * @returns Whether query t sees key s, bool `[B, 1, T, S]`.
 * @throws {ShapeError} If an option is of another shape or element type.
 */
export function attentionMask(counts: AttentionCounts, options: AttentionMaskOptions): Tensor {
  const { operands, parameters } = maskOf(options, counts);
  return visibleKeys(counts, operands, parameters);
}
