/** Scores of log-ratios for other divergences than the reverse KL (f-DPO, arXiv 2309.16240). */
import { div, expm1, logSigmoid, mul, neg, type Tensor } from "@unitune/core";
import { checkName, checkPositive } from "./checks.ts";
import { boundedExp, boundedExponent } from "./log_probs.ts";

/**
 * The divergence that regularises a preference objective; its score `f'(u)` takes the place of the
 * log-ratio D, `u = e^D`, constants left out where they cancel; exponents are cut to -80..80:
 *
 * | divergence | score |
 * | --- | --- |
 * | `"reverse-kl"` | `D` |
 * | `"forward-kl"` | `-e^-D` |
 * | `"jensen-shannon"` | `log s(D)` |
 * | `"alpha"` | `(1 - e^(-alpha D)) / alpha`: D as alpha goes to 0, forward KL at 1 |
 */
export type FDivergence = "reverse-kl" | "forward-kl" | "jensen-shannon" | "alpha";

type Score = (logRatio: Tensor, alpha: number) => Tensor;

const scores: Readonly<Record<FDivergence, Score>> = {
  "reverse-kl": (logRatio) => logRatio,
  "forward-kl": (logRatio) => neg(boundedExp(neg(logRatio))),
  "jensen-shannon": logSigmoid,
  "alpha": (logRatio, alpha) => div(expm1(boundedExponent(mul(logRatio, -alpha))), -alpha),
};

/** What a divergence can be told. */
export interface DivergenceOptions {
  /** Which; `"reverse-kl"` unless told. */
  readonly divergence?: FDivergence;
  /** The alpha of `"alpha"`, above 0; 1 unless told. */
  readonly alpha?: number;
}

/** Throws unless a divergence exists and its alpha is above 0. */
export function checkDivergence(
  name: string,
  { divergence = "reverse-kl", alpha = 1 }: DivergenceOptions,
): void {
  checkName(`${name}: divergence`, divergence, scores);
  checkPositive(`${name}: alpha`, alpha);
}

/**
 * The score of log-ratios, as {@linkcode FDivergence} defines it.
 *
 * @example
 * ```ts
 * import { assertAlmostEquals } from "@std/assert";
 * import { tensor } from "@unitune/core";
 * import { divergenceScore } from "@unitune/objectives";
 *
 * const score = divergenceScore(tensor([0], { dtype: "f64" }), { divergence: "jensen-shannon" });
 * assertAlmostEquals(await score.item(), -Math.LN2);
 * ```
 *
 * @param logRatio `log (pi / ref)`, any shape, in nats.
 * @param options The divergence.
 * @returns The score, in the same shape.
 * @throws {RangeError} If the divergence is unknown or alpha not above 0.
 */
export function divergenceScore(logRatio: Tensor, options: DivergenceOptions = {}): Tensor {
  checkDivergence("divergenceScore", options);
  const { divergence = "reverse-kl", alpha = 1 } = options;
  return scores[divergence](logRatio, alpha);
}
