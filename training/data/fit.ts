/**
 * Rows and the context: what becomes of a row that is longer.
 *
 * - An answer that does not fit is cut at its end, so its `<stop>` is not learned.
 * - A row without room for one answer token after its prompt is skipped.
 * - A pair whose two answers are equal after the cut is skipped: it has no preference left.
 *
 * All of it is counted, for rows of every kind and for validation as for training.
 *
 * @module
 */

import {
  encodeConversation,
  type EncodedSequence,
  type Tokenizer,
  UnknownCharacterError,
} from "@unitune/models";
import { UserError } from "../errors.ts";
import { joined, type Message, message, setting } from "../message.ts";
import type { Conversation, Source } from "./dataset.ts";
import { forEachTold, type Tell } from "./watch.ts";

/** Why rows are skipped, as it is told of them. */
export const skipReasons = {
  /** No answer token fits behind the prompt. */
  "no room": "with no room for an answer",
  /** Both answers of a pair begin alike, and are cut before they differ. */
  "equal": "whose two answers are equal after the cut",
} as const;

/** Why a row is skipped. */
export type SkipReason = keyof typeof skipReasons;

/** What becomes of a row. */
export interface RowFit<T> {
  /** What is made of it, or why nothing is. */
  readonly made: { readonly row: T } | { readonly skipped: SkipReason };
  /** Whether it lost the end of an answer. */
  readonly isCut: boolean;
  /** The least context in which an answer could begin. */
  readonly least: number;
  /** The context in which it would fit as a whole. */
  readonly whole: number;
}

/** Rows that fit a context, and what it took. */
export interface Fitted<T = EncodedSequence> {
  /** The tokens that the model sees. */
  readonly context: number;
  /** What was made of them, in order. */
  readonly rows: readonly T[];
  /** How many rows there were with an answer. */
  readonly total: number;
  /** How many of those that are left lost the end of an answer. */
  readonly truncated: number;
  /** How many were skipped. */
  readonly skipped: Readonly<Record<SkipReason, number>>;
  /** How many rows had no answer to learn from, beside the total. */
  readonly unanswered: number;
  /** The least context in which an answer could begin; infinite without rows. */
  readonly leastContext: number;
  /** The context in which every row would fit as a whole. */
  readonly wholeContext: number;
}

/** What {@linkcode fitRows} is told beside the rows. */
export interface FitOptions {
  /** Rows that had no answer to learn from, and were left out before (default 0). */
  readonly unanswered?: number;
  /** Told how many rows are done. */
  readonly tell?: Tell;
}

/**
 * Rows that fit a context, each by itself, and counts of those that were cut or skipped.
 *
 * @param rows The rows.
 * @param context The tokens that the model sees.
 * @param fit What becomes of a row.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns What was made of the rows, and the counts.
 *
 * @example
 * ```ts
 * import { fitRows } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const { rows, skipped } = fitRows(["ab", "abcdef"], 4, (text) => ({
 *   made: text.length <= 4 ? { row: text } : { skipped: "no room" },
 *   isCut: false,
 *   least: text.length,
 *   whole: text.length,
 * }));
 * assertEquals([rows, skipped["no room"]], [["ab"], 1]);
 * ```
 */
export function fitRows<Row, T>(
  rows: readonly Row[],
  context: number,
  fit: (row: Row) => RowFit<T>,
  { unanswered = 0, tell = () => {} }: FitOptions = {},
): Fitted<T> {
  const kept: T[] = [];
  const skipped = { "no room": 0, "equal": 0 };
  let [truncated, leastContext, wholeContext] = [0, Infinity, 0];
  forEachTold(rows, tell, (row) => {
    const { made, isCut, least, whole } = fit(row);
    leastContext = Math.min(leastContext, least);
    wholeContext = Math.max(wholeContext, whole);
    if ("skipped" in made) skipped[made.skipped] += 1;
    else {
      kept.push(made.row);
      if (isCut) truncated += 1;
    }
  });
  return {
    context,
    rows: kept,
    total: rows.length,
    truncated,
    skipped,
    unanswered,
    leastContext,
    wholeContext,
  };
}

/**
 * The most tokens of a training sequence: one more than the model sees, since the last is predicted
 * and never read.
 *
 * @param context The tokens that the model sees.
 * @returns The number of tokens.
 */
export function longestRow(context: number): number {
  return context + 1;
}

/**
 * A sequence cut to a length.
 *
 * @param sequence The ids and the mask, `[T]`.
 * @param length The most tokens that a sequence may have.
 * @returns The first `length` tokens, or undefined where no learned token is among them.
 *
 * @example
 * ```ts
 * import { fitSequence } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const sequence = { ids: [3, 7, 4, 8, 1], mask: [false, false, false, true, true] };
 * assertEquals(fitSequence(sequence, 4)?.ids, [3, 7, 4, 8]);
 * assertEquals(fitSequence(sequence, 3), undefined);
 * ```
 */
export function fitSequence(
  sequence: EncodedSequence,
  length: number,
): EncodedSequence | undefined {
  const { ids, mask } = sequence;
  if (!mask.slice(0, length).includes(true)) return undefined;
  return ids.length <= length ? sequence : {
    ids: ids.slice(0, length),
    mask: mask.slice(0, length),
  };
}

/**
 * A whole sequence as a row of its own.
 *
 * @param whole The ids and the mask, `[T]`.
 * @param context The tokens that the model sees.
 * @returns What becomes of it.
 */
export function fitOne(whole: EncodedSequence, context: number): RowFit<EncodedSequence> {
  const row = fitSequence(whole, longestRow(context));
  return {
    made: row === undefined ? { skipped: "no room" } : { row },
    isCut: row !== whole,
    // The first learned token is predicted from those before it, as the last one is.
    least: whole.mask.indexOf(true),
    whole: whole.ids.length - 1,
  };
}

/**
 * Whether two sequences teach the same.
 *
 * @param a A sequence.
 * @param b Another.
 * @returns True where ids and masks are equal.
 *
 * @example
 * ```ts
 * import { isSameSequence } from "@unitune/training";
 * import { assert } from "@std/assert";
 *
 * const row = { ids: [3, 7], mask: [false, true] };
 * assert(isSameSequence(row, { ids: [3, 7], mask: [false, true] }));
 * assert(!isSameSequence(row, { ids: [3, 8], mask: [false, true] }));
 * ```
 */
export function isSameSequence(a: EncodedSequence, b: EncodedSequence): boolean {
  return a.ids.length === b.ids.length && a.ids.every((id, i) => id === b.ids[i]) &&
    a.mask.every((learned, i) => learned === b.mask[i]);
}

/**
 * Conversations as training sequences that fit a context.
 *
 * @param tokenizer The tokenizer.
 * @param conversations The examples.
 * @param context The tokens that the model sees.
 * @param options Rows that were left out before, and who is told how far it is.
 * @returns The sequences and the counts.
 * @throws {UserError} Where a character is unknown, with file and line.
 *
 * @example
 * ```ts
 * import { fitConversations } from "@unitune/training";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const pair = (prompt: string, completion: string) => ({
 *   messages: [
 *     { role: "user", content: prompt } as const,
 *     { role: "assistant", content: completion } as const,
 *   ],
 * });
 * const examples = [pair("1+1", "2"), pair("spell one", "o n e"), pair("a long prompt", "x")];
 * const fitted = fitConversations(byteTokenizer(), examples, 11);
 * assertEquals(fitted.rows.map(({ ids }) => ids.length), [7, 12]);
 * assertEquals([fitted.truncated, fitted.skipped["no room"]], [1, 1]);
 * ```
 */
export function fitConversations(
  tokenizer: Tokenizer,
  conversations: readonly Conversation[],
  context: number,
  options: FitOptions = {},
): Fitted {
  return fitRows(
    conversations,
    context,
    ({ messages, source }) =>
      fitOne(naming(source, () => encodeConversation(tokenizer, messages)), context),
    options,
  );
}

/**
 * Refuses rows of which none is left.
 *
 * @param fitted The rows and the counts.
 * @param examples What they are called: `"training examples"`.
 * @throws {UserError} Where nothing is left of some rows; it says what would help.
 */
export function requireFit(fitted: Fitted<unknown>, examples: string): void {
  const { context, rows, total, skipped, unanswered, leastContext, wholeContext } = fitted;
  if (rows.length > 0 || total + unanswered === 0) return;
  if (total === 0) {
    throw new UserError(
      `none of the ${unanswered} ${examples} has an answer to learn from: add rows that have`,
    );
  }
  const enough = skipped.equal > 0
    ? message(
      `${skipped.equal} have two answers that are equal after the cut: `,
      contextOf(wholeContext),
      " fits all of them",
    )
    : message(
      "the shortest prompt needs ",
      contextOf(leastContext),
      ", and the longest example ",
      contextOf(wholeContext),
    );
  throw new UserError(
    message(`none of the ${total} ${examples} fits a context of ${context} tokens: `, enough),
  );
}

/** The setting of a context with a value. */
function contextOf(tokens: number): Message {
  return message(setting("context"), ` ${tokens}`);
}

/**
 * What had to be done for rows to fit, for the user.
 *
 * @param fitted The rows and the counts.
 * @param examples What they are called: `"training examples"`.
 * @returns A few sentences, or undefined where every row is learned as it is.
 *
 * @example
 * ```ts
 * import { describeFit, fitConversations, messageText } from "@unitune/training";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const messages = [{ role: "assistant", content: "a long answer" } as const];
 * assertEquals(
 *   messageText(describeFit(fitConversations(byteTokenizer(), [{ messages }], 8), "examples") ?? ""),
 *   "1 of 1 examples exceed the context of 8 tokens: 1 cut at the end of the answer. " +
 *     "context 14 fits all of them.",
 * );
 * ```
 */
export function describeFit(fitted: Fitted<unknown>, examples: string): Message | undefined {
  const { context, total, truncated, skipped, unanswered, wholeContext } = fitted;
  const left = (["no room", "equal"] as const).filter((reason) => skipped[reason] > 0);
  const exceeding = left.reduce((sum, reason) => sum + skipped[reason], truncated);
  const done = [
    ...(truncated > 0 ? [`${truncated} cut at the end of the answer`] : []),
    ...left.map((reason) => `${skipped[reason]} skipped, ${skipReasons[reason]}`),
  ];
  const sentences = [
    ...(exceeding > 0
      ? [
        message(
          `${exceeding} of ${total} ${examples} exceed the context of ${context} tokens: ` +
            `${done.join("; ")}. `,
          contextOf(wholeContext),
          " fits all of them.",
        ),
      ]
      : []),
    ...(unanswered > 0
      ? [
        `${unanswered} of ${total + unanswered} ${examples} skipped, without an answer to learn ` +
        `from.`,
      ]
      : []),
  ];
  return sentences.length === 0 ? undefined : joined(sentences, " ");
}

/**
 * An unknown character is told with the line that has it.
 *
 * @param source The line; undefined where the text is of no file.
 * @param encode Encodes its text.
 * @returns What was encoded.
 * @throws {UserError} Where a character is not in the vocabulary.
 */
export function naming<T>(source: Source | undefined, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof UnknownCharacterError)) throw error;
    const where = source === undefined ? "" : `${source.file}:${source.line}: `;
    throw new UserError(`${where}${error.message}`, { cause: error });
  }
}
