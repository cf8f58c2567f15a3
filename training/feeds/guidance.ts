/**
 * Right answers among rollouts: the tokens that a policy's answers begin with, and the prompts that
 * say more than the policy's.
 *
 * @module
 */

import { type Tensor, tensor, zeros } from "@unitune/core";
import type { Completion, EncodedSequence, Tokenizer } from "@unitune/models";
import { authorOf, type Guidance, type Guided } from "@unitune/objectives";
import { toBatch } from "../data/batches.ts";
import type { AnswerUse, TrainingPrompt } from "../data/examples.ts";
import { randomStream } from "../random.ts";
import { answeredPrompt, givenAnswer } from "../sampling/answers.ts";
import type { SampledAnswer } from "../sampling/sampler.ts";

/**
 * What a stage does with the right answers to its prompts: the room that they need, of prompts and
 * answers of some tokens.
 *
 * @param guidance The right answers that the objective's rollouts hold.
 * @returns The use; undefined where they are not read from the data.
 */
export function answerUse(guidance: Guidance | undefined): AnswerUse | undefined {
  if (guidance === undefined) return undefined;
  switch (guidance.kind) {
    case "turns":
      return isOfTeacher(guidance) ? undefined : { room: (_prompt, answer) => answer };
    case "answer":
    case "hint":
      return { room: (_prompt, answer) => answer };
    case "context":
      // The prompt, the right answer, and the prompt once more, which is answered.
      return guidance.from === "group" ? undefined : {
        room: (prompt, answer) => answer + prompt + 1,
      };
    default:
      return guidance satisfies never;
  }
}

/** Whether the answers of some turns are a teacher's. */
export function isOfTeacher(guidance: Guidance | undefined): boolean {
  return guidance?.kind === "turns" && authorOf(guidance.turns) === "teacher";
}

/** The place in the data where a turn begins. */
export interface TurnStart {
  /** The number of the next prompt, in the order of the data. */
  readonly next: number;
  /** The numbers of failed prompts whose right answers wait for a turn. */
  readonly waiting: readonly number[];
}

/** A turn: whose answers the steps until the next one learn from. */
export interface Turn {
  /** The numbers of the prompts, one an answer. */
  readonly prompts: readonly number[];
  /** Whether all answers are the right ones of the data, or the teacher's in their place. */
  readonly isGiven: boolean;
  /** The start of the next turn, but for the prompts that this one fails. */
  readonly after: TurnStart;
}

/** The sizes of turns. */
export interface TurnLayout {
  /** The number of turns before this one. */
  readonly number: number;
  /** Answers of a turn. */
  readonly answers: number;
  /** Answers to each prompt, in consecutive rows. */
  readonly groupSize: number;
  /** The seed of the turns that are drawn. */
  readonly seed: number;
}

/**
 * The prompts of a turn: groups of the next ones for answers of the policy; for right answers as many
 * prompts as answers, the next ones or those that wait.
 *
 * @param guidance The right answers that the batches hold.
 * @param layout The sizes, and the turns before this one.
 * @param start The place in the data.
 * @returns The turn.
 */
export function turnOf(
  guidance: Guidance | undefined,
  { number, answers, groupSize, seed }: TurnLayout,
  { next, waiting }: TurnStart,
): Turn {
  const turns = guidance?.kind === "turns" ? guidance.turns : undefined;
  if (turns?.prompts === "unsolved" && waiting.length >= answers) {
    return {
      prompts: waiting.slice(0, answers),
      isGiven: true,
      after: { next, waiting: waiting.slice(answers) },
    };
  }
  const isGiven = turns?.prompts === "next" && turns.isGiven(number, randomStream(seed, number));
  const each = isGiven ? 1 : groupSize;
  return {
    prompts: Array.from({ length: answers }, (_, i) => next + Math.floor(i / each)),
    isGiven,
    after: { next: next + answers / each, waiting },
  };
}

/**
 * The start of the turn behind another: the prompts that wait are those before it, and those that it
 * failed. A prompt is failed if some of its answers could be judged, and none has passed.
 *
 * @param guidance The right answers that the batches hold.
 * @param turn The turn.
 * @param rewards The rewards of its answers.
 * @param groupSize Answers to each prompt, in consecutive rows.
 * @returns The start.
 */
export function startAfter(
  guidance: Guidance | undefined,
  { prompts, isGiven, after }: Turn,
  rewards: readonly (number | null)[],
  groupSize: number,
): TurnStart {
  if (isGiven || guidance?.kind !== "turns" || guidance.turns.prompts !== "unsolved") {
    return after;
  }
  const { passing } = guidance.turns;
  const failed = prompts.filter((_, row) => {
    if (row % groupSize > 0) return false;
    const judged = rewards.slice(row, row + groupSize).filter((reward) => reward !== null);
    return judged.length > 0 && judged.every((reward) => reward < passing);
  });
  return { ...after, waiting: [...after.waiting, ...failed] };
}

/** The groups of a collection of answers. */
export interface Collection {
  /** A prompt for each answer. */
  readonly prompts: readonly TrainingPrompt[];
  /** Answers to each prompt, in consecutive rows. */
  readonly groupSize: number;
  /** The author of the answers of each group after the first (default: the policy). */
  readonly others?: ModelAuthor;
  /** Whether all answers are right ones in this turn. */
  readonly isGiven: boolean;
  /** The number of optimizer steps done. */
  readonly step: number;
  /** The seed of the hints' lengths. */
  readonly seed: number;
}

/** A model that answers: the policy, the one before the stage, a mixture of both, or the teacher. */
export type ModelAuthor = "policy" | "reference" | "mixture" | "teacher";

/** How an answer comes about. */
export interface PlannedAnswer {
  /** Who goes on behind the beginning: a model; nobody where the beginning is a whole answer. */
  readonly author: ModelAuthor | "data";
  /** The tokens that are given; all of a right answer, the stop token included. */
  readonly beginning: readonly number[];
}

/**
 * Who writes each answer of a collection, and behind what.
 *
 * @param guidance The right answers that the batch holds.
 * @param collection The prompts.
 * @returns The answers.
 */
export function plannedAnswers(
  guidance: Guidance | undefined,
  { prompts, groupSize, others = "policy", isGiven, step, seed }: Collection,
): readonly PlannedAnswer[] {
  const isLast = (row: number) => row % groupSize === groupSize - 1;
  return prompts.map(({ answer = [] }, row): PlannedAnswer => {
    const author = row % groupSize === 0 ? "policy" : others;
    const sampled = { author, beginning: [] };
    const right = { author: "data", beginning: answer } as const;
    switch (guidance?.kind) {
      case "answer":
        return isLast(row) ? right : sampled;
      case "turns":
        if (!isGiven) return sampled;
        return isOfTeacher(guidance) ? { author: "teacher", beginning: [] } : right;
      case "hint": {
        if (guidance.rows === "last" && !isLast(row)) return sampled;
        // The hints of a group are one draw; the last token of an answer is always the policy's.
        const random = randomStream(seed, step, Math.floor(row / groupSize));
        const given = Math.floor(guidance.share.at(step, random) * (answer.length - 1));
        return { author, beginning: answer.slice(0, given) };
      }
      case "context":
      case undefined:
        return sampled;
      default:
        return guidance satisfies never;
    }
  });
}

/**
 * A right answer as if the policy had given it.
 *
 * @param tokenizer The tokenizer.
 * @param prompt The prompt's tokens.
 * @param answer The answer's tokens; the last one ends it if it is a stop token.
 * @returns The answer.
 */
export function demonstratedAnswer(
  tokenizer: Tokenizer,
  prompt: readonly number[],
  answer: readonly number[],
): SampledAnswer {
  const last = answer.at(-1);
  const isStopped = last !== undefined && tokenizer.stops.includes(last);
  const completion: Completion = isStopped
    ? { ids: answer.slice(0, -1), stop: last }
    : { ids: answer };
  return { prompt, ...givenAnswer(tokenizer, completion) };
}

/**
 * An answer that began with given tokens, as one answer.
 *
 * @param tokenizer The tokenizer.
 * @param prompt The prompt's tokens.
 * @param beginning The given tokens.
 * @param rest What the policy has said behind them.
 * @returns The answer.
 */
export function resumedAnswer(
  tokenizer: Tokenizer,
  prompt: readonly number[],
  beginning: readonly number[],
  rest: SampledAnswer,
): SampledAnswer {
  return {
    ...rest,
    prompt,
    ids: [...beginning, ...rest.ids],
    text: tokenizer.decode(beginning, { special: "shown" }) + rest.text,
  };
}

/**
 * 1 on the tokens of rows that were given.
 *
 * @param answers The answers.
 * @param beginnings How each of them begins.
 * @param length The length of rows.
 * @returns `[B, T]`.
 */
export function givenTokens(
  answers: readonly SampledAnswer[],
  beginnings: readonly (readonly number[])[],
  length: number,
): Tensor {
  const given = new Float32Array(answers.length * length);
  answers.forEach(({ prompt }, row) => {
    const start = row * length + prompt.length;
    given.fill(1, start, start + (beginnings[row] ?? []).length);
  });
  return tensor(given, { shape: [answers.length, length] });
}

/** Answers with what is known of them. */
export interface JudgedAnswers {
  /** The answers. */
  readonly answers: readonly SampledAnswer[];
  /** Their prompts. */
  readonly prompts: readonly TrainingPrompt[];
  /** Their rewards. */
  readonly rewards: readonly (number | null)[];
  /** Answers to each prompt, in consecutive rows. */
  readonly groupSize: number;
}

/** The reward from which an answer of a group is one that others may learn from. */
const PASSING = 0.5;

/** The layout of privileged rows. */
export interface ContextLayout {
  /** The length of rows. */
  readonly length: number;
  /** The id that pads. */
  readonly padding: number;
  /** The temperature that the answers were sampled at. */
  readonly temperature: number;
}

/**
 * The answers behind prompts that say a right answer first: the prompt, the right answer and the
 * prompt once more. Where none is known, or there is no room, the prompt is the policy's.
 *
 * @param from Whether right answers are those of the data, or others of the group.
 * @param judged The answers.
 * @param layout The layout of rows.
 * @returns The rows.
 */
export function privilegedRows(
  from: "data" | "group",
  { answers, prompts, rewards, groupSize }: JudgedAnswers,
  { length, padding, temperature }: ContextLayout,
): NonNullable<Guided["privileged"]> {
  const sibling = (row: number) => {
    const first = row - row % groupSize;
    const passed = answers.slice(first, first + groupSize).findIndex((_, i) =>
      first + i !== row && (rewards[first + i] ?? 0) >= PASSING
    );
    return passed < 0 ? [] : answers[first + passed]?.ids ?? [];
  };
  const rows = answers.map(({ prompt, ids }, row): EncodedSequence => {
    const right = from === "data" ? prompts[row]?.answer ?? [] : sibling(row);
    const said = right.length === 0 ? prompt : [...prompt, ...right, ...prompt];
    return answeredPrompt(said.length + ids.length <= length ? said : prompt, ids);
  });
  return { ...toBatch(rows, { length, padding }), temperature };
}

/** Rows of zeros in the place of privileged ones. */
export function emptyPrivileged(
  rows: number,
  { length, temperature }: Pick<ContextLayout, "length" | "temperature">,
): NonNullable<Guided["privileged"]> {
  return { ids: zeros([rows, length], "i32"), mask: zeros([rows, length]), temperature };
}
