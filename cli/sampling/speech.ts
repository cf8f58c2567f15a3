/**
 * Answers as they come: text in whole characters, while the model says it.
 *
 * @module
 */

import {
  type GenerateOptions,
  textStream,
  type TokenGenerator,
  type Tokenizer,
} from "@unitune/models";

/** The end of an answer. */
export interface Spoken {
  /** The text, without special tokens. */
  readonly text: string;
  /** The number of tokens, without the stop token. */
  readonly tokens: number;
  /** Whether a stop token ended it. */
  readonly isEnded: boolean;
  /** Whether the signal ended it. */
  readonly isStopped: boolean;
}

/** What is said to whom. */
export interface Speech<P> {
  /** The compiled generation. */
  readonly generator: Pick<TokenGenerator<P>, "stream">;
  /** The model's parameters. */
  readonly params: P;
  /** The model's tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Takes the text, part by part. */
  readonly write: (text: string) => void;
}

/**
 * Has a model answer, and hands on the text as it comes. An answer that the signal ends is the text
 * until then.
 *
 * @param speech The model, and who takes the text.
 * @param prompt The token ids of the prompt.
 * @param options The options of generation.
 * @returns The whole answer.
 *
 * @example
 * ```ts
 * import { speak } from "./speech.ts";
 * import { byteTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const said = [...tokenizer.encode("né"), tokenizer.stop];
 * const parts: string[] = [];
 * const generator = {
 *   async *stream() {
 *     for (const id of said) yield await Promise.resolve(id);
 *   },
 * };
 * const write = (text: string) => parts.push(text);
 * const speech = { generator, params: {}, tokenizer, write };
 * const { text, isEnded } = await speak(speech, [5], { maxNewTokens: 9 });
 * assertEquals([parts, text, isEnded], [["n", "é"], "né", true]);
 * ```
 */
export async function speak<P>(
  { generator, params, tokenizer, write }: Speech<P>,
  prompt: readonly number[],
  options: Omit<GenerateOptions, "stop">,
): Promise<Spoken> {
  const { stops } = tokenizer;
  const stream = textStream(tokenizer);
  const parts: string[] = [];
  let tokens = 0;
  const say = (part: string) => {
    if (part === "") return;
    parts.push(part);
    write(part);
  };
  const spoken = (end: Pick<Spoken, "isEnded" | "isStopped">): Spoken => {
    say(stream.end());
    return { text: parts.join(""), tokens, ...end };
  };
  try {
    for await (const id of generator.stream(params, prompt, { ...options, stop: stops })) {
      if (stops.includes(id)) return spoken({ isEnded: true, isStopped: false });
      tokens += 1;
      say(stream.push(id));
    }
  } catch (error) {
    if (options.signal?.aborted && error === options.signal.reason) {
      return spoken({ isEnded: false, isStopped: true });
    }
    throw error;
  }
  return spoken({ isEnded: false, isStopped: false });
}
