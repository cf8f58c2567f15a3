/**
 * Files that a command writes for people, such as pages and plots. Each ends with a line that bears
 * the digest of all before it, its seal. So a command knows again what a command has written and
 * nobody has changed since, and replaces nothing else.
 *
 * @module
 */

import { digestOf } from "./digest.ts";
import { fileError } from "./file_error.ts";
import { UserError } from "@unitune/training";
import { writeFileAtomically } from "./atomic.ts";

/**
 * A text with its seal: a comment of HTML, of SVG and of Markdown.
 *
 * @param text The text; a newline is added where it does not end with one.
 * @returns The text and its seal.
 *
 * @example
 * ```ts
 * import { isSealed, sealed } from "@unitune/cli";
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
 * Whether a text bears its own seal: it is all that {@linkcode sealed} made, unchanged.
 *
 * @param text The text.
 * @returns True where it does.
 */
export function isSealed(text: string): boolean {
  const end = text.lastIndexOf("\n", text.length - 2) + 1;
  return end > 0 && text === sealed(text.slice(0, end));
}

/**
 * Refuses to write where something is that no command has written, or that was changed since.
 *
 * @param path Where a sealed file is to be written.
 * @param instead What else one can do, such as `"give --out another file"`.
 * @throws {UserError} If something else is there.
 */
export async function requireReplaceable(path: string, instead: string): Promise<void> {
  let text: string;
  try {
    // A link is replaced with the file that it leads to left as it is; it is somebody's all the same.
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

/** Bytes that no page of ours has. */
const LARGEST = 2 ** 28;

function foreign(path: string, instead: string): UserError {
  return new UserError(
    `${path} is there already, and was not written by this command or was changed since: move it ` +
      `away, or ${instead}`,
  );
}

/**
 * Writes a file with its seal. It takes the place of nothing but a file that bears its seal.
 *
 * @param path Where; its folder exists.
 * @param text The text.
 * @param instead What else one can do, where something else is there.
 * @throws {UserError} If something else is there, or the file cannot be written.
 */
export async function writeSealed(path: string, text: string, instead: string): Promise<void> {
  await requireReplaceable(path, instead);
  await writeFileAtomically(path, sealed(text));
}
