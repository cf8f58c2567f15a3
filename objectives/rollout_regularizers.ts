/** Regularizers of sampled answers: a KL corrected for their age, an entropy bonus that adapts. */
import {
  add,
  checkOptions,
  lessEqual,
  maximum,
  minimum,
  mul,
  neg,
  ones,
  ranges,
  sub,
  type Tensor,
  where,
} from "@unitune/core";
import { aggregate, aggregateFormula, describeNormalizer } from "./aggregation.ts";
import { factor } from "./arithmetic.ts";
import { objectiveDefaults } from "./defaults.ts";
import { within } from "./formula.ts";
import { meanOver } from "./metrics.ts";
import { safeRatio } from "./loss.ts";
import { type Memory, recall } from "./memory.ts";
import type {
  EntropyEvidence,
  Optimization,
  ReferenceEvidence,
  RolloutEvidence,
} from "./optimization.ts";
import { importanceRatio } from "./policy_gradient.ts";
import { type RatioLevel, ratioLevels } from "./ratio_levels.ts";
import { correctedSlope, kl, type KlEstimator, type KlOptions } from "./regularizers.ts";
import { type TokenOptimization, tokenwise } from "./tokenwise.ts";
import { type OtherTerm, slots, type UnifiedSlots } from "./unified/gradient.ts";
import { pOld } from "./unified/ratios.ts";
import { write } from "./unified/write.ts";

/** The options of {@linkcode correctedKl}. */
export interface CorrectedKlOptions extends KlOptions {
  /** The level of the ratio (default `"token"`). */
  readonly ratio?: RatioLevel;
}

/**
 * {@linkcode kl} of answers that an older policy sampled: the estimate of each token is multiplied by
 * the importance ratio, `rho k3`, with its gradient. So it is unbiased for the policy as it is, and
 * its gradient is that of the reverse KL (DeepSeek-V3.2, arXiv 2512.02556; TRL's
 * `use_bias_correction_kl`).
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { correctedKl, formulaText } from "@unitune/objectives";
 *
 * assertStringIncludes(formulaText(correctedKl().description.formula), "rho (e^(-x) - 1 + x)");
 * ```
 *
 * @param options The estimator, the normalizer, and the level of the ratio.
 * @returns The optimization.
 * @throws {RangeError} If an option is unknown.
 */
export function correctedKl(
  { ratio = "token", ...options }: CorrectedKlOptions = {},
): TokenOptimization<ReferenceEvidence & Pick<RolloutEvidence, "oldLogProbs">> {
  const part = kl(options);
  const { losses, formula, where: symbols, gradient: _plain, ...others } = part.tokens;
  return tokenwise<ReferenceEvidence & Pick<RolloutEvidence, "oldLogProbs">>(
    part.description.transition,
    {
      ...others,
      losses: (evidence) =>
        mul(
          importanceRatio(evidence.logProbs(), evidence.oldLogProbs, evidence.mask, ratio),
          losses(evidence),
        ),
      formula: { text: `rho ${factor(formula)}`, binding: "product" },
      where: { ...symbols, rho: ratioLevels[ratio].formula },
      gradient: [correctedSlots(options.estimator, ratio)],
    },
  );
}

/** The slots of a KL whose ratio has a gradient as well: `rho (k + k')`. */
function correctedSlots(
  estimator: KlEstimator = objectiveDefaults.klEstimator,
  level: RatioLevel,
): UnifiedSlots | OtherTerm {
  // Of a whole answer's ratio, a token would have the estimates of all others.
  if (level !== "token") return { kind: "unstated" };
  return slots({ denominator: pOld, advantage: write.neg(correctedSlope(estimator)) });
}

/** The options of {@linkcode adaptiveEntropyBonus}. */
export interface AdaptiveEntropyOptions {
  /** The entropy below which the bonus counts, and its weight grows (default 0.2 nats). */
  readonly target?: number;
  /** The change of the weight after each step, at least 0 (default 0.005). */
  readonly change?: number;
  /** The weight before the first step (default 0). */
  readonly start?: number;
  /** The smallest weight, at least 0 (default 0). */
  readonly min?: number;
  /** The largest weight (default 1). */
  readonly max?: number;
}

/** The defaults of {@linkcode adaptiveEntropyBonus}, which are TRL's. */
export const adaptiveEntropyDefaults = {
  target: 0.2,
  change: 0.005,
  start: 0,
  min: 0,
  max: 1,
} as const;

/** The weight of the bonus, and whether it counts: 1 where the last entropy was at most the target. */
function entropyControl(
  { target, change, start, min, max }: Required<AdaptiveEntropyOptions>,
): Memory {
  return {
    start: { entropy_weight: start, entropy_is_low: 0 },
    next({ entropy_weight: weight }, { metrics: { entropy } }) {
      if (weight === undefined || entropy === undefined) {
        throw new RangeError("the weight of an entropy bonus follows from the metric entropy");
      }
      const isLow = lessEqual(safeRatio(entropy.total, entropy.weight), target);
      return {
        entropy_weight: where(
          isLow,
          minimum(add(weight, change), max),
          maximum(sub(weight, change), min),
        ),
        entropy_is_low: where(isLow, ones([], weight.dtype), 0),
      };
    },
  };
}

/**
 * An entropy bonus whose weight follows the entropy (Skywork-OR1, arXiv 2505.22312): after a step in
 * which the mean entropy of answer tokens was at most the target, the weight grows by a constant,
 * else it shrinks by it; and the bonus counts only after a step whose entropy was at most the
 * target. The weight is remembered from step to step. It logs `entropy_weight`, the weight that the
 * step had, 0 where the bonus did not count.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { adaptiveEntropyBonus } from "@unitune/objectives";
 *
 * const { memory } = adaptiveEntropyBonus({ start: 0.1 });
 * assertEquals(memory?.start, { entropy_weight: 0.1, entropy_is_low: 0 });
 * ```
 *
 * @param options The target, and the limits of the weight.
 * @returns The optimization, divided by token.
 * @throws {RangeError} If an option is out of range.
 */
export function adaptiveEntropyBonus(
  options: AdaptiveEntropyOptions = {},
): Optimization<EntropyEvidence> {
  const known = { ...adaptiveEntropyDefaults, ...options };
  checkOptions("adaptiveEntropyBonus", {
    target: ranges.nonNegative,
    change: ranges.nonNegative,
    min: ranges.nonNegative,
    max: { min: known.min },
    start: { min: known.min, max: known.max },
  }, known);
  const { normalizer } = objectiveDefaults;
  const memory = entropyControl(known);
  return {
    description: {
      transition: "T -> uniform",
      normalizer: describeNormalizer(normalizer),
      formula: {
        ...within(
          aggregateFormula(normalizer, "-H_bt"),
          (expression) => ({ expression, factor: "w" }),
        ),
        where: {
          w: `H <= ${known.target} ? w(step) : 0`,
        },
      },
      gradient: [{ kind: "vocabulary" }],
    },
    memory,
    optimize({ entropy, mask }, context) {
      const own = entropy();
      const { dtype } = own;
      const weight = mul(
        recall(memory, "entropy_weight", context, dtype),
        recall(memory, "entropy_is_low", context, dtype),
      );
      const { total, normalizer: count } = aggregate(neg(own), mask, normalizer);
      const metric = (value: Tensor) => ({ total: value, weight: ones([], dtype) });
      return {
        terms: [{ total: mul(total, weight), normalizer: count }],
        metrics: {
          entropy: meanOver(own, mask),
          entropy_weight: metric(weight),
        },
      };
    },
  };
}
