/**
 * Errors of commands: the message that is shown and the exit code.
 *
 * An error that the user can correct (a missing file, a wrong flag, a damaged checkpoint, a model
 * too large for the memory) is shown as its message alone. Any other error is a defect, and is
 * shown with its stack.
 *
 * @module
 */

import { abridged, OutOfMemoryError, printableLines, SafetensorsError } from "@unitune/core";
import { CheckpointError, NonFiniteLogitsError } from "@unitune/models";
import { SettingsError, UserError } from "@unitune/training";
import { shownError } from "./messages.ts";
import { tell } from "./terminal.ts";

/** The command line is wrong. */
export class UsageError extends UserError {
  /** The kind of error. */
  override readonly name = "UsageError";
}

/** The end of a failed command. */
export interface Failure {
  /** The text for standard error. */
  readonly message: string;
  /** 1: the command failed. 2: the command line is wrong. 70: the program has a defect. */
  readonly exitCode: 1 | 2 | 70;
}

/**
 * The message for an error, and the exit code (2 as in most shells, 70 as in sysexits).
 *
 * @param error The thrown value.
 * @returns The message and the exit code.
 *
 * @example
 * ```ts
 * import { failureOf } from "@unitune/cli";
 * import { UserError } from "@unitune/training";
 * import { assertEquals } from "@std/assert";
 *
 * const failure = failureOf(new UserError("data.txt is empty"));
 * assertEquals(failure, { message: "error: data.txt is empty", exitCode: 1 });
 * ```
 */
export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError || error instanceof SettingsError) {
    return { message: `error: ${shownError(error)}\nSee --help.`, exitCode: 2 };
  }
  const told = userErrorOf(error);
  if (told !== undefined) return { message: `error: ${shownError(told)}`, exitCode: 1 };
  const detail = printableLines(error instanceof Error ? describe(error) : String(error));
  return {
    message: `unexpected error (a defect of the program): ${abridged(detail, LONGEST_STACK)}`,
    exitCode: 70,
  };
}

/** The most characters of a defect's stack that are shown. */
const LONGEST_STACK = 20_000;

/** Errors of the packages that are no defects: input, numbers or memory that they refuse. */
const circumstances = [OutOfMemoryError, SafetensorsError, CheckpointError, NonFiniteLogitsError];

/**
 * The error for the user: a {@linkcode UserError} itself, or one with the message of an error by
 * which a package refuses its input, numbers that are not finite, or more than the memory holds.
 *
 * @param error The thrown value.
 * @returns The error to show, or undefined for a defect.
 *
 * @example
 * ```ts
 * import { userErrorOf } from "./errors.ts";
 * import { SafetensorsError } from "@unitune/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(userErrorOf(new SafetensorsError("truncated"))?.message, "truncated");
 * assertEquals(userErrorOf(new TypeError("x is undefined")), undefined);
 * ```
 */
export function userErrorOf(error: unknown): UserError | undefined {
  if (error instanceof UserError) return error;
  if (!(error instanceof Error)) return undefined;
  if (circumstances.some((kind) => error instanceof kind)) {
    return new UserError(error.message, { cause: error });
  }
  if (!isOutOfMemory(error)) return undefined;
  return new UserError(
    `there is not enough memory for this (${error.message}): make the model, the batch or the data ` +
      `smaller`,
    { cause: error },
  );
}

/**
 * Tells whether an error was caused by a lack of memory.
 *
 * @param error The thrown value.
 * @returns True if its kind or its message says so.
 *
 * @example
 * ```ts
 * import { isOutOfMemory } from "./errors.ts";
 * import { assert, assertThrows } from "@std/assert";
 *
 * assert(isOutOfMemory(assertThrows(() => new ArrayBuffer(2 ** 50))));
 * ```
 */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof OutOfMemoryError ||
    (error instanceof RangeError && EXHAUSTED.test(error.message));
}

/** The engine's messages for a lack of memory: nothing else tells these errors from others. */
const EXHAUSTED = new RegExp(
  `^(?:${
    [
      "Array buffer allocation failed",
      "Invalid string length",
      "Invalid (?:typed )?array length(?:: \\d+)?",
      "(?:Map|Set) maximum size exceeded",
      "WebAssembly\\.Memory(?:\\.grow)?\\(\\): .*memory.*",
    ].join("|")
  })$`,
);

/** The stack of an error, followed by those of its causes. */
function describe(error: Error): string {
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}\ncaused by ${describe(error.cause)}` : own;
}

/**
 * Runs a command. If it fails, the message is written to standard error and the process ends with
 * the exit code.
 *
 * @param main The command; it returns its exit code, or nothing for 0.
 */
export async function runCommand(
  main: () => number | void | Promise<number | void>,
): Promise<void> {
  try {
    const exitCode = await main() ?? 0;
    if (exitCode !== 0) Deno.exit(exitCode);
  } catch (error) {
    const { message, exitCode } = failureOf(error);
    tell(message);
    Deno.exit(exitCode);
  }
}
