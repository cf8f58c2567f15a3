/**
 * Prompts of the command line.
 *
 * @module
 */

import { encodePrompt, encodeText, type Tokenizer, UnknownCharacterError } from "@unitune/models";
import { type Dataset, UserError } from "@unitune/training";

/** Who is to read a prompt. */
export interface PromptReader {
  /** The model's tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The tokens that the model sees, its answer included. */
  readonly context: number;
  /** What the model was trained on: running text is gone on with, everything else is answered. */
  readonly kind: Dataset["kind"];
}

/**
 * A prompt's tokens; what the model cannot read is the user's to change.
 *
 * @param reader Who is to read it.
 * @param prompt What was given with `--prompt`.
 * @returns The ids, ready to be completed.
 * @throws {UserError} Where a character is none of the tokenizer's, or there is no room to answer.
 *
 * @example
 * ```ts
 * import { readPrompt } from "@unitune/cli";
 * import { characterTokenizer } from "@unitune/models";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const tokenizer = characterTokenizer("ab");
 * const reader = { tokenizer, context: 8, kind: "conversations" } as const;
 * assertEquals(readPrompt(reader, "ab").length, 4); // <user>, a, b, <assistant>
 * assertThrows(() => readPrompt(reader, "abc"), Error, "--prompt");
 * ```
 */
export function readPrompt(
  { tokenizer, context, kind }: PromptReader,
  prompt: string,
): readonly number[] {
  const ids = known(() =>
    kind === "text"
      ? encodeText(tokenizer, prompt).ids
      : encodePrompt(tokenizer, [{ role: "user", content: prompt }])
  );
  if (ids.length < context) return ids;
  throw new UserError(
    `--prompt has ${ids.length} tokens, and the model sees ${context}, the answer included: ` +
      `shorten the prompt by ${ids.length - context + 1}`,
  );
}

function known<T>(encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    if (!(error instanceof UnknownCharacterError)) throw error;
    throw new UserError(`--prompt: ${error.message}`, { cause: error });
  }
}
