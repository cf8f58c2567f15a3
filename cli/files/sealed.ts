/**
 * Files that a command writes for people, such as pages and plots. Each ends with a seal: a line
 * with the digest of everything before it. A command replaces only a file with a valid seal, which
 * was written by a command and has not been changed since.
 *
 * @module
 */

import { digestOf } from "./digest.ts";
import { fileError } from "./file_error.ts";
import { UserError } from "@unitune/training";
import { writeFileAtomically } from "./atomic.ts";

/**
 * Adds a seal to a text, as a comment that HTML, SVG and Markdown all have.
 *
 * @param text The text; a missing newline at its end is added.
 * @returns The text and its seal.
 *
 * @example
 * ```ts
 * import { isSealed, sealed } from "./sealed.ts";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const page = sealed("<p>Notes</p>");
 * assert(/^<p>Notes<\/p>\n<!-- unitune [0-9a-f]{64} -->\n$/.test(page));
 * assertEquals([page, page.replace("Notes", "My notes")].map(isSealed), [true, false]);
 * ```
 */
export function sealed(text: string): string {
  const whole = text.endsWith("\n") ? text : `${text}\n`;
  return `${whole}<!-- unitune ${digestOf(whole)} -->\n`;
}

/**
 * Tells whether a text has a valid seal, so that it is unchanged since {@linkcode sealed} made it.
 *
 * @param text The text.
 * @returns True if the seal is valid.
 */
export function isSealed(text: string): boolean {
  const end = text.lastIndexOf("\n", text.length - 2) + 1;
  return end > 0 && text === sealed(text.slice(0, end));
}

/**
 * Refuses to replace anything but a file with a valid seal.
 *
 * @param path The path where a sealed file is to be written.
 * @param instead Advice for the user, such as `"give --out another file"`.
 * @throws {UserError} If the path holds anything else.
 */
export async function requireReplaceable(path: string, instead: string): Promise<void> {
  let text: string;
  try {
    // A link is refused, too: replacing it would keep its target, but the user made the link.
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile || size > LARGEST) throw foreign(path, instead);
    text = await Deno.readTextFile(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return;
    throw fileError(error, "read", path);
  }
  if (!isSealed(text)) throw foreign(path, instead);
}

/** More bytes than any page of ours has. */
const LARGEST = 2 ** 28;

function foreign(path: string, instead: string): UserError {
  return new UserError(
    `${path} already exists, and was not written by this command or was changed since: move it ` +
      `away, or ${instead}`,
  );
}

/**
 * Writes a text with its seal. An existing file is replaced only if its seal is valid.
 *
 * @param path The path of the file; its folder exists.
 * @param text The text.
 * @param instead Advice for the user if the path holds something else.
 * @throws {UserError} If the path holds something else, or the file cannot be written.
 */
export async function writeSealed(path: string, text: string, instead: string): Promise<void> {
  await requireReplaceable(path, instead);
  await writeFileAtomically(path, sealed(text));
}
