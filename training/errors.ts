/** Errors for people. */
import { clipped, printable } from "@unitune/core";
import { type Message, messageText } from "./message.ts";

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
  /** The message with the names of settings apart. */
  readonly told: Message;
  /** A command that helps. */
  readonly command: string | undefined;

  /**
   * The error with a message.
   *
   * @param told What was wrong, where, and what to do.
   * @param options The cause, and a command that helps.
   */
  constructor(told: Message, { command, ...options }: UserErrorOptions = {}) {
    super(textOf(told, command), options);
    this.told = told;
    this.command = command;
  }

  /**
   * The message where settings have other names.
   *
   * @param nameOf How a setting is called there.
   * @returns The text.
   */
  textWith(nameOf: (setting: string) => string): string {
    return textOf(this.told, this.command, nameOf);
  }
}

/** A message of bounded length, and a command that helps. */
function textOf(
  told: Message,
  command: string | undefined,
  nameOf?: (setting: string) => string,
): string {
  const sentence = clipped(printable(messageText(told, nameOf)), LONGEST_MESSAGE);
  return command === undefined ? sentence : `${sentence}\n  ${printable(command)}`;
}

/** Where a run had come to when it failed. */
export interface FailurePlace {
  /** Steps done. */
  readonly step: number;
  /** The step of the latest checkpoint; undefined where there is none. */
  readonly saved: number | undefined;
}

/** A run stops because a quantity that it measures is no longer a finite number. */
export class DivergedError extends UserError {
  /** The kind of error. */
  override readonly name = "DivergedError";
  /** The quantities by their names, at least one of them not finite. */
  readonly quantities: Readonly<Record<string, number>>;
  /** Where the run had come to. */
  readonly place: FailurePlace;
  /** The step and the quantities, in words. */
  readonly happened: string;

  /**
   * The error at a place.
   *
   * @param quantities The quantities by their names.
   * @param place Where the run had come to.
   */
  constructor(quantities: Readonly<Record<string, number>>, place: FailurePlace) {
    const facts = Object.entries(quantities).map(([name, value]) => `the ${name} is ${value}`);
    const happened = `training stopped at step ${place.step}, where ${facts.join(" and ")}`;
    super(
      `${happened}: ${
        place.step === 0
          ? "the model that it starts from is broken, take another"
          : "a lower learning rate usually helps"
      }`,
    );
    this.happened = happened;
    this.quantities = quantities;
    this.place = place;
  }
}

/** A run stops because its device fails, or its memory does not suffice. */
export class DeviceFailedError extends UserError {
  /** The kind of error. */
  override readonly name = "DeviceFailedError";
  /** What the device says. */
  override readonly cause: Error;
  /** Where the run had come to. */
  readonly place: FailurePlace;

  /**
   * The error at a place.
   *
   * @param cause What the device says.
   * @param place Where the run had come to.
   */
  constructor(cause: Error, place: FailurePlace) {
    super(`training stopped at step ${place.step}: ${cause.message}`, { cause });
    this.cause = cause;
    this.place = place;
  }
}
