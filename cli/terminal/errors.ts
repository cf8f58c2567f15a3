/**
 * Errors for people, and how a command ends.
 *
 * What the user can put right (a missing file, a wrong flag, a damaged checkpoint, a model that the
 * memory has no room for) ends with its message alone. Anything else is a defect and keeps its stack.
 *
 * @module
 */

import { clipped, OutOfMemoryError, printableLines, SafetensorsError } from "@unitune/core";
import { CheckpointError, NonFiniteLogitsError } from "@unitune/models";
import { UserError } from "@unitune/training";
import { tell } from "./terminal.ts";

/** A command line that can't be understood. */
export class UsageError extends UserError {
  /** The kind of error. */
  override readonly name = "UsageError";
}

/** How a failed command ends. */
export interface Failure {
  /** What is written to standard error. */
  readonly message: string;
  /** 1: it could not be done. 2: the command line is wrong. 70: a defect of the program. */
  readonly exitCode: 1 | 2 | 70;
}

/**
 * What is shown for an error, and the exit code (2 and 70 as in sysexits and most shells).
 *
 * @param error What was thrown.
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
  if (error instanceof UsageError) {
    return { message: `error: ${error.message}\nSee --help.`, exitCode: 2 };
  }
  const told = userErrorOf(error);
  if (told !== undefined) return { message: `error: ${told.message}`, exitCode: 1 };
  const detail = printableLines(error instanceof Error ? describe(error) : String(error));
  return {
    message: `unexpected error (a defect of the program): ${clipped(detail, LONGEST_STACK)}`,
    exitCode: 70,
  };
}

/** Characters of a defect's stack that are shown. */
const LONGEST_STACK = 20_000;

/** What packages refuse to read, to compute or to hold: no defect, though nobody gave it a place. */
const circumstances = [OutOfMemoryError, SafetensorsError, CheckpointError, NonFiniteLogitsError];

/**
 * What the user can put right of a failure: a {@linkcode UserError} itself, and what packages refuse
 * to read, to compute or to hold.
 *
 * @param error What was thrown.
 * @returns The error to show; undefined where it is a defect.
 *
 * @example
 * ```ts
 * import { userErrorOf } from "@unitune/cli";
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
 * Whether something failed because there is not enough memory.
 *
 * @param error What was thrown.
 * @returns True where it says so.
 *
 * @example
 * ```ts
 * import { isOutOfMemory } from "@unitune/cli";
 * import { assert, assertThrows } from "@std/assert";
 *
 * assert(isOutOfMemory(assertThrows(() => new ArrayBuffer(2 ** 50))));
 * ```
 */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof OutOfMemoryError ||
    (error instanceof RangeError && EXHAUSTED.test(error.message));
}

/** The engine's words for memory that it has not: nothing else tells such an error from others. */
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

/** The stack, and those of the causes. */
function describe(error: Error): string {
  const own = error.stack ?? `${error.name}: ${error.message}`;
  return error.cause instanceof Error ? `${own}\ncaused by ${describe(error.cause)}` : own;
}

/**
 * Runs a command to its end. A failure is written to standard error and ends the process with its
 * exit code, whatever is still open.
 *
 * @param main The command; it returns its exit code, or nothing for 0.
 * @returns When the command has succeeded.
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
