/**
 * Names of models on the hub, and of their revisions.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";

/** The revision that is meant where none is named: the branch that every model has. */
export const MAIN = "main";

/** The most characters of a name. */
const LONGEST = 96;

/**
 * Tells whether a text is a name as the hub gives them: `OWNER/NAME`, or `NAME` for some old models.
 * Each part is of letters, digits, `_`, `.` and `-`, begins and ends with none of the last two, and
 * holds neither `--` nor `..`; a name does not end with `.git`
 * ([the rules](https://github.com/huggingface/huggingface_hub/issues/1008)).
 *
 * @param text The text.
 * @returns True if it is one.
 *
 * @example
 * ```ts
 * import { isHubName } from "./names.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const texts = ["HuggingFaceTB/SmolLM2-135M", "gpt2", "./gpt2", "a/b/c", "a--b", "a/b.git"];
 * assertEquals(texts.map(isHubName), [true, true, false, false, false, false]);
 * ```
 */
export function isHubName(text: string): boolean {
  return text.length <= LONGEST && NAME.test(text) && !/--|\.\.|\.git$/.test(text);
}

/** One or two parts. */
const NAME = /^(?:\w(?:[\w.-]*\w)?\/)?\w(?:[\w.-]*\w)?$/;

/**
 * Refuses what is no name of a model.
 *
 * @param text The text.
 * @returns The same text.
 * @throws {UserError} If it is no name.
 */
export function requireHubName(text: string): string {
  if (isHubName(text)) return text;
  throw new UserError(
    `${quoted(text)} is no name of the hub: those are of the form OWNER/NAME, such as ` +
      `HuggingFaceTB/SmolLM2-135M-Instruct`,
  );
}

/**
 * Refuses what is no revision: a branch, a tag or a commit. A branch may have slashes, as in
 * `refs/pr/1`; none of its parts is `.` or `..`, since it names a file of the cache.
 *
 * @param text The text.
 * @returns The same text.
 * @throws {UserError} If it is no revision.
 */
export function requireRevision(text: string): string {
  const parts = text.split("/");
  if (
    text.length <= 256 && parts.every((part) => /^[\w.+@-]+$/.test(part) && !/^\.\.?$/.test(part))
  ) {
    return text;
  }
  throw new UserError(
    `${quoted(text)} is no revision: name a branch, a tag, or a commit of 40 hexadecimal digits`,
  );
}

/**
 * Tells whether a revision is a commit, which never changes.
 *
 * @param revision The revision.
 * @returns True for 40 hexadecimal digits.
 */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
