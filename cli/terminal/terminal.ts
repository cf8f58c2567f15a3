/**
 * Output of a command to its streams. Text from outside, such as prompts, answers and file names,
 * can't control the terminal: control characters except newlines and tabs are written as escapes,
 * to pipes as well, since a reader may show the text on a terminal.
 *
 * @module
 */

import { printableLines } from "@unitune/core";
import { WIDTH, wrapText } from "./layout.ts";

/** A text for a stream: broken between words for a terminal, unbroken for a file or a pipe. */
function shown(text: string, stream: { isTerminal(): boolean }): string {
  const lines = printableLines(text);
  return stream.isTerminal() ? wrapText(lines, "  ", Math.min(WIDTH, terminalColumns())) : lines;
}

/**
 * The width of the terminal; 80 columns without one.
 *
 * @returns The most characters of a line.
 */
export function terminalColumns(): number {
  try {
    // 0 if it is unknown, and an error without a terminal.
    return Deno.consoleSize().columns || WIDTH;
  } catch {
    return WIDTH;
  }
}

/**
 * Writes sentences to standard output, broken between words on a terminal. A closed terminal is no
 * error: the command is being stopped by the signal that the terminal sent.
 *
 * @param text The text; lines that begin with a space, such as commands, are not broken.
 */
export function say(text: string): void {
  try {
    console.log(shown(text, Deno.stdout));
  } catch {
    // The terminal is closed.
  }
}

/**
 * Writes a message to standard error, apart from the result.
 *
 * @param text The text; lines that begin with a space, such as commands, are not broken.
 */
export function tell(text: string): void {
  console.error(shown(text, Deno.stderr));
}

/**
 * Writes a part of a line to standard output, such as a token of an answer.
 *
 * @param text The text.
 */
export function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

/**
 * Writes lines to standard output without breaking them, such as tables and the text of a model.
 *
 * @param text The lines.
 *
 * @example
 * ```ts
 * import { print } from "@unitune/cli";
 *
 * print("a model may say \x1b]0;anything\x07"); // a model may say \u001b]0;anything\u0007
 * ```
 */
export function print(text: string): void {
  console.log(printableLines(text));
}
