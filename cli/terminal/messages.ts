/**
 * Messages of training as the command line shows them: a setting is named by its flag.
 *
 * @module
 */

import { messageText, type UserError, type UserMessage } from "@unitune/training";

/**
 * The flag of a setting.
 *
 * @param setting The setting's name in camel case.
 * @returns The flag with its dashes.
 *
 * @example
 * ```ts
 * import { flagOf } from "./messages.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(flagOf("batchSize"), "--batch-size");
 * ```
 */
export function flagOf(setting: string): string {
  return `--${setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/**
 * A message with flags for settings.
 *
 * @param message The message.
 * @returns The text.
 */
export function shownMessage(message: UserMessage): string {
  return messageText(message, flagOf);
}

/**
 * The message of an error with flags for settings.
 *
 * @param error The error.
 * @returns The text.
 */
export function shownError(error: UserError): string {
  return error.textWith(flagOf);
}
