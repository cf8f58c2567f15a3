/**
 * The process of a reward of a file: calls the function.
 *
 * @module
 */

import { encode } from "./frames.ts";
import type { Line } from "./line.ts";

/** The message of a process when it is ready. */
export interface Ready {
  /** The names of the functions of the file. */
  readonly functions: readonly string[];
}

/** The message of a process after a call. */
export type Outcome =
  | {
    /** What the function has returned, or its promise. */
    readonly returned: unknown;
  }
  | {
    /** What it has thrown, in words. */
    readonly thrown: string;
  };

/** The most characters of an error. */
const LONGEST_ERROR = 2000;

/** The most characters of what a function returns, as JSON. */
const MOST_RETURNED = 2 ** 23;

/** What was thrown, in words: anything can be thrown. */
function described(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "an object without a text";
  }
}

/**
 * Calls a function for each question from now on, and answers with what it returns.
 *
 * @param line The line on which it is asked.
 * @param own What the file exports.
 * @param name The name of the function.
 */
export function serve(line: Line, own: Readonly<Record<string, unknown>>, name: string): void {
  const told = (message: Ready | Outcome) => {
    const text = encode(message);
    if (text.length <= MOST_RETURNED) return text;
    throw new RangeError(`it returned ${text.length} characters of JSON`);
  };
  const score = own[name];
  const isFunction = (name: string) => typeof own[name] === "function";
  const ready = told({ functions: Object.keys(own).filter(isFunction) });
  line.answerBy(async (answers) => {
    try {
      if (typeof score !== "function") throw new TypeError(`${name} is no function`);
      return told({ returned: await score(answers) });
    } catch (error) {
      return told({ thrown: described(error).slice(0, LONGEST_ERROR) });
    }
  }, ready);
}
