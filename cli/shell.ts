/**
 * Commands that are shown to be typed.
 *
 * @module
 */

/**
 * An argument as a POSIX shell reads it: as it is where it has no special meaning, else in quotes.
 *
 * @param argument The argument.
 * @returns What one types.
 *
 * @example
 * ```ts
 * import { shellWord } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(["runs/a-2", "my runs/a", "it's"].map(shellWord), [
 *   "runs/a-2",
 *   "'my runs/a'",
 *   `'it'\\''s'`,
 * ]);
 * ```
 */
export function shellWord(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
