/** Errors for the user. */
import { abridged, printable } from "@unitune/core";
import { messageText, type UserMessage } from "./message.ts";

/** The most characters of a message; names in it are shortened further. */
const LONGEST_MESSAGE = 800;

/** Options of a {@linkcode UserError}. */
export interface UserErrorOptions extends ErrorOptions {
  /** A shell command that helps; it is the last line of the message. */
  readonly command?: string;
}

/**
 * An error that the user can correct. The message says what was wrong, where, and what to do. It is
 * one line of bounded length without control characters, whatever names it quotes, perhaps followed
 * by a command that helps.
 */
export class UserError extends Error {
  /** The kind of error. */
  override readonly name: string = "UserError";
  /** The message with the names of settings apart. */
  readonly told: UserMessage;
  /** A command that helps. */
  readonly command: string | undefined;

  /**
   * Makes an error.
   *
   * @param told The message: what was wrong, where, and what to do.
   * @param options The cause, and a command that helps.
   */
  constructor(told: UserMessage, { command, ...options }: UserErrorOptions = {}) {
    super(textOf(told, command), options);
    this.told = told;
    this.command = command;
  }

  /**
   * The message with other names of settings.
   *
   * @param nameOf The name for a setting.
   * @returns The text.
   */
  textWith(nameOf: (setting: string) => string): string {
    return textOf(this.told, this.command, nameOf);
  }
}

/** A message of bounded length, and a command that helps. */
function textOf(
  told: UserMessage,
  command: string | undefined,
  nameOf?: (setting: string) => string,
): string {
  const sentence = abridged(printable(messageText(told, nameOf)), LONGEST_MESSAGE);
  return command === undefined ? sentence : `${sentence}\n  ${printable(command)}`;
}

/** The position of a run when it failed. */
export interface FailurePlace {
  /** The number of finished steps. */
  readonly step: number;
  /** The step of the latest checkpoint; undefined if there is none. */
  readonly saved: number | undefined;
}

/** A run stopped because a measured quantity is no longer finite. */
export class DivergedError extends UserError {
  /** The kind of error. */
  override readonly name = "DivergedError";
  /** The quantities by name, at least one of which is not finite. */
  readonly quantities: Readonly<Record<string, number>>;
  /** The position of the run. */
  readonly place: FailurePlace;
  /** The step and the quantities, in words. */
  readonly happened: string;

  /**
   * Makes an error.
   *
   * @param quantities The quantities by name.
   * @param place The position of the run.
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

/** A run stopped because its device failed, or has too little memory. */
export class DeviceFailedError extends UserError {
  /** The kind of error. */
  override readonly name = "DeviceFailedError";
  /** The error of the device. */
  override readonly cause: Error;
  /** The position of the run. */
  readonly place: FailurePlace;

  /**
   * Makes an error.
   *
   * @param cause The error of the device.
   * @param place The position of the run.
   */
  constructor(cause: Error, place: FailurePlace) {
    super(`training stopped at step ${place.step}: ${cause.message}`, { cause });
    this.cause = cause;
    this.place = place;
  }
}
