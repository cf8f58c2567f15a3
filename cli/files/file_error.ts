/**
 * Errors of file operations, in words for the user.
 *
 * @module
 */

import { UserError } from "@unitune/training";

/** A file or folder cannot be read or written. Another attempt may succeed. */
export class FileError extends UserError {
  /** The kind of error. */
  override readonly name = "FileError";
}

/**
 * Turns the error of a file operation into one for the user; any other error is returned as it is.
 *
 * @param error The error that the file system threw.
 * @param doing The attempted operation, as a verb: `"read"`, `"write"`.
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
  // Deno does not know the codes of all system errors.
  const why = reasons[code] ?? /^(.+?) \(os error \d+\)/.exec(error.message)?.[1];
  if (why === undefined) return error;
  return new FileError(`can't ${doing} ${path}: ${why}`, { cause: error });
}

/** The reason of a failure and the remedy, by the system's code or Deno's name of the error. */
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
