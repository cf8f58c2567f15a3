/**
 * What a model says of questions once: its predictions on right answers, and its own answers; and the
 * measures that follow from both.
 *
 * @module
 */

import { type Question, readAnswer, tasks, type World } from "@unitune/training";
import type { Measures } from "../measures.ts";
import {
  bigramFeatures,
  classifierDistance,
  type Features,
  type PairedStates,
  totalVariation,
} from "./distances.ts";
import { addTally, answerTally, forcedTally, noTally, ownTally, type Tally } from "./tallies.ts";

/** A question whose answers are steps of a world. */
export interface WorldQuestion extends Question {
  readonly world: World;
}

/** What a model says of the tokens of right answers. */
export interface Forced {
  /** Whether each token of the answer is the most likely one, with the right ones before it. */
  readonly hits: readonly boolean[];
  /** The probability of each. */
  readonly chances: readonly number[];
}

/** An own answer, as tokens and as text. */
export interface OwnAnswer {
  readonly ids: readonly number[];
  readonly texts: readonly string[];
}

/** What a model says of a question. */
export interface Reading {
  /** The question. */
  readonly question: WorldQuestion;
  /** The texts of the right answer's tokens. */
  readonly gold: readonly string[];
  /** What it predicts on the right answer. */
  readonly forced: Forced;
  /** The texts of the tokens of its own, greedy answer. */
  readonly own: readonly string[];
}

/**
 * Right tokens and steps on right prefixes, and on the model's own.
 *
 * @param readings What the model says.
 * @returns The measures; none without questions.
 */
export function accuracies(readings: readonly Reading[]): Measures {
  const tallies = readings.map(({ question: { world, prompt }, gold, forced, own }) => ({
    forced: forcedTally(world, prompt, gold, forced.hits),
    own: ownTally(world, prompt, own),
    answer: answerTally(world, prompt, own, gold),
  }));
  return byKind(readings.map(({ question }) => question), (places) => {
    const of = (name: "forced" | "own" | "answer") =>
      accuraciesOf(places.map((i) => tallies[i]?.[name] ?? noTally).reduce(addTally, noTally));
    const [atGold, atOwn, whole] = [of("forced"), of("own"), of("answer")];
    return {
      "forced_token_accuracy": atGold.tokens,
      "own_token_accuracy": atOwn.tokens,
      "token_gap": atGold.tokens - atOwn.tokens,
      "forced_step_accuracy": atGold.steps,
      "own_step_accuracy": atOwn.steps,
      "step_gap": atGold.steps - atOwn.steps,
      "answer_token_accuracy": whole.tokens,
      "answer_token_gap": atGold.tokens - whole.tokens,
      "answer_step_accuracy": whole.steps,
      "answer_step_gap": atGold.steps - whole.steps,
    };
  });
}

/**
 * Distances between the states of right answers and those of own ones.
 *
 * @param readings What the model says.
 * @returns The measures; none without questions.
 */
export function distances(readings: readonly Reading[]): Measures {
  const visits = readings.map(({ question: { world, prompt }, gold, own }) => ({
    trained: visitsOf(world, prompt, gold.join("")),
    reached: visitsOf(world, prompt, own.join("")),
  }));
  return byKind(readings.map(({ question }) => question), (places) => {
    const some = places.flatMap((i) => visits[i] ?? []);
    const states = (kind: "trained" | "reached") =>
      some.flatMap(({ [kind]: { states } }) => states);
    const pairs = some.map(({ trained, reached }): PairedStates => ({
      trained: trained.features,
      reached: reached.features,
    }));
    return {
      "state_distance": totalVariation(states("trained"), states("reached")),
      "classifier_distance": classifierDistance(pairs),
    };
  });
}

/**
 * The share of the learned tokens before which the model would write what stands there.
 *
 * @param readings What the model says.
 * @returns The measures; none without questions.
 */
export function reach(readings: readonly Reading[]): Measures {
  return byKind(readings.map(({ question }) => question), (places) => {
    const some = places.flatMap((i) => readings[i]?.forced ?? []);
    return {
      "reached_share": meanOfRuns(some.map(({ hits }) => hits.map(Number))),
      "sampled_share": meanOfRuns(some.map(({ chances }) => chances)),
    };
  });
}

/**
 * The questions whose task has a world.
 *
 * @param questions The questions.
 * @returns Those questions, with their worlds.
 */
export function worldQuestions(questions: readonly Question[]): readonly WorldQuestion[] {
  const worlds = new Map(tasks.flatMap(({ name, world }) => world ? [[name, world]] : []));
  return questions.flatMap((question) => {
    const world = worlds.get(question.kind);
    return world === undefined ? [] : [{ ...question, world }];
  });
}

/**
 * Measures of all questions together, and of each kind as `NAME/KIND` where there are several.
 *
 * @param questions The questions.
 * @param measure Measures those at some places.
 * @returns The measures; none without questions.
 */
export function byKind(
  questions: readonly Question[],
  measure: (places: readonly number[]) => Measures,
): Measures {
  const all = questions.map((_, i) => i);
  const kinds = [...new Set(questions.map(({ kind }) => kind))];
  if (all.length === 0) return {};
  return {
    ...measure(all),
    ...kinds.length > 1 && Object.fromEntries(kinds.flatMap((kind) => {
      const own = measure(all.filter((i) => questions[i]?.kind === kind));
      return Object.entries(own).map(([name, value]) => [`${name}/${kind}`, value]);
    })),
  };
}

function accuraciesOf({ tokens, rightTokens, steps, rightSteps }: Tally) {
  return { tokens: rightTokens / tokens, steps: rightSteps / steps };
}

/** The name of what no step leads to. */
const NO_STATE = "";

/** The states before the steps of an answer, by name, and as features. */
function visitsOf(
  world: World,
  prompt: string,
  answer: string,
): { readonly states: readonly string[]; readonly features: readonly Features[] } {
  const { steps } = readAnswer(world, prompt, answer);
  let prefix = prompt;
  const features = steps.map(({ text }) => {
    const before = bigramFeatures(prefix);
    prefix += text;
    return before;
  });
  return { states: steps.map(({ before }) => before?.id ?? NO_STATE), features };
}

/**
 * The mean over all tokens of the product of the numbers before each: of hits, the share of tokens
 * before which greedy decoding writes what stands there; of probabilities, the share that samples
 * reach.
 */
function meanOfRuns(rows: readonly (readonly number[])[]): number {
  let [total, count] = [0, 0];
  for (const row of rows) {
    let reached = 1;
    for (const one of row) {
      total += reached;
      reached *= one;
      count++;
    }
  }
  return total / count;
}
