/** Answers of a model to a conversation, in pieces as they are chosen. */
import { encodePrompt, textStream, type TokenGenerator, type Tokenizer } from "@unitune/models";
import { UserError } from "@unitune/training";
import type { AnswerEnd, Speech } from "./protocol.ts";

/** A model that answers. */
export interface Speaker {
  readonly generator: TokenGenerator<unknown>;
  readonly params: unknown;
  readonly tokenizer: Tokenizer;
  /** The most tokens that the model reads. */
  readonly context: number;
}

/**
 * Answers a conversation.
 *
 * @param speaker The model.
 * @param speech The conversation, and how to draw tokens.
 * @param signal Ends the answer.
 * @returns The pieces of the answer, and why it has ended.
 * @throws {UserError} If the conversation fills the context.
 */
export async function* speak(
  { generator, params, tokenizer, context }: Speaker,
  { messages, temperature, maxNewTokens, seed }: Omit<Speech, "voice">,
  signal: AbortSignal,
): AsyncGenerator<string, AnswerEnd, void> {
  const prompt = encodePrompt(tokenizer, messages);
  if (prompt.length >= context) {
    throw new UserError(
      `the conversation has ${prompt.length} tokens, and the model reads ${context} with its ` +
        `answer: begin a new one`,
    );
  }
  const { push, end } = textStream(tokenizer);
  const stops = new Set(tokenizer.stops);
  const options = { maxNewTokens, temperature, seed, stop: tokenizer.stops, signal };
  let last: number | undefined;
  try {
    for await (const id of generator.stream(params, prompt, options)) {
      last = id;
      if (!stops.has(id)) yield push(id);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  yield end();
  if (signal.aborted) return "stopped";
  return last !== undefined && stops.has(last) ? "stop token" : "length";
}
