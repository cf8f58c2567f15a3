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

/** The ending of files of running text. */
export const TEXT_ENDING = ".txt";

/** Whether a file has running text, by the ending of its name. */
export function isTextFile(name: string): boolean {
  return name.toLowerCase().endsWith(TEXT_ENDING);
}

/** A text, and the file that it is from. */
export interface NamedText {
  /** The name of the file, for errors. */
  readonly file: string;
  /** The text. */
  readonly text: string;
}

/** The texts that say something; blank ones are none. */
function saidTexts(texts: readonly NamedText[]): readonly NamedText[] {
  const said = texts.filter(({ text }) => text.trim() !== "");
  const [first] = texts;
  if (said.length > 0 || first === undefined) return said;
  throw new UserError(`${first.file} is empty: there is nothing to train on`);
}

/** Stands between two texts. */
const PARTING = "\n\n";

/** One text of several. */
function joined(texts: readonly string[]): string {
  const length = texts.reduce((sum, text) => sum + text.length + PARTING.length, -PARTING.length);
  if (length <= longestText) return texts.join(PARTING);
  throw new UserError(
    `the texts have ${length} characters, and running text has at most ${longestText}: make rows ` +
      `of them, each with a text`,
  );
}

/**
 * Joins texts to one, with an empty line between two. Blank ones are left out.
 *
 * @param texts The texts, at least one.
 * @returns The text.
 * @throws {UserError} If all are blank, or the text is longer than a string can be.
 */
export function joinedText(texts: readonly NamedText[]): string {
  return joined(saidTexts(texts).map(({ text }) => text));
}

/**
 * Splits texts into a dataset: the first 90 % of the length of each for training, the rest for
 * validation.
 *
 * @param texts The texts, at least one.
 * @param share The share for validation (default 0.1).
 * @returns The dataset.
 * @throws {UserError} If all texts are blank or too short to be split, or there are too many.
 */
export function textDataset(texts: readonly NamedText[], share?: number): TextDataset {
  const said = saidTexts(texts);
  const parts = said.map(({ text }) => {
    if ([...text.slice(0, 3)].length < 2) return { train: text, rest: "" };
    const cut = wholeCharacters(text, trainingLength(text.length, share));
    return { train: text.slice(0, cut), rest: text.slice(cut) };
  });
  const validation = joined(parts.flatMap(({ rest }) => rest === "" ? [] : [rest]));
  if (share !== 0 && validation === "") {
    throw new UserError(
      `${said[0]?.file} has 1 character: it takes 2, one of them for validation, or ` +
        `--validation-share 0`,
    );
  }
  return { kind: "text", train: joined(parts.map(({ train }) => train)), validation };
}

/** Moves a cut that would halve a surrogate pair in front of the pair, or behind the first character. */
function wholeCharacters(text: string, cut: number): number {
  const halves = /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(cut - 1, cut + 1));
  if (!halves) return cut;
  return cut === 1 ? 2 : cut - 1;
}
