/**
 * What a command says, on the streams that it has. Whatever texts from outside are in it, such as
 * prompts, answers and file names, they control no terminal: control characters but newlines and
 * tabs stand as escapes. A pipe is given the same, since what reads it may show it on a terminal.
 *
 * @module
 */

import { printableLines } from "@unitune/core";
import { WIDTH, wrapText } from "./layout.ts";

/** A text as a stream shows it: in lines that break between words on a terminal, else as it is. */
function shown(text: string, stream: { isTerminal(): boolean }): string {
  const lines = printableLines(text);
  return stream.isTerminal() ? wrapText(lines, "  ", Math.min(WIDTH, terminalColumns())) : lines;
}

/** The width of the terminal; one that does not know its size says 0, and one that is gone throws. */
function terminalColumns(): number {
  try {
    return Deno.consoleSize().columns || WIDTH;
  } catch {
    return WIDTH;
  }
}

/**
 * Says something on standard output, in sentences that break between words on a terminal, if anybody
 * is still there: a terminal that was closed is why a command is asked to stop, and no reason for
 * another exit code.
 *
 * @param text The text; lines that begin with a space, such as commands, are kept as they are.
 */
export function say(text: string): void {
  try {
    console.log(shown(text, Deno.stdout));
  } catch {
    // Nobody reads it any more.
  }
}

/**
 * Tells something beside the result, on standard error.
 *
 * @param text The text; lines that begin with a space, such as commands, are kept as they are.
 */
export function tell(text: string): void {
  console.error(shown(text, Deno.stderr));
}

/**
 * Prints lines on standard output as they are, but for control characters: tables, and what a model
 * has said.
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
