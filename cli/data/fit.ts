/**
 * Examples and the context: what is done with an example that is longer.
 *
 * - An answer that does not fit is cut at its end, so its `<stop>` is not learned.
 * - An example without room for one answer token after its prompt is skipped.
 *
 * Both are counted, and nothing else is changed.
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
import type { Conversation } from "./dataset.ts";

/** Examples that fit a context, and what it took. */
export interface Fitted {
  /** The tokens that the model sees. */
  readonly context: number;
  /** The sequences, in order; each has at most {@linkcode longestRow} tokens, one of them learned. */
  readonly sequences: readonly EncodedSequence[];
  /** How many examples there were. */
  readonly total: number;
  /** How many lost the end of their answer. */
  readonly truncated: number;
  /** How many had no room for an answer. */
  readonly skipped: number;
  /** The least context in which an answer could begin; infinite without examples. */
  readonly leastContext: number;
  /** The context in which every example would fit as a whole. */
  readonly wholeContext: number;
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
 * import { fitSequence } from "@unitune/cli";
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
 * Conversations as training sequences that fit a context.
 *
 * @param tokenizer The tokenizer.
 * @param conversations The examples.
 * @param context The tokens that the model sees.
 * @returns The sequences and the counts.
 * @throws {UserError} Where a character is unknown, with file and line.
 *
 * @example
 * ```ts
 * import { fitConversations } from "@unitune/cli";
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
 * assertEquals(fitted.sequences.map((sequence) => sequence.ids.length), [7, 12]);
 * assertEquals([fitted.truncated, fitted.skipped], [1, 1]);
 * ```
 */
export function fitConversations(
  tokenizer: Tokenizer,
  conversations: Iterable<Conversation>,
  context: number,
): Fitted {
  const sequences: EncodedSequence[] = [];
  let [total, truncated, leastContext, wholeContext] = [0, 0, Infinity, 0];
  for (const conversation of conversations) {
    const whole = encode(tokenizer, conversation);
    const fitted = fitSequence(whole, longestRow(context));
    total += 1;
    // The first learned token is predicted from those before it, as the last one is.
    leastContext = Math.min(leastContext, whole.mask.indexOf(true));
    wholeContext = Math.max(wholeContext, whole.ids.length - 1);
    if (fitted === undefined) continue;
    sequences.push(fitted);
    if (fitted !== whole) truncated += 1;
  }
  const skipped = total - sequences.length;
  return { context, sequences, total, truncated, skipped, leastContext, wholeContext };
}

/**
 * Refuses examples of which none fits.
 *
 * @param fitted What {@linkcode fitConversations} returned.
 * @param examples What they are called: `"training examples"`.
 * @throws {UserError} Where there are examples, but no sequences; it names the contexts that would do.
 */
export function requireFit(fitted: Fitted, examples: string): void {
  const { context, sequences, total, leastContext, wholeContext } = fitted;
  if (sequences.length > 0 || total === 0) return;
  throw new UserError(
    `none of the ${total} ${examples} fits a context of ${context} tokens: the shortest prompt ` +
      `needs --context ${leastContext}, and the longest example --context ${wholeContext}`,
  );
}

/**
 * What had to be done for examples to fit, for the user.
 *
 * @param fitted What {@linkcode fitConversations} returned.
 * @param examples What they are called: `"training examples"`.
 * @returns Two sentences, or undefined where every example fits.
 *
 * @example
 * ```ts
 * import { describeFit, fitConversations } from "@unitune/cli";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const messages = [{ role: "assistant", content: "a long answer" } as const];
 * assertEquals(
 *   describeFit(fitConversations(byteTokenizer(), [{ messages }], 8), "examples"),
 *   "1 of 1 examples exceed the context of 8 tokens: 1 cut at the end of the answer. " +
 *     "--context 14 fits all of them.",
 * );
 * ```
 */
export function describeFit(fitted: Fitted, examples: string): string | undefined {
  const { context, total, truncated, skipped, wholeContext } = fitted;
  if (truncated + skipped === 0) return undefined;
  const done = [
    ...(truncated > 0 ? [`${truncated} cut at the end of the answer`] : []),
    ...(skipped > 0 ? [`${skipped} skipped, with no room for an answer`] : []),
  ];
  return `${
    truncated + skipped
  } of ${total} ${examples} exceed the context of ${context} tokens: ` +
    `${done.join("; ")}. --context ${wholeContext} fits all of them.`;
}

/** An unknown character is told with the line that has it. */
function encode(tokenizer: Tokenizer, { messages, source }: Conversation): EncodedSequence {
  try {
    return encodeConversation(tokenizer, messages);
  } catch (error) {
    if (!(error instanceof UnknownCharacterError)) throw error;
    const where = source === undefined ? "" : `${source.file}:${source.line}: `;
    throw new UserError(`${where}${error.message}`, { cause: error });
  }
}
