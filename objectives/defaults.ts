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
  /** The strength of the reference, or of the preference where there is no reference. */
  readonly beta: number;
  /** The distance from 1 at which a ratio of probabilities is clipped, and a value likewise. */
  readonly clipRange: number;
  /** The number that GRPO's advantages are divided by: the deviation of their group. */
  readonly scaleRewards: "group";
  /** The share of the model's own token in intuitive states. */
  readonly lambda: number;
  /** The passes that predict own tokens, each on the states of the one before. */
  readonly passes: number;
  /** Whether the gradient reaches the table of embeddings through intuitive states. */
  readonly embeddings: "live";
  /** The steps of a warm-up, of a learning rate or of lambda. */
  readonly warmupSteps: number;
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
  beta: 0.1,
  clipRange: 0.2,
  scaleRewards: "group",
  lambda: 0.2,
  passes: 1,
  embeddings: "live",
  warmupSteps: 100,
  propagation: "as-run",
  gamma: 0.95,
  klEstimator: "k3",
};
