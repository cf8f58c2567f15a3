/** One loss from the losses of tokens or of sequences, with an explicit normalizer. */
import { dims, div, inRange, mul, ones, ranges, sum, type Tensor } from "@unitune/core";
import { checkShapes, checkTokens } from "./checks.ts";
import { countRows, masked, maskedCount, maskedMean } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import { formulaOf, type LossFormula } from "./formula.ts";

/**
 * The normalizer of a sum over tokens; M_b is the number of answer tokens of row b, B the number of
 * rows.
 *
 * | normalizer | loss | also known as |
 * | --- | --- | --- |
 * | `"token"` | `sum_b sum_t l_bt / sum_b M_b` | token mean; BNPO, DAPO |
 * | `"sequence"` | `mean_b (1/M_b) sum_t l_bt` | mean of token means; GRPO |
 * | a number N | `sum_b sum_t l_bt / (B N)` | Dr. GRPO, N the longest completion; 1: sequence sums |
 *
 * The mean of token means is taken over the rows that have answer tokens. A number is a constant:
 * every row counts, so that masking one (an answer that was cut off or cannot be scored) changes no
 * other token's weight.
 *
 * `"token"` gives every token the same weight, `"sequence"` every sequence; with a number a token's
 * weight depends on neither. All normalizers cover the whole optimizer step, however it is cut into
 * micro-batches: so BNPO, which divides each micro-batch by its own tokens, is DAPO here.
 */
export type Normalizer = "token" | "sequence" | number;

/** Throws unless a normalizer is `"token"`, `"sequence"` or a positive number. */
export function checkNormalizer(name: string, normalizer: Normalizer): void {
  const fits = normalizer === "token" || normalizer === "sequence" ||
    inRange(normalizer, ranges.positive);
  if (!fits) {
    throw new RangeError(
      `${name}: expected one of token, sequence or a positive number, got ${normalizer}`,
    );
  }
}

/** The normalizer in words. */
export function describeNormalizer(normalizer: Normalizer): string {
  if (normalizer === "token") return "answer tokens of the batch";
  if (normalizer === "sequence") return "answer tokens of each sequence, then sequences";
  return normalizer === 1 ? "sequences" : `sequences x ${normalizer}`;
}

/** The sum over tokens and its normalizer as a formula of a token's loss. */
export function aggregateFormula(
  normalizer: Normalizer,
  loss: string,
  where: LossFormula["where"] = {},
): LossFormula {
  if (normalizer === "token") return formulaOf(`sum_b sum_t ${loss} / sum_b M_b`, where);
  if (normalizer === "sequence") return formulaOf(`mean_b (1/M_b) sum_t ${loss}`, where);
  if (normalizer === 1) return formulaOf(`mean_b sum_t ${loss}`, where);
  return formulaOf(`mean_b sum_t ${loss} / L`, { ...where, L: `${normalizer}` });
}

/**
 * One loss from the losses of tokens, divided as {@linkcode Normalizer} says.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { aggregate, lossValue } from "@unitune/objectives";
 *
 * const losses = tensor([[1, 2, 3], [4, 9, 9]]);
 * const mask = tensor([[1, 1, 1], [1, 0, 0]]);
 * assertEquals(await lossValue(aggregate(losses, mask, "token")).item(), 2.5);
 * assertEquals(await lossValue(aggregate(losses, mask, "sequence")).item(), 3);
 * assertEquals(await lossValue(aggregate(losses, mask, 4)).item(), 1.25);
 * // A constant counts a row without tokens; a mean does not.
 * const silent = tensor([[1, 1, 1], [0, 0, 0]]);
 * assertEquals(await lossValue(aggregate(losses, silent, "sequence")).item(), 2);
 * assertEquals(await lossValue(aggregate(losses, silent, 3)).item(), 1);
 * ```
 *
 * @param losses Losses of tokens, `[B, T]`; losses under a 0 of the mask are not read.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param normalizer The normalizer of their sum.
 * @returns The loss.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the normalizer is invalid.
 */
export function aggregate(losses: Tensor, mask: Tensor, normalizer: Normalizer): Loss {
  checkTokens("aggregate", losses, mask);
  checkNormalizer("aggregate: normalizer", normalizer);
  if (normalizer === "token") {
    return { total: sum(masked(losses, mask)), normalizer: maskedCount(mask, losses.dtype) };
  }
  if (normalizer === "sequence") {
    return {
      total: sum(maskedMean(losses, mask, { axes: [-1] })),
      normalizer: countRows(mask, losses.dtype),
    };
  }
  const { B } = dims(mask, "B T", "aggregate: mask");
  return {
    total: div(sum(masked(losses, mask)), normalizer),
    normalizer: mul(ones([], losses.dtype), B),
  };
}

/**
 * The mean of losses of sequences or of pairs, over the ones that count.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { averageOver, lossValue } from "@unitune/objectives";
 *
 * const loss = averageOver(tensor([1, 2, 9]), tensor([1, 1, 0]));
 * assertEquals(await lossValue(loss).item(), 1.5);
 * ```
 *
 * @param losses Losses, `[B]`.
 * @param counted 1 where a loss counts, 0 where it does not, `[B]`.
 * @returns The loss, divided by the number of losses that count.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 */
export function averageOver(losses: Tensor, counted: Tensor): Loss {
  checkShapes("averageOver", ["B"], { losses, counted });
  return { total: sum(masked(losses, counted)), normalizer: maskedCount(counted, losses.dtype) };
}
