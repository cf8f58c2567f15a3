/**
 * The reward of right numbers: the final number of an answer is compared with that of the gold
 * answer.
 *
 * @module
 */

import { isSameNumber, readNumber, type WrittenNumber } from "./numbers.ts";
import { type Asked, eachAnswer, GOLD, goldOf, type TextReward } from "./rewards.ts";

/** The mark before the final answers of GSM8K. */
const MARK = "####";

/** The command around the final answers of MATH. */
const BOX = "\\boxed{";

/**
 * The final answer in a text: the content of its last `\boxed{...}`, in which braces may be nested,
 * or the rest of the line behind its last `####`, whichever comes later; without both, the whole
 * text.
 *
 * @param text The text.
 * @returns The final answer; undefined if its box is not closed.
 *
 * @example
 * ```ts
 * import { finalAnswer } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(finalAnswer("48 + 24 = 72\n#### 72"), " 72");
 * assertEquals(finalAnswer("So it is $\\boxed{\\frac{1}{2}}$."), "\\frac{1}{2}");
 * assertEquals(finalAnswer("72"), "72");
 * ```
 */
export function finalAnswer(text: string): string | undefined {
  const [box, mark] = [text.lastIndexOf(BOX), text.lastIndexOf(MARK)];
  if (box > mark) return inBraces(text, box + BOX.length);
  if (mark < 0) return text;
  const [line] = text.slice(mark + MARK.length).split("\n");
  return line;
}

/** The text from a place behind an opening brace to the closing one. */
function inBraces(text: string, start: number): string | undefined {
  let depth = 1;
  for (let end = start; end < text.length; end++) {
    if (text[end] === "{") depth += 1;
    if (text[end] === "}") depth -= 1;
    if (depth === 0) return text.slice(start, end);
  }
  return undefined;
}

/** The final number of a text; undefined if it has none. */
function finalNumber(text: string): WrittenNumber | undefined {
  const final = finalAnswer(text);
  return final === undefined ? undefined : readNumber(final.trim());
}

/** The final number of a row's gold answer. */
function goldNumber(asked: Asked): WrittenNumber | undefined {
  const gold = goldOf(asked);
  return gold === null ? undefined : finalNumber(gold);
}

/**
 * 1 for complete answers whose final number is that of the gold answer, 0 for all others; null if
 * the gold answer has none. The final number is the content of the last `\boxed{...}`, or stands
 * behind the last `####`, or is the whole text. Numbers are compared exactly, see
 * {@linkcode readNumber}: `3/4` is `0.75` and not `0.7501`.
 *
 * Source: the form of GSM8K (arXiv 2110.14168) and of MATH (arXiv 2103.03874).
 *
 * @example
 * ```ts
 * import { accuracy } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const columns = { completion: "She sold 24 + 48 = 72 clips.\n#### 72" };
 * const answered = { prompt: "How many?", ids: [], isEnded: true, columns };
 * const answers = ["It is \\boxed{72}.", "#### $72.00", "72 clips", "#### 73"];
 * const scores = await accuracy.score(answers.map((answer) => ({ ...answered, answer })));
 * assertEquals(scores, [1, 1, 1, 0]);
 * ```
 */
export const accuracy: TextReward = {
  name: "accuracy",
  reads: [GOLD],
  needs: "a final number",
  isScorable: (asked) => goldNumber(asked) !== undefined,
  score: eachAnswer((answered) => {
    const gold = goldNumber(answered);
    if (gold === undefined) return null;
    const given = answered.isEnded ? finalNumber(answered.answer) : undefined;
    return Number(given !== undefined && isSameNumber(given, gold));
  }),
};
