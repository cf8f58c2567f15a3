/** The files of a pretrained tokenizer, read and checked. */

import { quoted } from "@unitune/core";
import { TokenizerError } from "../tokenizers/plain.ts";
import { parseJson } from "../tokenizers/parse_json.ts";
import { TOKENIZER, TOKENIZER_CONFIG } from "../tokenizers/tokenizer_json.ts";

/** The files that a tokenizer is read from. */
export const tokenizerFileNames = [
  TOKENIZER,
  TOKENIZER_CONFIG,
  "chat_template.jinja",
  "generation_config.json",
  "config.json",
] as const;

/** The name of a file that a tokenizer is read from. */
export type TokenizerFileName = typeof tokenizerFileNames[number];

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads the JSON object in a file, or undefined if there is no such file. */
export function readObject(
  files: ReadonlyMap<string, string>,
  name: TokenizerFileName,
): JsonObject | undefined {
  const text = files.get(name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new TokenizerError(
      `${name} is not JSON: ${quoted(error.message)}; take the file from its source again`,
      { cause: error },
    );
  }
  if (isObject(value)) return value;
  throw new TokenizerError(`${name} is a JSON object, not ${quoted(value)}`);
}

/** The models of tokenizers that the library computes; it would take another one for one of these. */
const kinds = ["BPE", "Unigram", "WordPiece"] as const;

/** The pieces of a tokenizer. */
export interface Pieces {
  /** The kind of its model. */
  readonly kind: typeof kinds[number];
  /** The ids of all pieces. */
  readonly ids: ReadonlyMap<string, number>;
  /** The ids that are tokens of their own in a text and stand for no text. */
  readonly special: ReadonlySet<number>;
  /** The tokens beside the vocabulary, which texts are searched for. */
  readonly added: readonly AddedToken[];
}

/** A token beside the vocabulary. */
export interface AddedToken {
  /** Its text. */
  readonly content: string;
  /** Whether it takes the space before it. */
  readonly takesBefore: boolean;
  /** Whether it takes the space behind it. */
  readonly takesBehind: boolean;
}

function wrong(rule: string): TokenizerError {
  return new TokenizerError(`${TOKENIZER} cannot be used: ${rule}; take it from its source again`);
}

/** The entries of a vocabulary: an object from pieces to ids, or a list of pieces and scores. */
function vocabularyEntries(vocab: unknown): readonly (readonly [unknown, unknown])[] {
  if (isObject(vocab)) return Object.entries(vocab);
  if (Array.isArray(vocab)) {
    return vocab.map((entry: unknown, id) => [Array.isArray(entry) ? entry[0] : undefined, id]);
  }
  throw wrong(`"model.vocab" is ${quoted(vocab)}, expected an object or a list`);
}

/** The pieces in `tokenizer.json`. */
export function piecesOf({ model, added_tokens = [] }: JsonObject): Pieces {
  if (!isObject(model)) throw wrong(`"model" is ${quoted(model)}, expected an object`);
  const { vocab, type = "BPE" } = model;
  const kind = kinds.find((name) => name === type);
  if (kind === undefined) {
    throw wrong(`"model.type" is ${quoted(type)}, expected ${kinds.join(", ")}`);
  }
  if (!Array.isArray(added_tokens)) throw wrong(`"added_tokens" is no list`);
  const added = added_tokens.map((token: unknown) => isObject(token) ? token : {});
  const ids = new Map<string, number>();
  const pieces = new Map<number, string>();
  const entries = [
    ...vocabularyEntries(vocab),
    ...added.map(({ content, id }) => [content, id] as const),
  ];
  for (const [piece, id] of entries) {
    if (typeof piece !== "string" || typeof id !== "number" || !Number.isInteger(id) || id < 0) {
      throw wrong(`the piece ${quoted(piece)} has the id ${quoted(id)}`);
    }
    const other = pieces.get(id);
    if (other !== undefined && other !== piece) {
      throw wrong(`the pieces ${quoted(other)} and ${quoted(piece)} both have the id ${id}`);
    }
    const otherId = ids.get(piece);
    if (otherId !== undefined && otherId !== id) {
      throw wrong(`the piece ${quoted(piece)} has the ids ${otherId} and ${id}`);
    }
    ids.set(piece, id);
    pieces.set(id, piece);
  }
  if (ids.size === 0) throw wrong("its vocabulary is empty");
  const special = added.filter((token) => token.special === true).map(({ id }) => Number(id));
  return {
    kind,
    ids,
    special: new Set(special),
    added: added.map(({ content, lstrip, rstrip }) => ({
      content: String(content),
      takesBefore: lstrip === true,
      takesBehind: rstrip === true,
    })),
  };
}

/** The settings of `tokenizer_config.json` that name a token. */
const namedTokens = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;

/** A setting that names a token. */
export type NamedToken = typeof namedTokens[number];

/** The text of a token's setting: the text itself, or the content of an object. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return isObject(value) && typeof value.content === "string" ? value.content : undefined;
}

/**
 * The tokens that `tokenizer_config.json` names, each of which has to be in the vocabulary.
 *
 * @throws {TokenizerError} If it names another one.
 */
export function namedTokensOf(
  config: JsonObject,
  { ids }: Pieces,
): Readonly<Partial<Record<NamedToken, string>>> {
  const named: Partial<Record<NamedToken, string>> = {};
  for (const name of namedTokens) {
    const text = tokenText(config[name]);
    if (text === undefined) continue;
    if (!ids.has(text)) {
      throw new TokenizerError(
        `${TOKENIZER_CONFIG} names ${quoted(text)} as ${name}, but ${TOKENIZER} has no such ` +
          `token: name another one, or add it to "added_tokens"`,
      );
    }
    named[name] = text;
  }
  return named;
}

/** The ids in a setting that is one id, a list of ids, or null. */
export function idsIn(file: TokenizerFileName, name: string, value: unknown): readonly number[] {
  if (value === undefined || value === null) return [];
  const ids: readonly unknown[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0) return id;
    throw new TokenizerError(
      `${file}: ${name} is ${quoted(value)}, expected a token id or a list of token ids`,
    );
  });
}

/** The templates of a model: the one for every conversation, and one for those with tools. */
export interface TemplateTexts {
  /** The template for conversations. */
  readonly chat: string;
  /** The template for conversations with tools, if it is another one. */
  readonly tools?: string;
}

/** The chat template in the files, if they have one: `chat_template.jinja` comes first. */
export function templateTextsOf(
  files: ReadonlyMap<string, string>,
  { chat_template: setting }: JsonObject,
): TemplateTexts | undefined {
  const file = files.get("chat_template.jinja");
  if (file !== undefined) return { chat: file };
  if (setting === undefined || setting === null) return undefined;
  if (typeof setting === "string") return { chat: setting };
  const entries: readonly unknown[] = Array.isArray(setting) ? setting : [];
  const named = new Map(
    entries.filter(isObject).map(({ name, template }) => [name, template] as const),
  );
  const [chat, tools] = [named.get("default"), named.get("tool_use")];
  if (typeof chat === "string") return { chat, ...typeof tools === "string" && { tools } };
  throw new TokenizerError(
    `${TOKENIZER_CONFIG}: chat_template is ${quoted(setting)}, expected a text, or a list of ` +
      `templates with one named "default"`,
  );
}
