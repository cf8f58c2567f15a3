/**
 * How often tokens and steps are right: where the right answer stands before them, and where the
 * model's own does.
 *
 * @module
 */

import { END, type ReadAnswer, readAnswer, type World } from "@unitune/training";

/** What was right, of how much. */
export interface Tally {
  readonly tokens: number;
  readonly rightTokens: number;
  readonly steps: number;
  readonly rightSteps: number;
}

/** The tally of nothing. */
export const noTally: Tally = { tokens: 0, rightTokens: 0, steps: 0, rightSteps: 0 };

/**
 * The tally of two parts together.
 *
 * @param a A part.
 * @param b Another part.
 * @returns The sum of both.
 */
export function addTally(a: Tally, b: Tally): Tally {
  return {
    tokens: a.tokens + b.tokens,
    rightTokens: a.rightTokens + b.rightTokens,
    steps: a.steps + b.steps,
    rightSteps: a.rightSteps + b.rightSteps,
  };
}

/**
 * The tally of an answer whose every token was predicted with the right ones before it. A step is
 * right if all its tokens are: a model that decodes greedily from the state before it writes the
 * step then.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param texts The texts of the answer's tokens; that of a stop token is `END`.
 * @param hits Whether each token was the most likely one.
 * @returns The tally.
 *
 * @example
 * ```ts
 * import { forcedTally } from "./tallies.ts";
 * import { END, worlds } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const hits = [true, false, true];
 * const { tokens, rightTokens } = forcedTally(worlds.maze, "maze a1 c1", ["R", "R", END], hits);
 * assertEquals([tokens, rightTokens], [3, 2]);
 * ```
 */
export function forcedTally(
  world: World,
  prompt: string,
  texts: readonly string[],
  hits: readonly boolean[],
): Tally {
  const { steps } = readAnswer(world, prompt, texts.join(""));
  // In characters: a step has the tokens that begin before its end.
  let [at, reached, written, rightSteps] = [0, 0, 0, 0];
  for (const { text } of steps) {
    written += text.length;
    const from = at;
    for (; reached < written; at++) reached += texts[at]?.length ?? 0;
    rightSteps += Number(hits.slice(from, at).every(Boolean));
  }
  return {
    tokens: texts.length,
    rightTokens: hits.filter(Boolean).length,
    steps: steps.length,
    rightSteps,
  };
}

/**
 * The tally of a model's own answer. Each token is compared with the one that stands in its place in
 * the right step of the state that the steps before it, right or wrong, have led to; after a text
 * that is no step there is no state, and nothing is right.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param texts The texts of the answer's tokens; that of a stop token is `END`.
 * @returns The tally.
 *
 * @example
 * ```ts
 * import { ownTally } from "./tallies.ts";
 * import { END, worlds } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * // From a1 to c1: down and up again are wrong and right, and the way on is right.
 * const { steps, rightSteps } = ownTally(worlds.maze, "maze a1 c1", [..."DURR", END]);
 * assertEquals([steps, rightSteps], [5, 4]);
 * ```
 */
export function ownTally(world: World, prompt: string, texts: readonly string[]): Tally {
  const answer = texts.join("");
  const read = readAnswer(world, prompt, answer);
  const expected = expectedText(read);
  let [at, rightTokens] = [0, 0];
  for (const text of texts) {
    rightTokens += Number(text !== "" && expected.startsWith(text, at));
    at += text.length;
  }
  return {
    tokens: texts.length,
    rightTokens,
    steps: read.steps.length,
    rightSteps: read.steps.filter(({ isRight }) => isRight).length,
  };
}

/**
 * The tally of a model's own answer against the right one: token by token and step by step in the
 * same places. One early mistake may make all that follows differ.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param texts The texts of the answer's tokens; that of a stop token is `END`.
 * @param right The texts of the right answer's tokens.
 * @returns The tally, of the tokens and steps of the right answer.
 */
export function answerTally(
  world: World,
  prompt: string,
  texts: readonly string[],
  right: readonly string[],
): Tally {
  const stepsOf = (own: readonly string[]) =>
    readAnswer(world, prompt, own.join("")).steps.map(({ text }) => text);
  const [own, gold] = [stepsOf(texts), stepsOf(right)];
  return {
    tokens: right.length,
    rightTokens: right.filter((text, i) => texts[i] === text).length,
    steps: gold.length,
    rightSteps: gold.filter((text, i) => own[i] === text).length,
  };
}

/** A character that no right step has: it stands where there is no state, or its step is shorter. */
const NOTHING = "\u0000";

/** The right characters in the places of an answer's: as many as it has. */
function expectedText({ steps, rest, now }: ReadAnswer): string {
  const fitted = (right: string | undefined, length: number) =>
    (right ?? "").slice(0, length).padEnd(length, NOTHING);
  const said = steps.map(({ before, text }) => fitted(before?.step, text.length));
  return said.join("") + fitted(now?.step, rest.length);
}

/**
 * The text of a token of an answer.
 *
 * @param decode Makes a text of tokens.
 * @param stops The stop tokens, each of which ends an answer.
 * @param id The token.
 * @returns The text.
 */
export function textOf(
  decode: (ids: readonly number[]) => string,
  stops: readonly number[],
  id: number,
): string {
  return stops.includes(id) ? END : decode([id]);
}
