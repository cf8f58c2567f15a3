/**
 * Worlds: tasks whose answers are steps, each of which is right or wrong in the state in which the
 * steps before it, right or wrong, have left the world.
 *
 * A state s is what the written steps make of the prompt: a wrong step leads to another state and
 * not to none. So the world knows what is right after a mistake as well, which the right answer to
 * the prompt does not show. In the terms of arXiv 2405.11870: T_*(s) is known for every s that a
 * model reaches, and not only for the states of the data.
 *
 * @module
 */

import { integerFrom, type Random } from "../random.ts";

/** The end of an answer, as a character that no text has: a stop token stands for it. */
export const END = "\u0003";

/** The state that a prompt and some steps after it have led to. */
export interface Situation {
  /** A text that names the state: equal states have equal names. */
  readonly id: string;
  /** The right next step; undefined once the answer has ended. */
  readonly step: string | undefined;
  /** Whether the answer has ended and is right. */
  readonly isSolved: boolean;
  /** Wrong next steps that a careless writer might take. */
  readonly mistakes: readonly string[];
  /** The state after a step, right or wrong; undefined if the text is no step at all. */
  after(step: string): Situation | undefined;
}

/** A task whose answers are steps. */
export interface World {
  /** The first word of its prompts. */
  readonly name: string;
  /** The characters of prompts and answers. */
  readonly characters: ReadonlySet<string>;
  /** The characters that end a step, beside {@linkcode END}. */
  readonly ends: string;
  /** The format of answers. */
  readonly format: RegExp;
  /** The least and greatest difficulty of training data, and of longer prompts. */
  readonly difficulty: Readonly<Record<"trained" | "longer", readonly [number, number]>>;
  /** Draws a prompt of a difficulty. */
  draw(random: Random, difficulty: number): string;
  /** The state before the first step; undefined if the text is no prompt of this world. */
  begin(prompt: string): Situation | undefined;
}

/** A world as its rules: functions of states. Texts of prompts are without the world's name. */
export interface Rules<S> {
  /** The first word of its prompts. */
  readonly name: string;
  /** The characters of prompts and answers. */
  readonly characters: string;
  /** The characters that end a step. */
  readonly ends: string;
  /** The format of answers. */
  readonly format: RegExp;
  /** The least and greatest difficulty of training data, and of longer prompts. */
  readonly difficulty: World["difficulty"];
  /** Draws a prompt of a difficulty. */
  draw(random: Random, difficulty: number): string;
  /** The state before the first step; undefined if the text is no prompt. */
  begin(prompt: string): S | undefined;
  /** The right step, with the character that ends it. */
  step(state: S): string;
  /** The state after a step; undefined if the text is no step. */
  after(state: S, step: string): S | undefined;
  /** A text that names the state. */
  id(state: S): string;
  /** Whether an answer that has ended in the state is right. */
  isSolved(state: S): boolean;
  /** Steps that a careless writer might take (default: the right one with another character). */
  mistakes?(state: S): readonly string[];
}

/**
 * Makes a world of its rules.
 *
 * @param rules The rules.
 * @returns The world.
 *
 * @example
 * ```ts
 * import { defineWorld, digit, END, readForm, rightAnswer } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * // Counts down to 0: `down 3` is answered by `2 1 0`.
 * const down = defineWorld<number>({
 *   name: "down",
 *   characters: "down 0123456789",
 *   ends: " ",
 *   format: /^\d(?: \d)*$/,
 *   difficulty: { trained: [3, 5], longer: [6, 9] },
 *   draw: (_random, difficulty) => String(difficulty),
 *   begin: Number,
 *   step: (last) => `${last - 1}${last === 1 ? END : " "}`,
 *   after: (_last, step) => {
 *     const [next] = readForm([digit, step.at(-1) ?? ""], step) ?? [];
 *     return next === undefined ? undefined : Number(next);
 *   },
 *   id: String,
 *   isSolved: (last) => last === 0,
 * });
 * assertEquals(rightAnswer(down.begin("down 3")), "2 1 0");
 * // A wrong step leads to another state, in which other steps are right.
 * assertEquals(rightAnswer(down.begin("down 5")?.after("3 ")), "2 1 0");
 * ```
 */
export function defineWorld<S>(rules: Rules<S>): World {
  const opening = `${rules.name} `;
  const characters = new Set(opening + rules.characters);
  const situation = (state: S, isOver: boolean): Situation => ({
    get id() {
      return isOver ? `${rules.id(state)}${END}` : rules.id(state);
    },
    get step() {
      return isOver ? undefined : rules.step(state);
    },
    get isSolved() {
      return isOver && rules.isSolved(state);
    },
    get mistakes() {
      if (isOver) return [];
      const right = rules.step(state);
      const wrong = rules.mistakes?.(state) ?? respelled(right, characters);
      return wrong.filter((step) => step !== right && rules.after(state, step) !== undefined);
    },
    after(step) {
      const next = isOver ? undefined : rules.after(state, step);
      return next === undefined ? undefined : situation(next, step.endsWith(END));
    },
  });
  return {
    ...rules,
    characters,
    draw: (random, difficulty) => opening + rules.draw(random, difficulty),
    begin(prompt) {
      if (!prompt.startsWith(opening)) return undefined;
      const state = rules.begin(prompt.slice(opening.length));
      return state === undefined ? undefined : situation(state, false);
    },
  };
}

/** A step with one of its characters replaced, in all ways; its end is kept. */
function respelled(step: string, characters: ReadonlySet<string>): readonly string[] {
  return [...step.slice(0, -1)].flatMap((_, at) =>
    [...characters].map((other) => step.slice(0, at) + other + step.slice(at + 1))
  );
}

/** A step of an answer, as the world reads it. */
export interface ReadStep {
  /** The text, with the character that ends it. */
  readonly text: string;
  /** The state before it; undefined after a text that was no step. */
  readonly before: Situation | undefined;
  /** The state after it; undefined if it is no step. */
  readonly after: Situation | undefined;
  /** Whether it is the right step in the state before it. */
  readonly isRight: boolean;
}

/** An answer, or its beginning, as the world reads it. */
export interface ReadAnswer {
  /** The completed steps. */
  readonly steps: readonly ReadStep[];
  /** The characters after the last completed step. */
  readonly rest: string;
  /** The state after the last completed step; undefined after a text that was no step. */
  readonly now: Situation | undefined;
}

/**
 * Reads an answer character by character. A step is over at a character that ends steps. Each step
 * is judged in the state in which the steps before it have left the world, so a right step after a
 * wrong one is right.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param answer The answer or its beginning, with {@linkcode END} behind it if it has ended.
 * @returns The steps, and the state after them.
 *
 * @example
 * ```ts
 * import { END, readAnswer, worlds } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const flags = (answer: string) =>
 *   readAnswer(worlds.carry, "carry 47+38", answer + END).steps.map(({ isRight }) => isRight);
 * assertEquals(flags("7+8=15,4+3+1=8;85"), [true, true, true, true, true]);
 * // 7 + 8 is not 16; with the 6 that was written, all that follows is right.
 * assertEquals(flags("7+8=16,4+3+1=8;86"), [true, false, true, true, true]);
 * ```
 */
export function readAnswer(world: World, prompt: string, answer: string): ReadAnswer {
  const steps: ReadStep[] = [];
  let now = world.begin(prompt);
  let rest = "";
  for (const character of answer) {
    rest += character;
    if (character !== END && !world.ends.includes(character)) continue;
    const after = now?.after(rest);
    steps.push({ text: rest, before: now, after, isRight: now?.step === rest });
    [now, rest] = [after, ""];
  }
  return { steps, rest, now };
}

/** More steps than any right answer has, so that rules without an end are found. */
const MOST_STEPS = 1000;

/**
 * The right rest of an answer from a state, whatever steps led to it.
 *
 * @param from The state; undefined for one that no step leads to.
 * @returns The rest, without its end.
 * @throws {RangeError} If there is no state, or the world's own steps never end.
 */
export function rightAnswer(from: Situation | undefined): string {
  let text = "";
  let now = from;
  for (let count = 0; count < MOST_STEPS; count++) {
    if (now === undefined) throw new RangeError("A world does not know this state");
    if (now.step === undefined) return text.replace(END, "");
    text += now.step;
    now = now.after(now.step);
  }
  throw new RangeError(`The world's answer has more than ${MOST_STEPS} steps`);
}

/**
 * Tells whether an answer ends in a state that solves its prompt. Wrong steps that were mended do
 * no harm.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param answer The answer, without its end.
 * @returns Whether it is right.
 */
export function solves(world: World, prompt: string, answer: string): boolean {
  return readAnswer(world, prompt, answer + END).now?.isSolved === true;
}

/** A prompt, an answer to it up to a wrong step, and the right rest in the state after it. */
export interface Mistaken {
  /** The right answer before the step. */
  readonly before: string;
  /** The wrong step. */
  readonly step: string;
  /** The right step in its place. */
  readonly right: string;
  /** What the world says from there on. */
  readonly rest: string;
}

/**
 * Makes one step of the right answer wrong.
 *
 * @param world The world.
 * @param prompt The prompt.
 * @param random Draws the step and the mistake.
 * @returns The answer with the mistake; undefined if no step has a mistake that leaves a rest.
 *
 * @example
 * ```ts
 * import { mistaken, randomStream, readAnswer, worlds } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { carry } = worlds;
 * const { before = "", step = "" } = mistaken(carry, "carry 47+38", randomStream(1)) ?? {};
 * assertEquals(readAnswer(carry, "carry 47+38", before + step).steps.at(-1)?.isRight, false);
 * ```
 */
export function mistaken(world: World, prompt: string, random: Random): Mistaken | undefined {
  const places: { readonly before: string; readonly now: Situation }[] = [];
  let before = "";
  for (let now = world.begin(prompt); now?.step !== undefined; now = now.after(now.step)) {
    places.push({ before, now });
    before += now.step;
  }
  const open = places.filter(({ now }) => !now.step?.endsWith(END) && now.mistakes.length > 0);
  const place = open[integerFrom(random, 0, open.length - 1)];
  if (place === undefined) return undefined;
  const { mistakes } = place.now;
  const step = mistakes[integerFrom(random, 0, mistakes.length - 1)] ?? "";
  const { before: own, now } = place;
  return { before: own, step, right: now.step ?? "", rest: rightAnswer(now.after(step)) };
}
