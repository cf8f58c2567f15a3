/**
 * Distances between the states that a model is trained on and those that it reaches.
 *
 * @module
 */

import { randomStream, shuffled } from "@unitune/training";

/**
 * The total variation between two distributions of states, `1/2 sum |p - q|`, each given by its
 * visits: the share of visits that would have to go elsewhere.
 *
 * @param trained The names of the states visited in training, one for each visit.
 * @param reached Those that a model has visited.
 * @returns The distance, from 0 (the same) to 1 (none in common); NaN without visits.
 *
 * @example
 * ```ts
 * import { totalVariation } from "./distances.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(totalVariation(["a", "b"], ["b", "c"]), 0.5);
 * ```
 */
export function totalVariation(trained: readonly string[], reached: readonly string[]): number {
  if (trained.length === 0 || reached.length === 0) return NaN;
  const excess = new Map<string, number>();
  const visit = (states: readonly string[], sign: number) => {
    for (const state of states) {
      excess.set(state, (excess.get(state) ?? 0) + sign / states.length);
    }
  };
  visit(trained, 1);
  visit(reached, -1);
  return [...excess.values()].reduce((total, one) => total + Math.abs(one), 0) / 2;
}

/** A state as features: the numbers of those that it has, each of them once. */
export type Features = readonly number[];

/** The states of one question. */
export interface PairedStates {
  /** Those of its right answer. */
  readonly trained: readonly Features[];
  /** Those of the model's own answer. */
  readonly reached: readonly Features[];
}

/** Passes of the classifier over its half of the states, its rate, and the decay of its weights. */
const [PASSES, RATE, DECAY] = [8, 0.1, 1e-4] as const;

/**
 * How well a classifier tells the states that a model reaches from those of training: its balanced
 * accuracy on questions that it has not seen, minus 0.5. The classifier is logistic regression on
 * features, trained on every other question by stochastic gradient descent; both kinds of state
 * weigh the same.
 *
 * @param questions The states of each question.
 * @param seed The seed of the order in which the classifier sees states.
 * @returns From 0 (no better than a coin; below it by chance) to 0.5; NaN without states to judge.
 *
 * @example
 * ```ts
 * import { classifierDistance } from "./distances.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // Feature 0 gives reached states away.
 * const questions = Array.from({ length: 40 }, () => ({ trained: [[1]], reached: [[0, 1]] }));
 * assertEquals(classifierDistance(questions, 1), 0.5);
 * const same = questions.map(({ trained }) => ({ trained, reached: trained }));
 * assertEquals(classifierDistance(same, 1), 0);
 * ```
 */
export function classifierDistance(questions: readonly PairedStates[], seed: number): number {
  const half = (own: 0 | 1) => questions.filter((_, i) => i % 2 === own);
  const weights = trainClassifier(half(0), seed);
  const judged = half(1);
  const accuracy = (states: readonly Features[], isReached: boolean) => {
    // A tie tells nothing, and counts half.
    const right = states.map((features) => {
      const score = scoreOf(weights, features);
      return score === 0 ? 0.5 : Number(score > 0 === isReached);
    });
    return right.reduce((total, one) => total + one, 0) / states.length;
  };
  const trained = judged.flatMap(({ trained }) => trained);
  const reached = judged.flatMap(({ reached }) => reached);
  return (accuracy(trained, false) + accuracy(reached, true)) / 2 - 0.5;
}

/** The weight of a bias, beside those of features. */
const BIAS = -1;

type Weights = ReadonlyMap<number, number>;

function scoreOf(weights: Weights, features: Features): number {
  return features.reduce(
    (score, feature) => score + (weights.get(feature) ?? 0),
    weights.get(BIAS) ?? 0,
  );
}

/** The log-odds that a state was reached, as weights of features. */
function trainClassifier(questions: readonly PairedStates[], seed: number): Weights {
  const labelled = (["trained", "reached"] as const).flatMap((kind) => {
    const states = questions.flatMap((question) => question[kind]);
    const weight = 1 / Math.max(states.length, 1);
    return states.map((features) => ({ features, target: Number(kind === "reached"), weight }));
  });
  const weights = new Map<number, number>();
  const random = randomStream(seed);
  for (let pass = 0; pass < PASSES; pass++) {
    for (const { features, target, weight } of shuffled(random, labelled)) {
      const error = target - 1 / (1 + Math.exp(-scoreOf(weights, features)));
      // Both kinds together have a weight of 2, spread over all states.
      const step = RATE * error * weight * labelled.length / 2;
      for (const feature of [BIAS, ...features]) {
        weights.set(feature, (1 - RATE * DECAY) * (weights.get(feature) ?? 0) + step);
      }
    }
  }
  return weights;
}

/**
 * The last characters of a prefix as features: which pairs of neighbours are among them.
 *
 * @param prefix The prompt and what was written so far.
 * @param window The number of last characters that count (default 16).
 * @returns The features.
 */
export function bigramFeatures(prefix: string, window = 16): Features {
  const last = prefix.slice(-window);
  const pairs = new Set<number>();
  for (let i = 1; i < last.length; i++) {
    pairs.add(last.charCodeAt(i - 1) * CODES + last.charCodeAt(i));
  }
  return [...pairs];
}

/** More than any code of a character of UTF-16. */
const CODES = 2 ** 16;
