/** Scores of log-ratios for other divergences than the reverse KL (f-DPO, arXiv 2309.16240). */
import { checkOptions, ranges, type Tensor } from "@unitune/core";
import { type Arithmetic, numeric, onTensors } from "./arithmetic.ts";
import { checkName } from "./checks.ts";

/**
 * The divergence that regularises a preference objective. Its score `f'(u)`, `u = pi / ref = e^D`,
 * takes the place of the log-ratio D. Exponents are cut to -80..80:
 *
 * | divergence | score | `f(u)`, up to `c (u - 1)` |
 * | --- | --- | --- |
 * | `"reverse-kl"` | `D` | `u log u` |
 * | `"forward-kl"` | `1 - e^-D` | `-log u` |
 * | `"jensen-shannon"` | `log 2 + log s(D)` | `u log u - (u + 1) log((u + 1) / 2)` |
 * | `"alpha"` | `(e^((a-1) D) - 1) / (a - 1)`, any a | `(u^a - a u + a - 1) / (a (a - 1))` |
 *
 * Adding `c (u - 1)` to f leaves the divergence as it is, and adds the constant c to its score.
 * Here c is chosen so that `f'(1) = 0`, so every score is 0 where the policy is its reference. In
 * differences of scores c cancels. In losses that read scores one by one (`nca`, `bco`, `sppo`,
 * `apo-zero`, `apo-down`) it gives them the same value at the reference under every divergence.
 *
 * These are TRL's scores. TRL 1.13 takes them in differences only: the optimal policy's score holds
 * a term of the prompt, `log Z`, that cancels nowhere else. Losses that read scores one by one take
 * that term to be 0 under the reverse KL already; here they do so under every divergence.
 *
 * Alpha is TRL's: the reverse KL at 1, the forward KL at 0; above 1 the score is bounded below for
 * an answer that gets less likely, and grows exponentially for one that gets more likely.
 */
export type FDivergence = "reverse-kl" | "forward-kl" | "jensen-shannon" | "alpha";

type Score = <X>(on: Arithmetic<X>, logRatio: X, alpha: number) => X;

/** `(e^(k D) - 1) / k`, and its limit D at k = 0. */
const powerScore: Score = (on, logRatio, k) =>
  k === 0 ? logRatio : on.div(on.expm1(on.mul(numeric(k), logRatio)), numeric(k));

const scores: Readonly<Record<FDivergence, Score>> = {
  "reverse-kl": (_on, logRatio) => logRatio,
  "forward-kl": (on, logRatio) => on.neg(on.expm1(on.neg(logRatio))),
  "jensen-shannon": (on, logRatio) =>
    on.add(on.logSigmoid(logRatio), { constant: Math.LN2, name: "log 2" }),
  "alpha": (on, logRatio, alpha) => powerScore(on, logRatio, alpha - 1),
};

/** The score of a divergence over any arithmetic. */
export function scoreOn<X>(
  on: Arithmetic<X>,
  logRatio: X,
  { divergence, alpha }: Required<DivergenceOptions>,
): X {
  return scores[divergence](on, logRatio, alpha);
}

/** The options of a divergence. */
export interface DivergenceOptions {
  /** The divergence (default `"reverse-kl"`). */
  readonly divergence?: FDivergence;
  /** The a of `"alpha"`, any finite number (default 0.5), as in TRL. */
  readonly alpha?: number;
}

/** The options of a divergence, checked, its defaults filled in. */
export function divergenceConstants(
  name: string,
  { divergence = "reverse-kl", alpha = 0.5 }: DivergenceOptions,
): Required<DivergenceOptions> {
  checkName(`${name}: divergence`, divergence, scores);
  checkOptions(name, { alpha: ranges.finite }, { alpha });
  return { divergence, alpha };
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
 * const D = tensor([0, Math.log(2)], { dtype: "f64" });
 * const [reference, twice = NaN] = await divergenceScore(D, { divergence: "forward-kl" }).data();
 * assertAlmostEquals(reference ?? NaN, 0);
 * assertAlmostEquals(twice, 1 - 1 / 2);
 * const steep = divergenceScore(D, { divergence: "alpha", alpha: 2 });
 * assertAlmostEquals((await steep.data())[1] ?? NaN, 2 - 1);
 * ```
 *
 * @param logRatio `log (pi / ref)`, any shape, in nats.
 * @param options The divergence.
 * @returns The score, in the same shape.
 * @throws {RangeError} If the divergence is unknown or alpha not finite.
 */
export function divergenceScore(logRatio: Tensor, options: DivergenceOptions = {}): Tensor {
  return scoreOn(onTensors, logRatio, divergenceConstants("divergenceScore", options));
}
