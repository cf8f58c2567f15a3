/**
 * Answers in steps as training rows of a process reward model.
 *
 * @module
 */

import { ChatError, type EncodedSequence, encodePrompt, type Tokenizer } from "@unitune/models";
import type { Steps } from "./dataset.ts";
import { encodedTokens, fitOne, naming, type RowFit } from "./fit.ts";

/** An answer in steps as tokens. */
export interface EncodedSteps extends EncodedSequence {
  /** The ids of the prompt and of the steps, `[T]`. */
  readonly ids: readonly number[];
  /** True on the last token of each step, `[T]`. */
  readonly mask: readonly boolean[];
  /** True where the step that ends at the token is right, `[T]`. */
  readonly labels: readonly boolean[];
}

/**
 * A prompt and the steps of an answer as tokens. The ids of the separator follow those of each step,
 * and the label of the step is at the last of them, as `PRMTrainer` of TRL has it.
 *
 * @param tokenizer The tokenizer.
 * @param row The row.
 * @param separator The text behind each step.
 * @param most The most ids that are wanted (default: all of them).
 * @returns The ids, the ends of the steps and their labels.
 * @throws {ChatError} If the tokenizer cannot express the prompt, or a step has no token.
 *
 * @example
 * ```ts
 * import { encodeSteps } from "@unitune/training";
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const row = {
 *   prompt: [{ role: "user", content: "a" }],
 *   steps: ["b", "ab"],
 *   labels: [true, false],
 * } as const;
 * const { ids, mask, labels } = encodeSteps(characterTokenizer("ab;"), row, ";");
 * assertEquals(ids, [3, 6, 4, 7, 5, 6, 7, 5]); // <user>a<assistant>b;ab;
 * assertEquals(mask.flatMap((isEnd, t) => isEnd ? [[t, labels[t]]] : []), [[4, true], [7, false]]);
 * ```
 */
export function encodeSteps(
  tokenizer: Tokenizer,
  { prompt, steps, labels, rendering = {} }: Steps,
  separator: string,
  most: number = Infinity,
): EncodedSteps {
  const behind = tokenizer.encode(separator);
  const asked = encodePrompt(tokenizer, prompt, { ...rendering, most });
  const row = {
    ids: [...asked],
    mask: asked.map(() => false),
    labels: asked.map(() => false),
  };
  for (const [i, step] of steps.entries()) {
    if (row.ids.length >= most) break;
    const said = [...tokenizer.encode(step, most + 1), ...behind];
    if (said.length === 0) {
      throw new ChatError(`Step ${i + 1} has no token, so that nothing can be read of it`);
    }
    const isRight = labels[i] === true;
    for (const [t, id] of said.entries()) {
      const isEnd = t === said.length - 1;
      row.ids.push(id);
      row.mask.push(isEnd);
      row.labels.push(isEnd && isRight);
    }
  }
  return {
    ids: row.ids.slice(0, most),
    mask: row.mask.slice(0, most),
    labels: row.labels.slice(0, most),
  };
}

/**
 * Fits answers in steps into a context: steps that end behind it are left out.
 *
 * @param tokenizer The tokenizer.
 * @param separator The text behind each step.
 * @returns The function that makes, for a number of tokens, the function that fits a row.
 */
export function stepsFit(
  tokenizer: Tokenizer,
  separator: string,
): (context: number) => (row: Steps) => RowFit<EncodedSteps> {
  return (context) => (row) => {
    const most = encodedTokens(context);
    const whole = naming(row.source, () => encodeSteps(tokenizer, row, separator, most));
    const { made, ...fit } = fitOne(whole, context);
    if ("skipped" in made) return { made, ...fit };
    const labels = whole.labels.slice(0, made.row.ids.length);
    return { made: { row: { ...made.row, labels } }, ...fit };
  };
}
