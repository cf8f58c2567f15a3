/** Defaults that several objectives share. */

/**
 * The defaults that several objectives share, each once. Those of a single loss are told at its
 * options.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nll, objectiveDefaults } from "@unitune/objectives";
 *
 * const { normalizer } = objectiveDefaults;
 * assertEquals(nll().description, nll({ normalizer }).description);
 * ```
 */
export const objectiveDefaults: {
  /** The normalizer of sums over tokens: all answer tokens of the batch. */
  readonly normalizer: "token";
  /** Answers to each prompt, of which the advantages are relative, or the best is learned. */
  readonly groupSize: number;
  /** Answers to each prompt, of which the best and the worst make a pair. */
  readonly rankedGroupSize: number;
  /** The share of the model's own token in intuitive states. */
  readonly lambda: number;
  /** The form of the propagation of IFT. */
  readonly propagation: "as-run";
  /** The decay of the propagation of IFT, for each position. */
  readonly gamma: number;
  /** The estimator of a KL that is a loss. */
  readonly klEstimator: "k3";
} = {
  normalizer: "token",
  groupSize: 8,
  rankedGroupSize: 2,
  lambda: 0.2,
  propagation: "as-run",
  gamma: 0.95,
  klEstimator: "k3",
};
