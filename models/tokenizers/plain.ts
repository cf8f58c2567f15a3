/** Character and byte tokenizers from their files. */

import { quoted } from "@unitune/core";
import { byteTokenizer } from "./bytes.ts";
import { characterTokenizer } from "./characters.ts";
import { parseJson } from "./parse_json.ts";
import { specialPieces } from "./role_tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { TOKENIZER } from "./tokenizer_json.ts";

/** Files that no tokenizer can be read from. */
export class TokenizerError extends Error {
  /** The name by which the error is told from others. */
  override readonly name = "TokenizerError";
}

/**
 * The character or byte tokenizer that {@linkcode Tokenizer.files} has written. No other tokenizer
 * is read here: `pretrainedTokenizer` of `@unitune/models/pretrained` reads any.
 *
 * @param files The text of `tokenizer.json` by its name; others are ignored.
 * @returns A tokenizer with the same ids.
 * @throws {TokenizerError} If the file is missing, is no JSON, or is of another tokenizer.
 *
 * @example
 * ```ts
 * import { characterTokenizer, plainTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * const files = characterTokenizer("abc").files();
 * assertEquals(plainTokenizer(files).encode("cab"), [7, 5, 6]);
 * ```
 */
export function plainTokenizer(files: ReadonlyMap<string, string>): Tokenizer {
  const tokenizer = findPlainTokenizer(files);
  if (tokenizer !== undefined) return tokenizer;
  throw new TokenizerError(
    `${TOKENIZER} is none of a character or byte tokenizer as Unitune writes them: restore the ` +
      `file, or read it as the tokenizer of a pretrained model`,
  );
}

/**
 * {@linkcode plainTokenizer} of files that may be of another tokenizer.
 *
 * @param files The text of `tokenizer.json` by its name; others are ignored.
 * @returns A tokenizer with the same ids; undefined if the file is of another tokenizer.
 * @throws {TokenizerError} If the file is missing, or is no JSON.
 *
 * @example
 * ```ts
 * import { byteTokenizer, findPlainTokenizer } from "@unitune/models";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(findPlainTokenizer(byteTokenizer().files())?.kind, "bytes");
 * assertEquals(findPlainTokenizer(new Map([["tokenizer.json", "{}"]])), undefined);
 * ```
 */
export function findPlainTokenizer(files: ReadonlyMap<string, string>): Tokenizer | undefined {
  const text = files.get(TOKENIZER);
  if (text === undefined) throw new TokenizerError(`There is no ${TOKENIZER}`);
  const parsed = parseTokenizer(text);
  const tokenizer = vocabularyIn(parsed);
  // The file is compared as a whole, so a change of any part of it is noticed.
  return tokenizer !== undefined && JSON.stringify(parsed) === compact(tokenizer)
    ? tokenizer
    : undefined;
}

/** The JSON of a tokenizer's file. */
function parseTokenizer(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new TokenizerError(`${TOKENIZER} is not JSON: ${quoted(messageOf(error))}`, {
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The tokenizer of a file's vocabulary, if the file could be one that is written here. */
function vocabularyIn(parsed: unknown): Tokenizer | undefined {
  const { type, vocab } = record(record(parsed).model);
  if (type === "BPE") return byteTokenizer();
  const characters = Object.keys(record(vocab)).filter((piece) => !specialPieces.includes(piece));
  const isCharacters = type === "WordLevel" && characters.length > 0 &&
    characters.every((character) => [...character].length === 1 && character.isWellFormed());
  return isCharacters ? characterTokenizer(characters) : undefined;
}

/** An object's fields; none of anything else. */
function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** The text of a tokenizer's file without spaces. */
function compact(tokenizer: Tokenizer): string {
  return JSON.stringify(parseJson(tokenizer.files().get(TOKENIZER) ?? "null"));
}
