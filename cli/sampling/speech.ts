/**
 * Answers as they come: text in whole characters, while the model says it.
 *
 * @module
 */

import {
  type GenerateOptions,
  stopStrings,
  textGate,
  textStream,
  type TextWatch,
  type TokenGenerator,
  type Tokenizer,
} from "@unitune/models";

/** The end of an answer. */
export interface Spoken {
  /** The text, without special tokens and the stop string. */
  readonly text: string;
  /** The number of tokens, without the stop token. */
  readonly tokens: number;
  /** Whether a stop token or a stop string ended it. */
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
  /** Texts that end an answer, beside the tokenizer's stop tokens (default none). */
  readonly stopStrings?: readonly string[];
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
  { generator, params, tokenizer, write, stopStrings: strings = [] }: Speech<P>,
  prompt: readonly number[],
  options: Omit<GenerateOptions, "stop" | "watch">,
): Promise<Spoken> {
  const { stops } = tokenizer;
  const stream = textStream(tokenizer);
  // What may be the beginning of a stop string is not said yet.
  const gate = textGate(strings);
  let found: string | undefined;
  const watch = (): TextWatch => {
    const own = stopStrings(tokenizer, strings)();
    return (id) => found = own(id);
  };
  const parts: string[] = [];
  let tokens = 0;
  const say = (part: string) => {
    if (part === "") return;
    parts.push(part);
    write(part);
  };
  const spoken = (end: Pick<Spoken, "isEnded" | "isStopped">): Spoken => {
    say(gate.push(stream.end()));
    say(gate.end());
    return { text: parts.join(""), tokens, ...end };
  };
  try {
    const ends = { stop: stops, ...strings.length > 0 && { watch } };
    for await (const id of generator.stream(params, prompt, { ...options, ...ends })) {
      if (stops.includes(id)) return spoken({ isEnded: true, isStopped: false });
      tokens += 1;
      say(gate.push(stream.push(id)));
    }
  } catch (error) {
    if (options.signal?.aborted && error === options.signal.reason) {
      return spoken({ isEnded: false, isStopped: true });
    }
    throw error;
  }
  return spoken({ isEnded: found !== undefined, isStopped: false });
}
