/** The text of ids that come one at a time. */

import type { DecodeOptions, Tokenizer } from "./tokenizer.ts";

/** Text that grows by ids. */
export interface TextStream {
  /** The text that an id adds. It is empty while a character is not complete. */
  push(id: number): string;
  /** The rest of the text: a character that was never completed is U+FFFD. */
  end(): string;
}

/**
 * Decodes ids as they are generated, in whole characters. All parts together are the text that
 * {@linkcode Tokenizer.decode} gives for all ids.
 *
 * The last part is decoded again with each id, since a token's text may depend on the token before
 * it: a leading space is dropped at the start of a text, and a character may have several tokens.
 *
 * @param tokenizer The tokenizer.
 * @param options Whether special tokens are shown.
 * @returns The stream.
 *
 * @example
 * ```ts
 * import { byteTokenizer, textStream } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const stream = textStream(tokenizer);
 * assertEquals(tokenizer.encode("né!").map((id) => stream.push(id)), ["n", "", "é", "!"]);
 * ```
 */
export function textStream({ decode }: Tokenizer, options: DecodeOptions = {}): TextStream {
  /** Ids whose text was given, for the sake of the next; then ids whose text was not. */
  let [given, open]: readonly [readonly number[], readonly number[]] = [[], []];
  const rest = () => decode([...given, ...open], options).slice(decode(given, options).length);
  return {
    push(id) {
      open = [...open, id];
      const text = rest();
      if (text === "" || text.endsWith("\ufffd")) return "";
      [given, open] = [open, []];
      return text;
    },
    end() {
      const text = rest();
      [given, open] = [[], []];
      return text;
    },
  };
}
