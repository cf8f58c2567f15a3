/** Texts that end a completion. */
import { textStream } from "../tokenizers/text_stream.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { TextWatch } from "./completion.ts";

/** Text that comes in parts, up to the first of some strings. */
export interface TextGate {
  /** The text that is known to stand before each of the strings, once the part is known. */
  push(part: string): string;
  /** The string that was found, once one was. */
  readonly found: string | undefined;
  /** The rest of the text, if none of the strings was found. */
  end(): string;
}

/** The first of the strings in a text, and its place; of those at one place, the first listed. */
function firstOf(
  strings: readonly string[],
  text: string,
): { readonly string: string; readonly index: number } | undefined {
  return strings.map((string) => ({ string, index: text.indexOf(string) }))
    .filter(({ index }) => index >= 0)
    .toSorted((a, b) => a.index - b.index)[0];
}

/** The length of the longest end of a text with which one of the strings may begin. */
function openEnd(strings: readonly string[], text: string): number {
  return strings.reduce((most, string) => {
    let length = Math.min(string.length - 1, text.length);
    while (length > most && !text.endsWith(string.slice(0, length))) length--;
    return Math.max(most, length);
  }, 0);
}

/**
 * Lets text through up to the first of some strings. An end with which one of them may begin is held
 * back until it is known whether it does.
 *
 * @example
 * ```ts
 * import { textGate } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const gate = textGate(["\n\n", "User:"]);
 * assertEquals(["Yes.\n", "Us", "e it.", "\n\nNo"].map((part) => gate.push(part)), [
 *   "Yes.",
 *   "\n",
 *   "Use it.",
 *   "",
 * ]);
 * assertEquals(gate.found, "\n\n");
 * ```
 *
 * @param strings The strings, none of them empty.
 * @returns The gate.
 */
export function textGate(strings: readonly string[]): TextGate {
  let held = "";
  let found: string | undefined;
  return {
    push(part) {
      if (found !== undefined) return "";
      held += part;
      const first = firstOf(strings, held);
      found = first?.string;
      const length = first?.index ?? held.length - openEnd(strings, held);
      const text = held.slice(0, length);
      held = held.slice(length);
      return text;
    },
    get found() {
      return found;
    },
    end() {
      const rest = found === undefined ? held : "";
      held = "";
      return rest;
    },
  };
}

/**
 * The option `watch` of generation that ends a completion with the token that completes one of some
 * strings, wherever in a token it ends. Special tokens are read by name, such as `<user>`.
 *
 * @example
 * ```ts
 * import { byteTokenizer, stopStrings } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = byteTokenizer();
 * const watch = stopStrings(tokenizer, ["ba"])();
 * assertEquals(tokenizer.encode("abba").map(watch), [undefined, undefined, undefined, "ba"]);
 * ```
 *
 * @param tokenizer The tokenizer of the model.
 * @param strings The strings, none of them empty.
 * @returns The option.
 * @throws {RangeError} If a string is empty.
 */
export function stopStrings(tokenizer: Tokenizer, strings: readonly string[]): () => TextWatch {
  if (strings.includes("")) throw new RangeError("stopStrings: a stop string is empty");
  return () => {
    const gate = textGate(strings);
    const stream = textStream(tokenizer, { special: "shown" });
    return (id) => {
      gate.push(stream.push(id));
      return gate.found;
    };
  };
}

/**
 * The text before a stop string.
 *
 * @example
 * ```ts
 * import { textBefore } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(textBefore("Yes.\nUser: a", "\nUser:"), "Yes.");
 * assertEquals(textBefore("Yes.", undefined), "Yes.");
 * ```
 *
 * @param text The text of a completion.
 * @param stopString The stop string that ended it, if one did.
 * @returns The text up to the first such string.
 */
export function textBefore(text: string, stopString: string | undefined): string {
  const end = stopString === undefined ? -1 : text.indexOf(stopString);
  return end < 0 ? text : text.slice(0, end);
}
