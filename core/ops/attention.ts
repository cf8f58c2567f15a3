/** Attention. */
import { ShapeError, showShape } from "../shape.ts";
import { apply } from "../tensor.ts";
import type { Tensor } from "../value.ts";

/** How attention scores queries. */
export interface CausalAttentionOptions {
  /** What the products of queries and keys are multiplied by; `1 / sqrt(D)` unless told. */
  readonly scale?: number;
}

/**
 * Causal scaled dot-product attention of several heads (Vaswani et al. 2017, arXiv 1706.03762):
 *
 *     y[b, t, h] = sum_{s <= t} p_ts v_s,   p_t = softmax_{s <= t}(scale q_t . k_s)
 *
 * with `q_t, k_t, v_t = x[b, t, 0..2, h]`. Queries, keys and values stand side by side, as one
 * projection of the residual stream gives them. It is one primitive, and so is its gradient: the
 * weights of a head, `[T, T]`, are never in memory for all heads at once, and what a position does
 * not see is not computed.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { causalAttention, tensor, zeros } from "@unitune/core";
 *
 * // With equal scores, a position sees the mean of the values so far.
 * const x = tensor([0, 0, 1, 0, 0, 3], { shape: [1, 2, 3, 1, 1] });
 * assertEquals(await causalAttention(x).data(), new Float32Array([1, 2]));
 * assertEquals(causalAttention(zeros([4, 16, 3, 2, 8])).shape, [4, 16, 2, 8]);
 * ```
 *
 * @param x Queries, keys and values, floats `[B, T, 3, H, D]`.
 * @param options The scale.
 * @returns `[B, T, H, D]`.
 * @throws {ShapeError} If the operand is of another shape, or no float.
 * @throws {RangeError} If the scale is not positive and finite.
 */
export function causalAttention(x: Tensor, options: CausalAttentionOptions = {}): Tensor {
  const width = x.shape[4];
  if (width === undefined) {
    throw new ShapeError(
      `causalAttention: got ${showShape(x.shape)}; expected [B, T, 3, H, D]`,
    );
  }
  const { scale = 1 / Math.sqrt(Math.max(1, width)) } = options;
  if (!(scale > 0 && scale < Infinity)) {
    throw new RangeError(`causalAttention: scale is a positive number, not ${scale}`);
  }
  return apply("causalAttention", [x], { scale });
}
