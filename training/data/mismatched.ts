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
import { fitSequence, longestRow } from "./fit.ts";
import { markOf } from "./marks.ts";
import { readTable, rowAt, type RowTable } from "./table.ts";
import { growingNumbers } from "./table_store.ts";

/** An answer with a label, and the same prompt with another prompt's answer. */
export interface MatchedLabel extends EncodedLabel {
  /** The prompt with an answer to another one. */
  readonly mismatched: EncodedSequence;
}

/** The marks of an answer: that of its prompt, the tokens of the prompt, and its own tokens. */
const MARKS = 3;

/**
 * The numbers that are known of an answer without its tokens: a mark of its prompt, the tokens of its
 * prompt, and its own tokens.
 *
 * @param sequence The prompt and the answer, which is learned.
 * @returns The three numbers.
 */
export function answerMarks({ ids, mask }: EncodedSequence): readonly number[] {
  const start = mask.indexOf(true);
  // Prompts are told apart by a number of 53 bits: all of them would take as much memory as the rows.
  return [markOf(ids, start), start, ids.length - start];
}

/** The marks of answers, one answer after the other. */
function marksOf(answers: RowTable<EncodedLabel>): Float64Array {
  const marks = growingNumbers();
  for (const { sequence } of answers) answerMarks(sequence).forEach(marks.add);
  return marks.values();
}

/** The number of the prompt of each answer, in the order of their first answers. */
function promptNumbers(marks: Float64Array) {
  const numbers = new Map<number, number>();
  const prompts = Uint32Array.from({ length: marks.length / MARKS }, (_, answer) => {
    const mark = at(marks, MARKS * answer);
    const prompt = numbers.get(mark) ?? numbers.size;
    numbers.set(mark, prompt);
    return prompt;
  });
  return { prompts, count: numbers.size };
}

/**
 * Refuses answers that are all to one prompt.
 *
 * @param marks The marks of the answers, one answer after the other; see {@linkcode answerMarks}.
 * @throws {UserError} Where they are.
 */
export function requireSeveralPrompts(marks: Float64Array): void {
  for (let place = 0; place < marks.length; place += MARKS) {
    if (marks[place] !== marks[0]) return;
  }
  throw new UserError(
    `kto compares answers with answers to other prompts, and all ${marks.length / MARKS} answers ` +
      `are to one prompt: add rows with other prompts`,
  );
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
export function mismatchedAnswers(answers: RowTable<EncodedLabel>): readonly number[] {
  return [...othersOf(marksOf(answers))];
}

/** For each answer one to another prompt. */
function othersOf(marks: Float64Array): Uint32Array {
  requireSeveralPrompts(marks);
  const { prompts, count } = promptNumbers(marks);
  const total = prompts.length;
  // Where the answers to each prompt begin, and behind the last.
  const starts = new Uint32Array(count + 1);
  for (const prompt of prompts) starts[prompt + 1] = at(starts, prompt + 1) + 1;
  for (let prompt = 0; prompt < count; prompt++) {
    starts[prompt + 1] = at(starts, prompt + 1) + at(starts, prompt);
  }
  const places = new Uint32Array(total);
  const inTurn = new Uint32Array(total);
  const next = starts.slice();
  prompts.forEach((prompt, number) => {
    const place = at(next, prompt);
    next[prompt] = place + 1;
    places[number] = place;
    inTurn[place] = number;
  });
  return prompts.map((prompt, number) => {
    const [start, end] = [at(starts, prompt), at(starts, prompt + 1)];
    const foreign = total - (end - start);
    const turn = (at(places, number) - start) % foreign;
    return at(inTurn, (end + turn) % total);
  });
}

function at(numbers: ArrayLike<number>, index: number): number {
  return numbers[index] ?? never();
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

/** Answers with labels, each with an answer to another prompt, and counts. */
export interface MatchedLabels {
  /** The answers. */
  readonly rows: RowTable<MatchedLabel>;
  /** The number of mismatched answers that are cut. */
  readonly truncated: number;
  /** The tokens of the longest sequence. */
  readonly longest: number;
}

/**
 * Answers with labels, each mismatched with an answer to another prompt, whatever the batch. A
 * mismatched answer that does not fit behind the prompt is cut at its end.
 *
 * @param answers The answers, which have room in the context; to two prompts at least.
 * @param context The tokens that the model sees.
 * @param marks What is known of the answers without their tokens, one answer after the other; see
 * {@linkcode answerMarks} (default: the answers are read once).
 * @returns The answers and the counts.
 * @throws {UserError} Where all answers are to one prompt.
 */
export function matchedLabels(
  answers: RowTable<EncodedLabel>,
  context: number,
  marks: Float64Array = marksOf(answers),
): MatchedLabels {
  const others = othersOf(marks);
  const most = longestRow(context);
  const asked = (answer: number) => at(marks, MARKS * answer + 1);
  const answered = (answer: number) => at(marks, MARKS * answer + 2);
  let [truncated, longest] = [0, 0];
  others.forEach((other, number) => {
    const length = asked(number) + answered(other);
    truncated += Number(length > most);
    longest = Math.max(longest, asked(number) + answered(number), Math.min(most, length));
  });
  const rows = readTable(answers.length, {
    read: (number): MatchedLabel => {
      const row = rowAt(answers, number);
      const whole = mismatch(row, rowAt(answers, at(others, number)));
      return { ...row, mismatched: fitSequence(whole, most) ?? never() };
    },
  });
  return { rows, truncated, longest };
}
