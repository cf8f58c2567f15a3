/** Demonstrations as rollouts of the policy some steps ago: ratios to it, and an advantage of 1. */
import { cast, dims, mapTree, ones } from "@unitune/core";
import type { Signal } from "./estimation.ts";
import { targetsOf } from "./gold.ts";
import type { PolicyEvidence, RolloutEvidence } from "./optimization.ts";
import { againstReference, type ReferenceScores, seen } from "./signals.ts";

/** The evidence that {@linkcode proximal} collects. */
export type Proximal = Pick<RolloutEvidence, "oldLogProbs" | "advantages">;

/**
 * Every token of a demonstration is right: its advantage is 1, and its ratio is to the reference. With
 * a reference that is renewed every few steps, losses of ratios keep the policy near to what it was
 * (PSFT, arXiv 2508.17784).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { estimate, gold, proximal } from "@unitune/objectives";
 *
 * const { signal, data } = estimate(gold, proximal).description;
 * assertEquals(signal, "target token, A = 1, pi_old is a reference");
 * assertEquals(data, ["demonstration", "reference log-probs"]);
 * ```
 */
export const proximal: Signal<ReferenceScores, Proximal, RolloutEvidence & PolicyEvidence> = {
  description: {
    ...againstReference("precomputed").description,
    signal: () => "target token, A = 1, pi_old is a reference",
  },
  collect(_model, { referenceLogProbs }) {
    const { B } = dims(referenceLogProbs, "B T", "proximal: referenceLogProbs");
    return {
      oldLogProbs: targetsOf(referenceLogProbs),
      advantages: ones([B], referenceLogProbs.dtype),
    };
  },
  compare(states, collected) {
    const evidence = seen(states);
    const { dtype } = evidence.mask;
    return { evidence: { ...evidence, ...mapTree(collected, (x) => cast(x, dtype)) }, metrics: {} };
  },
};
