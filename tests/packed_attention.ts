/** Causal self-attention of queries, keys and values that stand side by side. */
import { attention, type AttentionOptions, dims, reshape, split, type Tensor } from "@unitune/core";

/** `[B, T, H, D]` of `x [B, T, 3, H, D]`, with gradients. */
export function packedAttention(x: Tensor, options: AttentionOptions = {}): Tensor {
  const { B, T, H, D } = dims(x, "B T 3 H D");
  const [q, k, v] = split(x, 3, 2).map((part) => reshape(part, [B, T, H, D]));
  if (q === undefined || k === undefined || v === undefined) throw new Error("a part is missing");
  return attention(q, k, v, { causal: true, ...options });
}
