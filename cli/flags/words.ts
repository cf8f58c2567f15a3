/**
 * Lists of words as parts of sentences.
 *
 * @module
 */

function joined(words: readonly string[], last: string): string {
  const end = words.at(-1) ?? "";
  return words.length < 2 ? end : `${words.slice(0, -1).join(", ")} ${last} ${end}`;
}

/** `a`, `a or b`, `a, b or c`. */
export function alternatives(words: readonly string[]): string {
  return joined(words, "or");
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(words: readonly string[]): string {
  return joined(words, "and");
}

/**
 * The words of a command line in front of its flags.
 *
 * @param argv The arguments.
 * @param most The most words; those that follow are left to the flags, which refuse them.
 * @returns The words, and the other arguments.
 *
 * @example
 * ```ts
 * import { leadingWords } from "./words.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(leadingWords(["org/name", "--revision", "v1"], 1), [["org/name"], ["--revision", "v1"]]);
 * ```
 */
export function leadingWords(
  argv: readonly string[],
  most: number,
): readonly [words: readonly string[], rest: readonly string[]] {
  const flag = argv.findIndex((argument) => argument.startsWith("-"));
  const count = Math.min(most, flag === -1 ? argv.length : flag);
  return [argv.slice(0, count), argv.slice(count)];
}
