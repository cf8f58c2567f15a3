/** The tokenizer of a pretrained model. */

import { quoted } from "@unitune/core";
import { Tokenizer as Implementation } from "npm:@huggingface/tokenizers@^0.2.0";
import type { ChatFormat, ChatMessage, ChatOptions } from "../chat/chat_format.ts";
import { firstIds, prefixRows, type Renderer } from "../chat/prefixes.ts";
import { TokenizerError } from "../tokenizers/plain.ts";
import { requireId, type Tokenizer } from "../tokenizers/tokenizer.ts";
import { TOKENIZER, TOKENIZER_CONFIG } from "../tokenizers/tokenizer_json.ts";
import { chatTemplate } from "./chat_template.ts";
import { textParts } from "./parts.ts";
import {
  idsIn,
  type JsonObject,
  namedTokensOf,
  type Pieces,
  piecesOf,
  readObject,
  templateTextsOf,
  type TokenizerFileName,
  tokenizerFileNames,
} from "./token_files.ts";

/** Options of reading a tokenizer. */
export interface PretrainedOptions {
  /**
   * The size of the model's vocabulary (default: the tokenizer's). It may be larger than that of
   * the tokenizer, as Qwen3's is: the ids beyond stand for no text.
   */
  readonly vocabulary?: number;
}

/**
 * Reads the tokenizer of a pretrained model, in the files of Hugging Face. It gives the ids of
 * `transformers`: a text that spells a special token has that token.
 *
 * - **Stop tokens** are the `eos_token_id` of `generation_config.json`, one or several, or else
 *   that of `config.json`, and `eos_token` of `tokenizer_config.json`, which ends answers in
 *   training data. If that is missing, the first of the others ends them.
 * - **Without a padding token**, the stop token pads. Padding is never learned nor seen, so any
 *   token would do.
 * - **Without a beginning token**, nothing begins a text. Texts begin with the ids that the
 *   tokenizer itself puts before a text; conversations with those that the template writes.
 *
 * @param files The text of `tokenizer.json` and, where they exist, `tokenizer_config.json`,
 * `chat_template.jinja`, `generation_config.json` and `config.json`, by name.
 * @param options The size of the model's vocabulary.
 * @returns The tokenizer.
 * @throws {TokenizerError} If a file is missing or damaged, names a token that is not there, or
 * there is no stop token.
 *
 * @example
 * ```ts
 * import { byteTokenizer, encodeConversation } from "@unitune/models";
 * import { pretrainedTokenizer } from "@unitune/models/pretrained";
 * import { assertEquals } from "@std/assert";
 *
 * // A byte tokenizer's files hold one that transformers loads.
 * const tokenizer = pretrainedTokenizer(byteTokenizer().files());
 * assertEquals(tokenizer.encode("é"), byteTokenizer().encode("é"));
 * const messages = [{ role: "assistant", content: "é" }] as const;
 * const row = encodeConversation(tokenizer, messages);
 * assertEquals(row, encodeConversation(byteTokenizer(), messages));
 * ```
 */
export function pretrainedTokenizer(
  files: ReadonlyMap<string, string>,
  options: PretrainedOptions = {},
): Tokenizer {
  const tokenizerJson = readObject(files, TOKENIZER);
  if (tokenizerJson === undefined) {
    throw new TokenizerError(
      `There is no ${TOKENIZER}: save the tokenizer as such by transformers' save_pretrained`,
    );
  }
  const config = readObject(files, TOKENIZER_CONFIG) ?? {};
  const pieces = piecesOf(tokenizerJson);
  const named = namedTokensOf(config, pieces);
  const idOf = (name: keyof typeof named) => {
    const text = named[name];
    return text === undefined ? undefined : pieces.ids.get(text);
  };
  const implementation = implementationOf(tokenizerJson, config);
  const tokens = tokenPieces(pieces, options);
  const { stop, stops } = stopsOf(files, idOf("eos_token"), tokens.length);
  const parts = textParts(
    {
      encode: (text) => encoded(implementation, text, false),
      textOf: (id) => implementation.decode([id], { clean_up_tokenization_spaces: false }),
    },
    pieces,
  );
  const renderer = {
    parts: (text: string) => parts(text.toWellFormed()),
    encode: (part: string) => encoded(implementation, part, false),
  };
  const encode = (text: string, most: number = Infinity): number[] =>
    firstIds(renderer, text, most);
  const special = new Set(pieces.special);
  const isText = new Set(pieces.ids.values());
  for (const id of tokens.keys()) if (!isText.has(id)) special.add(id);
  const chat = chatOf(files, config, named, { ...renderer, stops });
  return {
    kind: pieces.kind,
    size: tokens.length,
    tokens,
    special,
    begin: beginOf(implementation, config, idOf("bos_token")),
    stop,
    stops,
    pad: idOf("pad_token") ?? stop,
    ...chat && { chat },
    encode,
    decode(ids, { special: shown = "skipped" } = {}) {
      const kept: number[] = [];
      for (const id of ids) {
        requireId(id, tokens.length);
        if (isText.has(id) && (shown === "shown" || !special.has(id))) kept.push(id);
      }
      // The implementation refuses an empty list, and clean-up changes text.
      return kept.length === 0
        ? ""
        : implementation.decode(kept, { clean_up_tokenization_spaces: false });
    },
    files: () => filesOf(files),
  };
}

/** The library's tokenizer. */
function implementationOf(tokenizerJson: JsonObject, config: JsonObject): Implementation {
  try {
    return new Implementation({ added_tokens: [], ...tokenizerJson }, config);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new TokenizerError(`${TOKENIZER} cannot be used: ${quoted(message)}`, { cause: error });
  }
}

/** The ids of a well-formed text. */
function encoded(implementation: Implementation, text: string, isFramed: boolean): number[] {
  return implementation.encode(text, { add_special_tokens: isFramed }).ids;
}

/** The ids that stand before every text. */
function beginOf(
  implementation: Implementation,
  { add_bos_token: isAsked }: JsonObject,
  bos: number | undefined,
): readonly number[] {
  // The setting replaces what tokenizer.json says, in transformers as well.
  if (typeof isAsked === "boolean") return isAsked && bos !== undefined ? [bos] : [];
  const text = "a";
  const [bare, framed] = [false, true].map((isFramed) => encoded(implementation, text, isFramed));
  const [first] = bare ?? [];
  return first === undefined || framed === undefined
    ? []
    : framed.slice(0, Math.max(0, framed.indexOf(first)));
}

/** The piece of every id up to the size of the vocabulary. */
function tokenPieces({ ids }: Pieces, { vocabulary }: PretrainedOptions): readonly string[] {
  const largest = Array.from(ids.values()).reduce((a, b) => Math.max(a, b), 0);
  const size = vocabulary ?? largest + 1;
  if (largest >= size) {
    throw new TokenizerError(
      `${TOKENIZER} has the token id ${largest}, but the model's vocabulary is ${size}: take both ` +
        `from one model`,
    );
  }
  const tokens = Array.from({ length: size }, (_, id) => `<unused ${id}>`);
  for (const [piece, id] of ids) tokens[id] = piece;
  return tokens;
}

/** The stop tokens, by generation_config.json before config.json. */
function stopsOf(
  files: ReadonlyMap<string, string>,
  eos: number | undefined,
  size: number,
): { readonly stop: number; readonly stops: readonly number[] } {
  const inFile = (file: TokenizerFileName) => {
    const ids = idsIn(file, "eos_token_id", readObject(files, file)?.eos_token_id);
    const strange = ids.find((id) => id >= size);
    if (strange === undefined) return ids;
    throw new TokenizerError(
      `${file}: eos_token_id is ${strange}, but the vocabulary is 0 … ${
        size - 1
      }: take both files ` +
        `from one model`,
    );
  };
  const generation = inFile("generation_config.json");
  const others = generation.length > 0 ? generation : inFile("config.json");
  const stops = [...new Set([...eos === undefined ? [] : [eos], ...others])];
  const [stop] = stops;
  if (stop !== undefined) return { stop, stops };
  throw new TokenizerError(
    `The tokenizer has no stop token, so no answer would end: name one as eos_token in ` +
      `${TOKENIZER_CONFIG}, or by eos_token_id in generation_config.json`,
  );
}

/** The chat format of the template in the files, if there is one. */
function chatOf(
  files: ReadonlyMap<string, string>,
  config: JsonObject,
  named: Readonly<Record<string, string>>,
  renderer: Omit<Renderer, "render">,
): ChatFormat | undefined {
  const texts = templateTextsOf(files, config);
  if (texts === undefined) return undefined;
  const { additional_special_tokens, extra_special_tokens } = config;
  const variables = {
    ...typeof extra_special_tokens === "object" && !Array.isArray(extra_special_tokens) &&
      extra_special_tokens,
    ...Array.isArray(additional_special_tokens) && { additional_special_tokens },
    ...named,
  };
  const plain = chatTemplate(texts.chat, variables);
  const withTools = texts.tools === undefined ? plain : chatTemplate(texts.tools, variables);
  const render = (
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
    options: ChatOptions,
  ) =>
    (options.tools === undefined ? plain : withTools)(messages, {
      ...options,
      addGenerationPrompt,
    });
  return {
    rows: (messages, { learnedFrom = 0, most = Infinity, ...options } = {}) =>
      prefixRows(
        { ...renderer, render: (part, isPrompt) => render(part, isPrompt, options) },
        messages,
        { learnedFrom, most },
      ),
    prompt: (messages, { most = Infinity, ...options } = {}) =>
      firstIds(renderer, render(messages, true, options), most),
  };
}

/** The files that are a tokenizer's own, as they were read. */
function filesOf(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map(
    tokenizerFileNames.filter((name) => name !== "config.json").flatMap((name) => {
      const text = files.get(name);
      return text === undefined ? [] : [[name, text] as const];
    }),
  );
}
