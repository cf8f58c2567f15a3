/**
 * Distances between the states that a model is trained on and those that it reaches.
 *
 * @module
 */

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

/** The steps of gradient descent by which the classifier learns, and their rate. */
const [STEPS, RATE] = [200, 0.5] as const;

/**
 * How well a classifier tells the states that a model reaches from those of training: its balanced
 * accuracy on questions that it has not seen, minus 0.5. The classifier is logistic regression on
 * features, trained on every other question by 200 steps of gradient descent from 0; both kinds of
 * state weigh the same.
 *
 * @param questions The states of each question.
 * @returns From 0 (no better than a coin; below it by chance) to 0.5; NaN without states to judge.
 *
 * @example
 * ```ts
 * import { classifierDistance } from "./distances.ts";
 * import { assertEquals } from "@std/assert";
 *
 * // Feature 0 gives reached states away.
 * const questions = Array.from({ length: 40 }, () => ({ trained: [[1]], reached: [[0, 1]] }));
 * assertEquals(classifierDistance(questions), 0.5);
 * const same = questions.map(({ trained }) => ({ trained, reached: trained }));
 * assertEquals(classifierDistance(same), 0);
 * ```
 */
export function classifierDistance(questions: readonly PairedStates[]): number {
  const half = (own: 0 | 1) => questions.filter((_, i) => i % 2 === own);
  const weights = trainClassifier(half(0));
  const statesOf = (kind: Kind) => half(1).flatMap((question) => question[kind]);
  const accuracy = (kind: Kind) => {
    const states = statesOf(kind);
    const isRight = (features: Features) => scoreOf(weights, features) > 0 === (kind === "reached");
    return states.filter(isRight).length / states.length;
  };
  return (accuracy("trained") + accuracy("reached")) / 2 - 0.5;
}

type Kind = keyof PairedStates;

/** The weight of a bias, beside those of features. */
const BIAS = -1;

/** Weights by feature. */
export type Weights = ReadonlyMap<number, number>;

/** The log-odds that a state was reached. */
function scoreOf(weights: Weights, features: Features): number {
  return [BIAS, ...features].reduce((score, feature) => score + (weights.get(feature) ?? 0), 0);
}

/**
 * Trains the classifier on all of some questions.
 *
 * @param questions The states of each question.
 * @returns The weight of each feature, and at -1 the bias.
 */
export function trainClassifier(questions: readonly PairedStates[]): Weights {
  const places = new Map([[BIAS, 0]]);
  const placeOf = (feature: number) => {
    const place = places.get(feature) ?? places.size;
    places.set(feature, place);
    return place;
  };
  const labelled = (["trained", "reached"] as const).flatMap((kind) => {
    const states = questions.flatMap((question) => question[kind]);
    const share = 1 / (2 * states.length);
    return states.map((features) => ({
      at: Int32Array.from([BIAS, ...features], placeOf),
      target: Number(kind === "reached"),
      share,
    }));
  });
  const weights = new Float64Array(places.size);
  for (let step = 0; step < STEPS; step++) {
    const change = new Float64Array(places.size);
    for (const { at, target, share } of labelled) {
      const score = at.reduce((total, place) => total + (weights[place] ?? 0), 0);
      const error = target - 1 / (1 + Math.exp(-score));
      for (const place of at) change[place] = (change[place] ?? 0) + share * error;
    }
    for (const [place, own] of change.entries()) {
      weights[place] = (weights[place] ?? 0) + RATE * own;
    }
  }
  return new Map([...places].map(([feature, place]) => [feature, weights[place] ?? 0]));
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
