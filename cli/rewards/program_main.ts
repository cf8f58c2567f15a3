/**
 * The process of the reward of code: runs a program with its tests, and says a word if all of them
 * pass.
 *
 * The program never sees the word, which it could say itself: it arrives in a message, and no text
 * that the program can read holds it.
 *
 * @module
 */

import type { Line } from "./line.ts";

/** The message to the process. */
export interface Trial {
  /** The program and its tests, a module in TypeScript. */
  readonly module: string;
  /** The word. */
  readonly word: string;
}

function isTrial(message: unknown): message is Trial {
  return typeof message === "object" && message !== null && "module" in message &&
    typeof message.module === "string" && "word" in message && typeof message.word === "string";
}

/**
 * Runs the programs that are asked for.
 *
 * @param line The line on which they are.
 */
export function serve(line: Line): void {
  line.answerBy(async (question) => {
    if (!isTrial(question)) return "";
    const { module, word } = question;
    try {
      await import(`data:application/typescript,${encodeURIComponent(module)}`);
      return word;
    } catch {
      return "";
    }
  }, "");
}
