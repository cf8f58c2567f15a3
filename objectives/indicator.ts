/** The signal of a demonstration: the target token is right, every other one wrong. */
import type { Estimation, PriorStates } from "./estimation.ts";
import { tokenLogProbs } from "./log_probs.ts";
import type { TokenEvidence } from "./optimization.ts";

/**
 * The indicator of the target token, `1[a = pi*(s*)]`: the evidence is the log-probability of the
 * target on each prior state.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { gold, indicator } from "@unitune/objectives";
 *
 * assertEquals(indicator(gold).description.data, ["demonstration"]);
 * ```
 *
 * @param priorStates Where the model is asked.
 * @returns The estimation.
 */
export function indicator<B, C>(
  priorStates: PriorStates<B, C>,
): Estimation<B, C, TokenEvidence> {
  return {
    description: { ...priorStates.description, signal: "target token, 1[a = pi*(s*_n)]" },
    collect: priorStates.collect,
    evaluate(model, collected, context) {
      const { logits, targets, mask, metrics } = priorStates.evaluate(model, collected, context);
      return { evidence: { logProbs: tokenLogProbs(logits, targets), mask }, metrics };
    },
  };
}
