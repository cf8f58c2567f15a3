/** Errors for people. */
import { clipped, printable } from "@unitune/core";

/** Characters of a message that are shown; names in it are cut to less. */
const LONGEST_MESSAGE = 800;

/** What else is known of a {@linkcode UserError}. */
export interface UserErrorOptions extends ErrorOptions {
  /** A command that helps, as a shell reads it; the message ends with it, on a line of its own. */
  readonly command?: string;
}

/**
 * A failure that the user can put right: the message says what was wrong, where, and what to do. It
 * is one line of bounded length without control characters, whatever the names are that it quotes,
 * and after it a command, where one helps.
 */
export class UserError extends Error {
  /** The kind of error. */
  override readonly name: string = "UserError";

  /**
   * The error with a message.
   *
   * @param message What was wrong, where, and what to do.
   * @param options The cause, and a command that helps.
   */
  constructor(message: string, { command, ...options }: UserErrorOptions = {}) {
    const sentence = clipped(printable(message), LONGEST_MESSAGE);
    super(command === undefined ? sentence : `${sentence}\n  ${printable(command)}`, options);
  }
}
