/**
 * Texts for the user that name settings. A page shows a setting by its own name, the command line
 * by its flag: so a text holds the name apart, and whoever shows it decides.
 *
 * @module
 */

/** The name of a setting in a text, in camel case. */
export interface SettingName {
  /** The name. */
  readonly setting: string;
}

/** A text in parts, of which some are names of settings. */
export interface UserMessageParts {
  /** The parts, in order. */
  readonly parts: readonly (string | SettingName)[];
}

/** A text for the user: as it is, or in parts of which some are names of settings. */
export type UserMessage = string | UserMessageParts;

/**
 * The name of a setting, in a {@linkcode message}.
 *
 * @param name The name, in camel case.
 * @returns The part of the text.
 */
export function setting(name: string): SettingName {
  return { setting: name };
}

/**
 * A text from its parts.
 *
 * @param parts Texts, names of settings, and other messages.
 * @returns The message.
 *
 * @example
 * ```ts
 * import { message, messageText, setting } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const advice = message("take a smaller ", setting("batchSize"), ": 8 fits");
 * assertEquals(messageText(advice), "take a smaller batchSize: 8 fits");
 * assertEquals(messageText(advice, (name) => `--${name}`), "take a smaller --batchSize: 8 fits");
 * ```
 */
export function message(...parts: readonly (UserMessage | SettingName)[]): UserMessage {
  return { parts: parts.flatMap(partsOf) };
}

/** The parts of a part. */
function partsOf(part: UserMessage | SettingName): readonly (string | SettingName)[] {
  return typeof part === "string" || "setting" in part ? [part] : part.parts;
}

/**
 * A message as plain text.
 *
 * @param message The message.
 * @param nameOf How a setting is called there (default: by its own name).
 * @returns The text.
 */
export function messageText(
  message: UserMessage,
  nameOf: (setting: string) => string = (name) => name,
): string {
  if (typeof message === "string") return message;
  return message.parts.map((part) => typeof part === "string" ? part : nameOf(part.setting))
    .join("");
}

/**
 * Messages in a row.
 *
 * @param messages The messages.
 * @param separator The text between two of them.
 * @returns One message.
 */
export function joined(messages: readonly UserMessage[], separator: string): UserMessage {
  return {
    parts: messages.flatMap((message, i) =>
      i === 0 ? partsOf(message) : [separator, ...partsOf(message)]
    ),
  };
}
