/**
 * Prompts from the command line.
 *
 * @module
 */

import { encodePrompt, encodeText, type Tokenizer, UnknownCharacterError } from "@unitune/models";
import { type Dataset, UserError } from "@unitune/training";

/** The model that reads a prompt. */
export interface PromptReader {
  /** The model's tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The model's context, which holds the answer as well. */
  readonly context: number;
  /**
   * The kind of data that the model was trained on: it continues running text, and answers others.
   */
  readonly kind: Dataset["kind"];
}

/**
 * Encodes the prompt of a command line.
 *
 * @param reader The model that reads it.
 * @param prompt The value of `--prompt`.
 * @returns The ids, ready to be completed.
 * @throws {UserError} If the tokenizer lacks a character, or the context has no room for an answer.
 *
 * @example
 * ```ts
 * import { readPrompt } from "./prompts.ts";
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
    `--prompt has ${ids.length} tokens, and the context holds ${context} with the answer: ` +
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
