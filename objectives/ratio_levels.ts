/** The levels at which importance ratios are taken: of tokens, or of their sequences. */
import { add, stopGradient, sub, type Tensor, unsqueeze } from "@unitune/core";
import { sequenceLogProbs } from "./log_probs.ts";
import { type Expression, named, quantity } from "./unified/expression.ts";
import type { UnifiedSlots } from "./unified/gradient.ts";
import { p, pOld, ratio } from "./unified/ratios.ts";
import { ONE, write } from "./unified/write.ts";

/**
 * The level of importance ratios, of the policy to the one that sampled: `"token"`, a ratio for
 * each token (PPO); `"sequence-mean"`, the geometric mean over a sequence, `exp(mean_t log rho_t)`
 * (GSPO); `"sequence-sum"`, the product over a sequence (RLOO); `"sequence-token"`, the value of
 * `"sequence-mean"` with the gradient of each token's own probability, `sg(s) p / sg(p)` (GSPO-token).
 */
export type RatioLevel = "token" | "sequence-mean" | "sequence-sum" | "sequence-token";

interface LevelRule {
  /** The logarithms of ratios from those of tokens, `[B, T]`, or `[B, 1]` of sequences. */
  readonly logRatios: (ofTokens: Tensor, mask: Tensor) => Tensor;
  /** The ratio as a formula. */
  readonly formula: string;
  /** The value of the ratio as an expression. */
  readonly ratio: Expression;
  /** The policy that a token's probability is divided by. */
  readonly denominator: Expression;
  /** How often an answer's advantage counts at each of its tokens. */
  readonly times: Expression;
  /** Whether it takes all tokens of an answer to have one advantage. */
  readonly advantages: UnifiedSlots["advantages"];
}

/** A ratio of an answer, whose gradient every token has a share of. */
const ofAnswer = (is: Expression, times: Expression) => {
  const rho = named("rho", is);
  return { ratio: rho, denominator: write.div(p, rho), times, advantages: "answers" } as const;
};

const geometricMean = ofAnswer(write.exp(write.meanOfAnswer(write.log(ratio.is))), ONE);

const meanOf = (ofTokens: Tensor, mask: Tensor): Tensor =>
  unsqueeze(sequenceLogProbs(ofTokens, mask, "mean"), -1);

/** The ratio of each level. */
export const ratioLevels: Readonly<Record<RatioLevel, LevelRule>> = {
  "token": {
    logRatios: (ofTokens) => ofTokens,
    formula: "p/p_old",
    ratio,
    denominator: pOld,
    times: ONE,
    advantages: "tokens",
  },
  "sequence-mean": {
    logRatios: meanOf,
    formula: "e^(mean_t log p/p_old)",
    ...geometricMean,
  },
  "sequence-sum": {
    logRatios: (ofTokens, mask) => unsqueeze(sequenceLogProbs(ofTokens, mask), -1),
    formula: "prod_t p/p_old",
    ...ofAnswer(write.exp(write.sumOfAnswer(write.log(ratio.is))), quantity("M_b")),
  },
  "sequence-token": {
    logRatios: (ofTokens, mask) =>
      add(sub(ofTokens, stopGradient(ofTokens)), stopGradient(meanOf(ofTokens, mask))),
    formula: "sg(e^(mean_t log p/p_old)) p/sg(p)",
    ...geometricMean,
    // Each token has the gradient of its own probability.
    advantages: "tokens",
  },
};
