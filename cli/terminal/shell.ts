/**
 * Quoting of commands in messages, so that they can be pasted into a shell.
 *
 * @module
 */

/** Words that need no quotes in any shell. */
const PLAIN = /^[\p{L}\p{N}_@%+=:,./-]+$/u;

/** Characters that a terminal does not show. */
const CONTROL = /\p{C}/u;

/**
 * Quotes a word for a POSIX shell: not at all where no character has a meaning to the shell,
 * otherwise by single quotes; a word with control characters by `$'...'` (POSIX.1-2024, bash, zsh),
 * in which they are printable escapes.
 *
 * @param word Any text, such as a path.
 * @returns The text that a shell reads as this word.
 *
 * @example
 * ```ts
 * import { shellQuote } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(shellQuote("runs/sft-tasks"), "runs/sft-tasks");
 * assertEquals(shellQuote("a folder/b#c"), "'a folder/b#c'");
 * assertEquals(shellQuote("it's"), String.raw`'it'\''s'`);
 * assertEquals(shellQuote("a\tz"), String.raw`$'a\x09z'`);
 * ```
 */
export function shellQuote(word: string): string {
  if (PLAIN.test(word)) return word;
  if (!CONTROL.test(word)) return `'${word.replaceAll("'", `'\\''`)}'`;
  const escaped = Array.from(
    word,
    (character) =>
      CONTROL.test(character)
        ? escapedBytes(character)
        : character.replace(/['\\]/, (special) => `\\${special}`),
  );
  // An escape would absorb a hexadecimal digit that follows it: the quotes end in between.
  const whole = escaped.join("").replaceAll(
    /\\x[0-9a-f]{2}(?=[0-9A-Fa-f])/g,
    (escape) => `${escape}'$'`,
  );
  return `$'${whole}'`;
}

/** The bytes of a character in UTF-8, as escapes. */
function escapedBytes(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/**
 * The shell command of a task of this repository.
 *
 * @param task The name of the task.
 * @param flags The values of its flags by name. A value that begins with a dash is joined to its
 * flag by `=`, so that it is not read as a flag.
 * @returns The command.
 *
 * @example
 * ```ts
 * import { taskCommand } from "./shell.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(taskCommand("train", { resume: "my runs/a" }), "deno task train --resume 'my runs/a'");
 * assertEquals(taskCommand("train", { resume: "-a" }), "deno task train --resume=-a");
 * ```
 */
export function taskCommand(task: string, flags: Readonly<Record<string, string>> = {}): string {
  const words = Object.entries(flags).map(([name, value]) =>
    value.startsWith("-") ? shellQuote(`--${name}=${value}`) : `--${name} ${shellQuote(value)}`
  );
  return [`deno task ${task}`, ...words].join(" ");
}
