/**
 * What a command shows, or keeps to itself where another process shows it.
 *
 * @module
 */

import { type ProgressOutput, standardProgress } from "./progress.ts";
import { print, say, tell } from "./terminal.ts";

/** Where a command shows its results, messages and progress. */
export interface Voice {
  /** Shows sentences of the result. */
  readonly say: (text: string) => void;
  /** Shows a message apart from the result. */
  readonly tell: (text: string) => void;
  /** Shows lines of the result as they are. */
  readonly print: (text: string) => void;
  /** Where progress is shown. */
  readonly progress: () => ProgressOutput;
}

/** A command that shows all. */
export const aloud: Voice = { say, tell, print, progress: standardProgress };

/** A command that shows nothing. */
export const silent: Voice = {
  say: () => {},
  tell: () => {},
  print: () => {},
  progress: () => ({ ...standardProgress(), write: () => {}, columns: () => undefined }),
};
