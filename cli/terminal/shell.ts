/**
 * Commands that a message suggests, written so that they can be pasted into a shell.
 *
 * @module
 */

/** Words of these characters mean themselves to every shell. */
const PLAIN = /^[\p{L}\p{N}_@%+=:,./-]+$/u;

/** Characters that a terminal does not show as they are. */
const CONTROL = /\p{C}/u;

/**
 * A word as it is written in a command of a POSIX shell: as it is where nothing in it has a meaning,
 * else in single quotes; with control characters in it, in `$'...'` (POSIX.1-2024, bash, zsh), whose
 * escapes are printable.
 *
 * @param word Any text, such as a path.
 * @returns What the shell reads as that one word.
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
  // Quotes end where an escape would take a digit that follows it for its own.
  const whole = escaped.join("").replaceAll(
    /\\x[0-9a-f]{2}(?=[0-9A-Fa-f])/g,
    (escape) => `${escape}'$'`,
  );
  return `$'${whole}'`;
}

/** A character's bytes in UTF-8, as escapes. */
function escapedBytes(character: string): string {
  const bytes = new TextEncoder().encode(character);
  return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/**
 * A task of this repository with flags, as it is pasted into a shell.
 *
 * @param task The task.
 * @param flags The flags' values by their names; a value that begins with a dash is joined to its
 * flag, so that it is not read as one.
 * @returns The command.
 *
 * @example
 * ```ts
 * import { taskCommand } from "@unitune/cli";
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
