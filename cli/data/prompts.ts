/**
 * Prompts as token ids.
 *
 * @module
 */

import {
  ChatError,
  type ChatMessage,
  type ChatOptions,
  encodePrompt,
  encodeText,
  type Tokenizer,
  UnknownCharacterError,
} from "@unitune/models";
import { type Dataset, isOfTexts, UserError } from "@unitune/training";

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
 * @param system The message of the system before it (default: none).
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
  reader: PromptReader,
  prompt: string,
  system?: string,
): readonly number[] {
  if (isOfTexts(reader.kind)) return promptIds(reader, prompt, "--prompt");
  const plain = system === undefined;
  return promptIds(reader, promptMessages(prompt, system), "--prompt", { plain });
}

/**
 * The messages of a prompt.
 *
 * @param prompt The user's text.
 * @param system The message of the system before it (default: none).
 * @returns The messages.
 */
export function promptMessages(prompt: string, system?: string): readonly ChatMessage[] {
  const user = { role: "user", content: prompt } as const;
  return system === undefined ? [user] : [{ role: "system", content: system }, user];
}

/**
 * Encodes a text to continue, or messages to answer.
 *
 * @param reader The model that reads them.
 * @param prompt The text or the messages.
 * @param name The name of the prompt, for errors: a flag, or a file and a line.
 * @param options The tools and the variables with which messages are rendered.
 * @returns The ids, ready to be completed.
 * @throws {UserError} If the chat template refuses the messages, the tokenizer lacks a character, or
 * the context has no room for an answer.
 */
export function promptIds(
  { tokenizer, context }: PromptReader,
  prompt: string | readonly ChatMessage[],
  name: string,
  options?: ChatOptions,
): readonly number[] {
  const ids = named(
    name,
    () =>
      typeof prompt === "string"
        ? encodeText(tokenizer, prompt).ids
        : encodePrompt(tokenizer, prompt, options),
  );
  if (ids.length === 0) throw new UserError(`${name} has no token: there is nothing to continue`);
  if (ids.length < context) return ids;
  throw new UserError(
    `${name} has ${ids.length} tokens, and the context holds ${context} with the answer: ` +
      `shorten it by ${ids.length - context + 1}`,
  );
}

function named<T>(name: string, encode: () => T): T {
  try {
    return encode();
  } catch (error) {
    const isFault = error instanceof UnknownCharacterError || error instanceof ChatError;
    if (!isFault) throw error;
    throw new UserError(`${name}: ${error.message}`, { cause: error });
  }
}
