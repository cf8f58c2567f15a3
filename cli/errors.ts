/**
 * Errors for people, and how a command ends.
 *
 * What the user can put right (a missing file, a wrong flag) is a {@linkcode UserError}: its message
 * is all that is shown. Anything else is a defect and keeps its stack.
 *
 * @module
 */

import { OutOfMemoryError } from "@unitune/core";
import { tell } from "./terminal.ts";

/** A failure that the user can put right: the message says what was wrong, where, and what to do. */
export class UserError extends Error {
  /** The kind of error. */
  override readonly name: string = "UserError";
}

/** A file or folder that cannot be read or written: it may be possible another time. */
export class FileError extends UserError {
  /** The kind of error. */
  override readonly name = "FileError";
}

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
 * import { failureOf, UserError } from "@unitune/cli";
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
  if (error instanceof UserError || error instanceof OutOfMemoryError) {
    return { message: `error: ${error.message}`, exitCode: 1 };
  }
  const detail = error instanceof Error ? describe(error) : String(error);
  return { message: `unexpected error (a defect of the program): ${detail}`, exitCode: 70 };
}

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

/**
 * The user's error behind a failed file operation, or the error itself where it is none.
 *
 * @param error What the file system threw.
 * @param doing What was tried, as a verb: `"read"`, `"write"`.
 * @param path The file or folder.
 * @returns The error to throw.
 *
 * @example
 * ```ts
 * import { fileError } from "@unitune/cli";
 * import { assertEquals } from "@std/assert";
 *
 * const error = fileError(new Deno.errors.NotFound(), "read", "data.txt");
 * assertEquals(error instanceof Error && error.message, "can't read data.txt: it does not exist");
 * ```
 */
export function fileError(error: unknown, doing: string, path: string): unknown {
  if (!(error instanceof Error) || error instanceof UserError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  // Not every error of the system has a code that Deno knows.
  const why = reasons[code] ?? /^(.+?) \(os error \d+\)/.exec(error.message)?.[1];
  if (why === undefined) return error;
  return new FileError(`can't ${doing} ${path}: ${why}`, { cause: error });
}

/** Why a file operation failed and what to do, by the system's code or Deno's error name. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  NotFound: "it does not exist",
  EISDIR: "it is a folder",
  IsADirectory: "it is a folder",
  ENOTDIR: "a part of its path is not a folder",
  NotADirectory: "a part of its path is not a folder",
  EACCES: "the permission is missing",
  EPERM: "the permission is missing",
  PermissionDenied: "the permission is missing",
  NotCapable: "Deno was not given the permission (--allow-read, --allow-write)",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full: free some space",
  EDQUOT: "the disk quota is used up: free some space",
  EEXIST: "a file of this name is there already",
  AlreadyExists: "a file of this name is there already",
  EMFILE: "too many files are open: close some, or allow more (ulimit -n)",
  ENFILE: "too many files are open on this machine: close some programs",
  ENAMETOOLONG: "its name is too long",
  EIO: "the disk reports an input/output error",
};
