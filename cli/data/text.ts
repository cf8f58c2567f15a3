/**
 * Running text as data.
 *
 * @module
 */

import { type Dataset, trainingLength, UserError } from "@unitune/training";
import { decodeUtf8 } from "../files/utf8.ts";

/** Running text, for training and for validation. */
export type TextDataset = Extract<Dataset, { readonly kind: "text" }>;

/** The most characters of a JavaScript string in this engine. */
export const longestText: number = 2 ** 29 - 24;

/**
 * Decodes a text file: UTF-8, without a byte order mark, with `\n` for `\r\n`.
 *
 * @param bytes The content of the file.
 * @param file The name of the file, for errors.
 * @returns The text.
 * @throws {UserError} If the bytes are not UTF-8; the message has the offset.
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
 * Splits a text into a dataset: the first 90 % of its length for training, the rest for validation.
 *
 * @param text The text.
 * @param file The name of its file, for errors.
 * @param share The share for validation (default 0.1).
 * @returns The dataset.
 * @throws {UserError} If the text is blank or too short to be split.
 */
export function textDataset(text: string, file: string, share?: number): TextDataset {
  requireText(text, file);
  if (share !== 0 && [...text.slice(0, 3)].length < 2) {
    throw new UserError(
      `${file} has 1 character: it takes 2, one of them for validation, or --validation-share 0`,
    );
  }
  const cut = wholeCharacters(text, trainingLength(text.length, share));
  return { kind: "text", train: text.slice(0, cut), validation: text.slice(cut) };
}

/** Refuses a text of nothing but white space. */
export function requireText(text: string, file: string): void {
  if (text.trim() === "") throw new UserError(`${file} is empty: there is nothing to train on`);
}

/** Moves a cut that would halve a surrogate pair in front of the pair. */
function wholeCharacters(text: string, cut: number): number {
  const halves = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(cut - 1, cut + 1));
  return halves ? cut - 1 : cut;
}
