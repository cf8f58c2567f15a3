/** The negative log-likelihood of target tokens. */
import { neg, sum, type Tensor } from "@unitune/core";
import { checkName, checkTokens } from "./checks.ts";
import { countRows, masked, maskedCount, maskedMean } from "./log_probs.ts";
import type { Loss } from "./loss.ts";
import type { Optimization, TokenEvidence } from "./optimization.ts";

/**
 * What a negative log-likelihood is divided by. `"token"`: the answer tokens of the batch, so that
 * every token counts the same. `"sequence"`: the answer tokens of each sequence, then the
 * sequences, so that every sequence counts the same.
 */
export type NllNormalizer = "token" | "sequence";

/** What {@linkcode nll} can be told. */
export interface NllOptions {
  /** What the sum is divided by; `"token"` unless told. */
  readonly normalizer?: NllNormalizer;
}

interface NllRule {
  readonly normalizer: string;
  readonly formula: string;
  readonly loss: (losses: Tensor, mask: Tensor) => Loss;
}

const rules: Readonly<Record<NllNormalizer, NllRule>> = {
  token: {
    normalizer: "answer tokens of the batch",
    formula: "sum_b sum_t l_bt / sum_b M_b, l = -log p",
    loss: (losses, mask) => ({ total: sum(losses), normalizer: maskedCount(mask, losses.dtype) }),
  },
  sequence: {
    normalizer: "answer tokens of each sequence, then sequences",
    formula: "mean_b (1/M_b) sum_t l_bt, l = -log p",
    loss: (losses, mask) => ({
      total: sum(maskedMean(losses, mask, { axes: [-1] })),
      normalizer: countRows(mask, losses.dtype),
    }),
  },
};

/**
 * The negative log-likelihood of the answer tokens, `l_t = -log p_t`: by token
 * `sum_b sum_t l_bt / sum_b M_b`, by sequence `mean_b (1/M_b) sum_t l_bt`, with M_b answer tokens
 * in row b. A row without answer tokens adds nothing and is not counted. An impossible answer token
 * (log-prob `-Infinity`) makes the loss infinite.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { lossValue, nllLoss } from "@unitune/objectives";
 *
 * const logProbs = tensor([[-1, -0.5, -2, -0.3], [-0.2, -1.5, -0.7, -9]], { dtype: "f64" });
 * const mask = tensor([[1, 1, 1, 1], [1, 1, 1, 0]]);
 * assertAlmostEquals(await lossValue(nllLoss(logProbs, mask)).item(), 6.2 / 7);
 * const bySequence = nllLoss(logProbs, mask, { normalizer: "sequence" });
 * assertAlmostEquals(await lossValue(bySequence).item(), 0.875);
 * ```
 *
 * @param logProbs Log-probabilities of the target tokens, `[B, T]`, in nats.
 * @param mask 1 on answer tokens, 0 elsewhere, `[B, T]`.
 * @param options What the sum is divided by.
 * @returns The loss; its normalizer is a number of tokens or of rows.
 * @throws {ShapeError} If the shapes differ or the batch is empty.
 * @throws {RangeError} If the normalizer is unknown.
 */
export function nllLoss(
  logProbs: Tensor,
  mask: Tensor,
  { normalizer = "token" }: NllOptions = {},
): Loss {
  checkTokens("nllLoss", logProbs, mask);
  checkName("nllLoss: normalizer", normalizer, rules);
  return rules[normalizer].loss(masked(neg(logProbs), mask), mask);
}

/**
 * {@linkcode nllLoss} as a transition optimization.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll } from "@unitune/objectives";
 *
 * assertEquals(nll().description.normalizer, "answer tokens of the batch");
 * ```
 *
 * @param options What the sum is divided by.
 * @returns The optimization.
 * @throws {RangeError} If the normalizer is unknown.
 */
export function nll({ normalizer = "token" }: NllOptions = {}): Optimization<TokenEvidence> {
  checkName("nll: normalizer", normalizer, rules);
  const { normalizer: divisor, formula } = rules[normalizer];
  return {
    description: { transition: "T(s*_n, s_{n-1}) -> T*", normalizer: divisor, formula },
    optimize: ({ logProbs, mask }) => ({
      ...nllLoss(logProbs, mask, { normalizer }),
      metrics: {},
    }),
  };
}
