/** Choosing a token from logits. */
import {
  abs,
  add,
  argmax,
  argsort,
  broadcastTo,
  concat,
  dims,
  div,
  foldKeys,
  gumbelRows,
  iota,
  less,
  max,
  neg,
  reorder,
  slice,
  softmax,
  sub,
  takeAlongAxis,
  type Tensor,
  tensor,
  type TensorLike,
  where,
  zeros,
} from "@unitune/core";

/**
 * The rule by which tokens are drawn. Numbers are tensors, so that other numbers need no other
 * program.
 */
export type Sampling = {
  /** Divides the logits, f32 above 0: below 1 sharper, above 1 flatter. */
  readonly temperature: Tensor;
  /** Only the `topK` most likely tokens are drawn, i32 (Fan et al. 2018). */
  readonly topK?: Tensor;
  /**
   * Only the smallest set of most likely tokens whose probabilities add up to `topP` is drawn, f32
   * (nucleus sampling, Holtzman et al. 2020); among the tokens that `topK` leaves.
   */
  readonly topP?: Tensor;
  /** A random key. */
  readonly key: Tensor;
  /** The numbers of the rows, u32 `[B]`: a row's draws depend on the key and its number alone. */
  readonly rows: Tensor;
};

/** A score that no noise lifts. */
const EXCLUDED = -Infinity;

/**
 * One token for each row: the largest of `logits / temperature` plus Gumbel noise, among the tokens
 * that `topK` and `topP` leave. Tokens of equal probability rank by their ids. A token whose logit is
 * -Infinity is never drawn, and one whose logit is Infinity always, the first of several. Where all
 * are -Infinity, it is token 0.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { key, tensor } from "@unitune/core";
 * import { sampleTokens } from "@unitune/models";
 *
 * const tokens = sampleTokens(tensor([[0, 3, 1], [2, 0, 1]]), {
 *   temperature: tensor(1),
 *   topK: tensor(1, { dtype: "i32" }),
 *   key: key(0),
 *   rows: tensor([0, 1], { dtype: "u32" }),
 * }, 0);
 * assertEquals(await tokens.data(), new Int32Array([1, 0]));
 * ```
 *
 * @param logits `[B, V]`.
 * @param sampling The rule by which tokens are drawn.
 * @param draws The number of the draw, for which the key is folded: a number, or i32, one for all rows
 * or `[B]`.
 * @returns Token ids, i32 `[B]`.
 */
export function sampleTokens(
  logits: Tensor,
  { temperature, topK, topP, key, rows }: Sampling,
  draws: TensorLike,
): Tensor {
  // Shifted first, so that no temperature overflows the most likely token's score.
  const largest = max(logits, { axes: [-1], keepDims: true });
  const shift = where(less(abs(largest), Infinity), largest, 0);
  const scores = div(sub(logits, shift), temperature);
  const numbers = typeof draws === "number" ? tensor(draws, { dtype: "i32" }) : draws;
  const { V } = dims(logits, "B V", "sampleTokens");
  const noise = gumbelRows(foldKeys(key, broadcastTo(numbers, rows.shape)), rows, V);
  if (topK === undefined && topP === undefined) return argmax(add(scores, noise));

  const order = argsort(neg(scores)); // [B, V], most likely first
  let kept = reorder(scores, order);
  if (topK !== undefined) kept = where(less(iota(kept.shape, 1), topK), kept, EXCLUDED);
  if (topP !== undefined) kept = where(less(sumBefore(softmax(kept)), topP), kept, EXCLUDED);
  return takeAlongAxis(order, argmax(add(kept, reorder(noise, order))));
}

/** The sum of the elements before each one along the last axis, by doubling: `[B, V] -> [B, V]`. */
function sumBefore(x: Tensor): Tensor {
  const { B, V } = dims(x, "B V", "sampleTokens");
  const shifted = (y: Tensor, by: number) => concat([zeros([B, by]), slice(y, 1, 0, V - by)], 1);
  let total = shifted(x, 1);
  for (let reach = 1; reach < V; reach *= 2) total = add(total, shifted(total, reach));
  return total;
}
