/**
 * Fitting rows into the context:
 *
 * - An answer that does not fit is cut at its end, so its `<stop>` is not learned.
 * - A row without room for one answer token after its prompt is skipped.
 * - A pair whose answers are equal after the cut is skipped: it has no preference left.
 *
 * Cut and skipped rows are counted, for every kind of row, in training and validation alike.
 *
 * @module
 */

import {
  ChatError,
  conversationRows,
  type EncodedSequence,
  firstOf,
  type Tokenizer,
  UnknownCharacterError,
} from "@unitune/models";
import type { ObjectiveEntry } from "@unitune/objectives";
import { UserError } from "../text/errors.ts";
import { joined, message, setting, type UserMessage } from "../text/message.ts";
import { type Conversation, placeText, type Source } from "./dataset.ts";
import type { RowTable } from "./table.ts";
import { atOnce, inParts } from "../event_loop.ts";
import { eachTold, type Tell } from "./watch.ts";

/** Reasons for skipping rows, in words for the user. */
export const skipReasons = {
  /** No answer token fits behind the prompt. */
  "no room": "with no room for an answer",
  /** Both answers of a pair begin alike, and are cut before they differ. */
  "equal": "whose two answers are equal after the cut",
} as const;

/** A reason for skipping a row. */
export type SkipReason = keyof typeof skipReasons;

/** The result of fitting one row. */
export interface RowFit<T> {
  /** The fitted row, or the reason for skipping it. */
  readonly made: { readonly row: T } | { readonly skipped: SkipReason };
  /** Whether the end of an answer was cut. */
  readonly isCut: boolean;
  /**
   * The least context that has room for the first answer token; of a row that is not encoded to its
   * end and has none so far, as much context as its tokens take.
   */
  readonly least: number;
  /**
   * The least context that has room for the whole row; of a row that is not encoded to its end, as
   * much as its tokens take: see {@linkcode encodedTokens}.
   */
  readonly whole: number;
  /** The tokens of the longest sequence of the fitted row; 0 if it is skipped. */
  readonly length: number;
}

/** Counts of rows that were fitted into a context. */
export interface FitCounts {
  /** The context in tokens. */
  readonly context: number;
  /** The number of fitted rows. */
  readonly kept: number;
  /** The number of rows of the data that they are made of, as far as these have an answer. */
  readonly sources: number;
  /** The number of rows with an answer, before fitting. */
  readonly total: number;
  /** The number of fitted rows that lost the end of an answer. */
  readonly truncated: number;
  /** The number of skipped rows, by reason. */
  readonly skipped: Readonly<Record<SkipReason, number>>;
  /** The number of rows without an answer, which `total` does not include. */
  readonly unanswered: number;
  /**
   * The least context in which some row would have an answer token, as far as rows are encoded; 0
   * without rows.
   */
  readonly leastContext: number;
  /** The least context that has room for every whole row, as far as rows are encoded. */
  readonly wholeContext: number;
  /** The tokens of the longest sequence of the fitted rows; 0 without any. */
  readonly longest: number;
}

/** Rows that were fitted into a context, and counts. */
export interface Fitted<T = EncodedSequence> extends FitCounts {
  /** The fitted rows, in order. */
  readonly rows: RowTable<T>;
}

/** Rows that were fitted into a context, as a list, and counts. */
export interface FittedList<T = EncodedSequence> extends Fitted<T> {
  /** The fitted rows, in order. */
  readonly rows: readonly T[];
}

/** Fits a row, which may become several; undefined if it has no answer. */
export type Fit<Row, T> = (row: Row) => RowFit<T> | readonly RowFit<T>[] | undefined;

/** Options of {@linkcode fitRows}. */
export interface FitOptions {
  /** The number of rows that were left out before, since they have no answer (default 0). */
  readonly unanswered?: number;
  /** Called with the number of finished rows (default: nothing is). */
  readonly tell?: Tell;
}

/**
 * Fits rows into a context, one by one, and counts those that are cut or skipped. The event loop has
 * its turns meanwhile.
 *
 * @param rows The rows of the data.
 * @param context The context in tokens.
 * @param fit Fits one of them.
 * @param add Takes the fitted rows, in order.
 * @param options The number of rows that were left out before, and a listener for the progress.
 * @returns The counts.
 */
export function fitInto<Row, T>(
  rows: RowTable<Row>,
  context: number,
  fit: Fit<Row, T>,
  add: (row: T) => void,
  options: FitOptions = {},
): Promise<FitCounts> {
  return inParts(fitting(rows, context, fit, add, options));
}

/** The work of {@linkcode fitInto}. */
function* fitting<Row, T>(
  rows: RowTable<Row>,
  context: number,
  fit: Fit<Row, T>,
  add: (row: T) => void,
  { unanswered = 0, tell = () => {} }: FitOptions,
): Generator<void, FitCounts> {
  const skipped = { "no room": 0, "equal": 0 };
  let [kept, sources, total, truncated, wholeContext, longest] = [0, 0, 0, 0, 0, 0];
  let leastContext = Infinity;
  const count = ({ made, isCut, least, whole, length }: RowFit<T>) => {
    total += 1;
    leastContext = Math.min(leastContext, least);
    wholeContext = Math.max(wholeContext, whole);
    if ("skipped" in made) skipped[made.skipped] += 1;
    else {
      add(made.row);
      kept += 1;
      longest = Math.max(longest, length);
      if (isCut) truncated += 1;
    }
  };
  yield* eachTold(rows, tell, (row) => {
    const fitted = fit(row);
    if (fitted === undefined) return;
    sources += 1;
    [fitted].flat().forEach(count);
  });
  return {
    ...{ context, kept, sources, total, truncated, skipped, wholeContext, longest },
    unanswered: unanswered + rows.length - sources,
    leastContext: total === 0 ? 0 : leastContext,
  };
}

/**
 * Fits rows into a context, one by one, and counts those that are cut or skipped.
 *
 * @param rows The rows of the data.
 * @param context The context in tokens.
 * @param fit Fits one of them.
 * @param options The number of rows that were left out before, and a listener for the progress.
 * @returns The fitted rows and the counts.
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
 *   length: text.length,
 * }));
 * assertEquals([rows, skipped["no room"]], [["ab"], 1]);
 * ```
 */
export function fitRows<Row, T>(
  rows: RowTable<Row>,
  context: number,
  fit: Fit<Row, T>,
  options: FitOptions = {},
): FittedList<T> {
  const kept: T[] = [];
  const counts = atOnce(fitting(rows, context, fit, (row) => kept.push(row), options));
  return { ...counts, rows: kept };
}

/** The names of counts that are numbers. */
const counted = [
  ...["context", "kept", "sources", "total", "truncated", "unanswered"] as const,
  ...["leastContext", "wholeContext", "longest"] as const,
] satisfies readonly (keyof FitCounts)[];

/**
 * Tells whether a value of JSON is counts of fitted rows.
 *
 * @param value The value.
 * @returns True if it has every count.
 */
export function isFitCounts(value: unknown): value is FitCounts {
  const isCount = (own: unknown) => typeof own === "number";
  if (typeof value !== "object" || value === null || !("skipped" in value)) return false;
  const { skipped } = value;
  return counted.every((name) => isCount(Reflect.get(value, name))) &&
    typeof skipped === "object" && skipped !== null &&
    Object.keys(skipReasons).every((reason) => isCount(Reflect.get(skipped, reason)));
}

/**
 * The most tokens of a training sequence: one more than the context, since the last token is
 * predicted and never read.
 *
 * @param context The context in tokens.
 * @returns The number of tokens.
 */
export function longestRow(context: number): number {
  return context + 1;
}

/** The tokens up to which all rows are measured. */
const MEASURED = 2 ** 16;

/**
 * The most tokens of a row that are encoded, whatever its length: more than the context takes, and
 * so many that the length of nearly every row is known. So a text of 50 MB takes no longer than one
 * of 500 kB, and no more memory.
 *
 * @param context The context in tokens.
 * @returns The number of tokens.
 *
 * @example
 * ```ts
 * import { encodedTokens } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([encodedTokens(1024), encodedTokens(100_000)], [65_538, 100_002]);
 * ```
 */
export function encodedTokens(context: number): number {
  return longestRow(Math.max(context, MEASURED)) + 1;
}

/** Tells whether a context that rows need is known: those that need more are not encoded to the end. */
function isMeasured(needed: number, context: number): boolean {
  return longestRow(needed) < encodedTokens(context);
}

/**
 * The context in which the rows of an objective have their longest length; see
 * {@linkcode longestRow}. A model that scores reads the last token of a row as well, so that its rows
 * are one token shorter than a policy's.
 *
 * @param objective The model that it trains.
 * @param context The context in tokens.
 * @returns The number of tokens.
 *
 * @example
 * ```ts
 * import { longestRow, readLength } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const [policy, judge] = [{ trains: "policy" }, { trains: "reward model" }] as const;
 * assertEquals([policy, judge].map((own) => longestRow(readLength(own, 8))), [9, 8]);
 * ```
 */
export function readLength({ trains }: Pick<ObjectiveEntry, "trains">, context: number): number {
  return trains === "policy" ? context : context - 1;
}

/**
 * Fits rows for the model that an objective trains; see {@linkcode readLength}.
 *
 * @param objective The model that it trains.
 * @param context The context in tokens.
 * @param fitIn Makes the function that fits rows of a policy into a context.
 * @returns The function that fits a row.
 */
export function readFit<Row, T>(
  objective: Pick<ObjectiveEntry, "trains">,
  context: number,
  fitIn: (context: number) => (row: Row) => RowFit<T>,
): (row: Row) => RowFit<T> {
  const length = readLength(objective, context);
  const fit = fitIn(length);
  const read = context - length;
  return (row) => {
    const { least, whole, ...fitted } = fit(row);
    return { ...fitted, least: least + read, whole: whole + read };
  };
}

/**
 * Cuts a sequence to a length.
 *
 * @param sequence The ids and the mask, `[T]`.
 * @param length The most tokens of the result.
 * @returns The first `length` tokens; undefined if no learned token is among them.
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
  const first = firstOf(sequence, length);
  return first.mask.includes(true) ? first : undefined;
}

/**
 * Fits a row that is one sequence.
 *
 * @param whole The ids and the mask, `[T]`.
 * @param context The context in tokens.
 * @returns The result.
 */
export function fitOne(whole: EncodedSequence, context: number): RowFit<EncodedSequence> {
  const row = fitSequence(whole, longestRow(context));
  const first = whole.mask.indexOf(true);
  return {
    length: row?.ids.length ?? 0,
    made: row === undefined ? { skipped: "no room" } : { row },
    isCut: row !== whole,
    // The first learned token is predicted from those before it, and is not read itself.
    least: first < 0 ? whole.ids.length : first,
    whole: whole.ids.length - 1,
  };
}

/**
 * Tells whether two sequences have the same ids and masks.
 *
 * @param a A sequence.
 * @param b Another sequence.
 * @returns True if both are equal.
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
 * Encodes conversations as training sequences that fit a context: one of each, unless the chat
 * template shows earlier answers in another form; see {@linkcode conversationRows}.
 *
 * @param tokenizer The tokenizer.
 * @param conversations The conversations.
 * @param context The context in tokens.
 * @param options The number of rows that were left out before, and a listener for the progress.
 * @returns The sequences and the counts.
 * @throws {UserError} If the tokenizer lacks a character or cannot express a conversation; the
 * message has file and line.
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
): FittedList {
  return fitRows(conversations, context, conversationFit(tokenizer, context), options);
}

/**
 * Fits a conversation into a context, as {@linkcode fitConversations} does.
 *
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @returns The function that fits one.
 */
export function conversationFit(
  tokenizer: Tokenizer,
  context: number,
): (conversation: Conversation) => readonly RowFit<EncodedSequence>[] {
  const most = encodedTokens(context);
  return ({ messages, learnedFrom = 0, rendering, source }) =>
    naming(source, () => conversationRows(tokenizer, messages, { ...rendering, learnedFrom, most }))
      .map((row) => fitOne(row, context));
}

/**
 * Refuses data all of whose rows were skipped.
 *
 * @param fitted The rows and the counts.
 * @param examples The name of the rows: `"training examples"`.
 * @throws {UserError} If there were rows and all were skipped; the message says what would help.
 */
export function requireFit(fitted: FitCounts, examples: string): void {
  const { context, kept, total, skipped, unanswered, leastContext, wholeContext } = fitted;
  if (kept > 0 || total + unanswered === 0) return;
  if (total === 0) {
    throw new UserError(
      `none of the ${unanswered} ${examples} has an answer to learn from: add rows that have`,
    );
  }
  const needed = (tokens: number) =>
    isMeasured(tokens, context) ? contextOf(tokens) : `more than ${grouped(tokens)} tokens`;
  const enough = skipped.equal > 0
    ? message(
      `${skipped.equal} have two answers that are equal after the cut: `,
      isMeasured(wholeContext, context)
        ? message(contextOf(wholeContext), " fits all of them")
        : message("the longest example needs ", needed(wholeContext)),
    )
    : message(
      "the shortest prompt needs ",
      needed(leastContext),
      ", and the longest example ",
      needed(wholeContext),
    );
  throw new UserError(
    message(`none of the ${total} ${examples} fits a context of ${context} tokens: `, enough),
  );
}

/** A number for people. */
function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** The setting of a context with a value. */
function contextOf(tokens: number): UserMessage {
  return message(setting("context"), ` ${tokens}`);
}

/**
 * Describes for the user which rows were cut or skipped.
 *
 * @param fitted The rows and the counts.
 * @param examples The name of the rows: `"training examples"`.
 * @returns A few sentences; undefined if all rows fit as they are.
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
export function describeFit(fitted: FitCounts, examples: string): UserMessage | undefined {
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
          ...isMeasured(wholeContext, context)
            ? [contextOf(wholeContext), " fits all of them."]
            : [`The longest has more than ${grouped(wholeContext)} tokens.`],
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
 * Encodes a text, and names its line in the error for an unknown character, or for a conversation
 * that the tokenizer cannot express.
 *
 * @param source The line; undefined if the text is not from a file.
 * @param encode Encodes the text of the line.
 * @returns The result of `encode`.
 * @throws {UserError} If a character is not in the vocabulary, or there is no form for a message.
 */
export function naming<T>(source: Source | undefined, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof UnknownCharacterError || error instanceof ChatError)) throw error;
    const where = source === undefined ? "" : `${placeText(source)}: `;
    throw new UserError(`${where}${error.message}`, { cause: error });
  }
}
