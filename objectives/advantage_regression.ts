/** The regression of implicit rewards on advantages, as A*-PO has it. */
import {
  checkOptions,
  max,
  mul,
  ranges,
  square,
  stopGradient,
  sub,
  type Tensor,
} from "@unitune/core";
import { averageOver } from "./aggregation.ts";
import { checkShapes } from "./checks.ts";
import { formulaOf } from "./formula.ts";
import { logRatio, sequenceLogProbs } from "./log_probs.ts";
import { meanOver } from "./metrics.ts";
import type { Optimization, ReferenceEvidence, RolloutEvidence } from "./optimization.ts";
import { named } from "./unified/expression.ts";
import { ofAnswers, slots, type UnifiedTerm } from "./unified/gradient.ts";
import { A, answerLogRatio } from "./unified/ratios.ts";
import { literal, write } from "./unified/write.ts";

/** The options of {@linkcode advantageRegression}. */
export interface RegressionOptions {
  /** The strength b of the reference, above 0 (default 1e-3). */
  readonly beta?: number;
}

/** The defaults of {@linkcode advantageRegression}. */
export const regressionDefaults = { beta: 1e-3 } as const;

/**
 * The squared error of an answer's implicit reward as its advantage (A*-PO, arXiv 2505.20686):
 * `mean_b (b D - A)^2`, with `D = log pi/ref` of the whole answer. It logs `rewards/implicit`, the
 * mean of `b D`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { advantageRegression, formulaText } from "@unitune/objectives";
 *
 * const { formula } = advantageRegression({ beta: 0.1 }).description;
 * assertEquals(formulaText(formula), "mean_b (0.1 D - A)^2, where D = log pi/ref");
 * ```
 *
 * @param options The strength of the reference.
 * @returns The optimization, on advantages of sequences.
 * @throws {RangeError} If beta is out of range.
 */
export function advantageRegression(
  { beta = regressionDefaults.beta }: RegressionOptions = {},
): Optimization<ReferenceEvidence & Omit<RolloutEvidence, "oldLogProbs">> {
  checkOptions("advantageRegression", { beta: ranges.positive }, { beta });
  return {
    description: {
      transition: "T(s_n, rho0) -> A-weighted T*",
      normalizer: "sequences",
      formula: formulaOf(`mean_b (${beta} D - A)^2`, { D: "log pi/ref" }),
      gradient: [regressed(beta)],
    },
    optimize({ logProbs, referenceLogProbs, advantages, mask }) {
      const implicit = impliedRewards(logProbs(), referenceLogProbs, mask, beta);
      checkShapes("advantageRegression", ["B"], { implicit, advantages });
      const counted = max(mask, { axes: [-1] });
      return {
        terms: [averageOver(square(sub(implicit, stopGradient(advantages))), counted)],
        metrics: {
          "rewards/implicit": meanOver(implicit, counted),
        },
      };
    },
  };
}

/** The gradient of the squared error: `2 b (A - b D)` is how much each token is to be raised. */
function regressed(beta: number): UnifiedTerm {
  const b = literal(beta);
  const error = write.sub(A, write.mul(b, named("D", answerLogRatio.sum)));
  const advantage = write.mul(write.mul(literal(2), b), error);
  return ofAnswers(slots({ advantage, advantages: "answers" }), "single");
}

/** `b log pi/ref` of each answer, `[B]`. */
function impliedRewards(own: Tensor, reference: Tensor, mask: Tensor, beta: number): Tensor {
  const ratio = logRatio(sequenceLogProbs(own, mask), sequenceLogProbs(reference, mask));
  return mul(ratio, beta);
}
