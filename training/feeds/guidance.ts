/**
 * Right answers among rollouts: the tokens that a policy's answers begin with, and the prompts that
 * say more than the policy's.
 *
 * @module
 */

import { type Tensor, tensor, zeros } from "@unitune/core";
import type { Completion, EncodedSequence, Tokenizer } from "@unitune/models";
import type { Guidance, Guided } from "@unitune/objectives";
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

/** The groups of a collection of answers. */
export interface Collection {
  /** A prompt for each answer. */
  readonly prompts: readonly TrainingPrompt[];
  /** Answers to each prompt, in consecutive rows. */
  readonly groupSize: number;
  /** The number of optimizer steps done. */
  readonly step: number;
  /** The seed of the hints' lengths. */
  readonly seed: number;
}

/**
 * The tokens that each answer begins with, none for an answer of the policy's own.
 *
 * @param guidance The right answers that the batch holds.
 * @param collection The prompts.
 * @returns The tokens of each answer; all of a demonstration, the stop token included.
 */
export function beginningsOf(
  guidance: Guidance | undefined,
  { prompts, groupSize, step, seed }: Collection,
): readonly (readonly number[])[] {
  const isLast = (row: number) => row % groupSize === groupSize - 1;
  return prompts.map(({ answer = [] }, row) => {
    switch (guidance?.kind) {
      case "answer":
        return isLast(row) ? answer : [];
      case "hint": {
        if (guidance.rows === "last" && !isLast(row)) return [];
        // The hints of a group are one draw; the last token of an answer is always the policy's.
        const random = randomStream(seed, step, Math.floor(row / groupSize));
        return answer.slice(0, Math.floor(guidance.share.at(step, random) * (answer.length - 1)));
      }
      case "context":
      case undefined:
        return [];
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
  if (beginning.length === 0) return rest;
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
