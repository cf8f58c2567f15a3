/**
 * What a command says, on the streams that it has: on a terminal in lines that break between words,
 * in a file or a pipe as it is, so that a sentence can be searched for.
 *
 * @module
 */

import { WIDTH, wrapText } from "./layout.ts";

/** A text as a stream shows it. */
function shown(text: string, stream: { isTerminal(): boolean }): string {
  return stream.isTerminal() ? wrapText(text, "  ", Math.min(WIDTH, terminalColumns())) : text;
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
 * Prints a result on standard output, if anybody is still there: a terminal that was closed is why a
 * command is asked to stop, and no reason for another exit code.
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
