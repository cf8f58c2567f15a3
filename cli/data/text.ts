/**
 * Plain text files.
 *
 * @module
 */

import { type Dataset, trainingLength, UserError } from "@unitune/training";
import { decodeUtf8 } from "../files/utf8.ts";

/** The most characters that a string of the JavaScript engine can have. */
export const longestText: number = 2 ** 29 - 24;

/**
 * A text file's bytes as text: UTF-8, without a byte order mark, with `\n` for `\r\n`.
 *
 * @param bytes The file.
 * @param file Its name, for errors.
 * @returns The text.
 * @throws {UserError} Where the bytes are not UTF-8, with the offset.
 */
export function parseText(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(
    bytes,
    (offset, description) =>
      new UserError(`${file} is not UTF-8: at byte ${offset} there is the ${description}`),
  );
  return text.replaceAll("\r\n", "\n");
}

/**
 * A text as a dataset: the first 90 % of its length for training, the rest for validation.
 *
 * @param text The text.
 * @param file Where it comes from, for errors.
 * @returns The dataset.
 * @throws {UserError} Where the text is blank or too short to be cut in two.
 */
export function textDataset(text: string, file: string): Dataset {
  if (text.trim() === "") throw new UserError(`${file} is empty: there is nothing to train on`);
  if ([...text.slice(0, 3)].length < 2) {
    throw new UserError(`${file} has 1 character: it takes 2, one of them for validation`);
  }
  const cut = wholeCharacters(text, trainingLength(text.length));
  return { kind: "text", train: text.slice(0, cut), validation: text.slice(cut) };
}

/** A cut that would halve a surrogate pair, moved in front of it. */
function wholeCharacters(text: string, cut: number): number {
  const halves = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(cut - 1, cut + 1));
  return halves ? cut - 1 : cut;
}
