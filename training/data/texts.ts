/**
 * Texts as training rows, one of each.
 *
 * @module
 */

import { type EncodedSequence, encodeText, type Tokenizer } from "@unitune/models";
import type { TextRow } from "./dataset.ts";
import {
  encodedTokens,
  fitOne,
  type FitOptions,
  fitRows,
  type FittedList,
  naming,
  type RowFit,
} from "./fit.ts";
import type { RowTable } from "./table.ts";

/**
 * A text as a training row, or the first tokens of a long one: all of its tokens are learned but the
 * first, which nothing precedes, and so is the stop token behind them, which is added unless the text
 * spells it (as `SFTTrainer` of TRL does).
 */
function encodeWhole(tokenizer: Tokenizer, text: string, most: number): EncodedSequence {
  const { ids, mask } = encodeText(tokenizer, text, most);
  // A text that goes on has its end elsewhere.
  const end = ids.length === most || ids.at(-1) === tokenizer.stop ? [] : [tokenizer.stop];
  return { ids: [...ids, ...end], mask: [...mask, ...end.map(() => true)].with(0, false) };
}

/**
 * Encodes texts as training sequences that fit a context: a longer one is cut at its end. Of an empty
 * text there is nothing to learn, unless the tokenizer begins texts with a token.
 *
 * @param tokenizer The tokenizer.
 * @param texts The texts.
 * @param context The context in tokens.
 * @param options A listener for the progress.
 * @returns The sequences and the counts.
 * @throws {UserError} If the tokenizer lacks a character; the message has file and line.
 *
 * @example
 * ```ts
 * import { fitTexts } from "@unitune/training";
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const { rows, truncated } = fitTexts(characterTokenizer("ab"), [{ text: "ba" }], 8);
 * assertEquals(rows, [{ ids: [6, 5, 1], mask: [false, true, true] }]);
 * assertEquals(truncated, 0);
 * ```
 */
export function fitTexts(
  tokenizer: Tokenizer,
  texts: RowTable<TextRow>,
  context: number,
  options: FitOptions = {},
): FittedList {
  return fitRows(texts, context, textFit(tokenizer, context), options);
}

/**
 * Fits a text into a context, as {@linkcode fitTexts} does.
 *
 * @param tokenizer The tokenizer.
 * @param context The context in tokens.
 * @returns The function that fits one.
 */
export function textFit(
  tokenizer: Tokenizer,
  context: number,
): (row: TextRow) => readonly RowFit<EncodedSequence>[] {
  const most = encodedTokens(context);
  return ({ text, source }) => {
    const whole = naming(source, () => encodeWhole(tokenizer, text, most));
    return whole.ids.length > 1 ? [fitOne(whole, context)] : [];
  };
}
