/**
 * Answers with labels, each beside its prompt with an answer to another prompt: by these KTO
 * estimates the divergence that labels are compared with.
 *
 * @module
 */

import type { EncodedSequence } from "@unitune/models";
import { answeredPrompt } from "../sampling/answers.ts";
import { UserError } from "../text/errors.ts";
import type { EncodedLabel } from "./examples.ts";
import { fitOne, fitRows, type Fitted } from "./fit.ts";

/** An answer with a label, and the same prompt with another prompt's answer. */
export interface MatchedLabel extends EncodedLabel {
  /** The prompt with an answer to another one. */
  readonly mismatched: EncodedSequence;
}

/** The prompt's tokens of an answer, as a text by which prompts are told apart. */
function promptKey({ sequence: { ids, mask } }: EncodedLabel): string {
  return ids.slice(0, mask.indexOf(true)).join();
}

/**
 * For each answer one to another prompt, by number. The answers to a prompt are given those to the
 * prompts after it, in turn; so the two answers of a pair get the two of the next one.
 *
 * @param answers The answers.
 * @returns The numbers of the other answers.
 * @throws {UserError} Where all answers are to one prompt.
 *
 * @example
 * ```ts
 * import { mismatchedAnswers } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const answer = (prompt: number) => ({
 *   sequence: { ids: [prompt, 7], mask: [false, true] },
 *   label: true,
 * });
 * assertEquals(mismatchedAnswers([answer(1), answer(1), answer(2), answer(2)]), [2, 3, 0, 1]);
 * ```
 */
export function mismatchedAnswers(answers: readonly EncodedLabel[]): readonly number[] {
  const numbersOf = new Map<string, number[]>();
  answers.forEach((answer, i) => {
    const key = promptKey(answer);
    const numbers = numbersOf.get(key);
    if (numbers === undefined) numbersOf.set(key, [i]);
    else numbers.push(i);
  });
  const byPrompt = [...numbersOf.values()];
  if (byPrompt.length < 2) {
    throw new UserError(
      `kto compares answers with answers to other prompts, and all ${answers.length} answers are ` +
        `to one prompt: add rows with other prompts`,
    );
  }
  const inTurn = byPrompt.flat();
  const others = new Array<number>(answers.length);
  let end = 0;
  for (const own of byPrompt) {
    end += own.length;
    const foreign = answers.length - own.length;
    own.forEach((number, i) => {
      others[number] = inTurn[(end + i % foreign) % answers.length] ?? never();
    });
  }
  return others;
}

function never(): never {
  throw new RangeError("an answer that is none");
}

/** A prompt with the answer to another one. */
function mismatch(
  { sequence: { ids, mask } }: EncodedLabel,
  { sequence: other }: EncodedLabel,
): EncodedSequence {
  const own = mask.indexOf(true);
  return answeredPrompt(ids.slice(0, own), other.ids.slice(other.mask.indexOf(true)));
}

/**
 * Answers with labels, each mismatched with an answer to another prompt, whatever the batch. A
 * mismatched answer that does not fit behind the prompt is cut at its end.
 *
 * @param answers The answers; to two prompts at least.
 * @param context The tokens that the model sees.
 * @returns The answers and the counts.
 * @throws {UserError} Where all answers are to one prompt.
 */
export function matchedLabels(
  answers: readonly EncodedLabel[],
  context: number,
): Fitted<MatchedLabel> {
  const others = mismatchedAnswers(answers);
  const couples = answers.map((row, i) => ({ row, other: answers[others[i] ?? -1] ?? never() }));
  return fitRows(couples, context, ({ row, other }) => {
    const { made, ...fit } = fitOne(mismatch(row, other), context);
    return { ...fit, made: "skipped" in made ? made : { row: { ...row, mismatched: made.row } } };
  });
}
