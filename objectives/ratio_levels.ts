/** The levels at which importance ratios are taken: of tokens, or of their sequences. */
import { add, stopGradient, sub, type Tensor, unsqueeze } from "@unitune/core";
import { sequenceLogProbs } from "./log_probs.ts";

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
}

const meanOf = (ofTokens: Tensor, mask: Tensor): Tensor =>
  unsqueeze(sequenceLogProbs(ofTokens, mask, "mean"), -1);

/** The ratio of each level. */
export const ratioLevels: Readonly<Record<RatioLevel, LevelRule>> = {
  "token": { logRatios: (ofTokens) => ofTokens, formula: "p/p_old" },
  "sequence-mean": { logRatios: meanOf, formula: "e^(mean_t log p/p_old)" },
  "sequence-sum": {
    logRatios: (ofTokens, mask) => unsqueeze(sequenceLogProbs(ofTokens, mask), -1),
    formula: "prod_t p/p_old",
  },
  "sequence-token": {
    logRatios: (ofTokens, mask) =>
      add(sub(ofTokens, stopGradient(ofTokens)), stopGradient(meanOf(ofTokens, mask))),
    formula: "sg(e^(mean_t log p/p_old)) p/sg(p)",
  },
};
