/**
 * Character, byte and byte-pair tokenizers as the files that Hugging Face's `tokenizers` and
 * `transformers` load, `tokenizer.json` and `tokenizer_config.json`.
 */

import { firstOrdinary, roleTemplate, specialPieces, specialTokens } from "./role_tokens.ts";

/** The file of the vocabulary and of the steps from text to ids. */
export const TOKENIZER = "tokenizer.json";

/** The file of the names of special tokens. */
export const TOKENIZER_CONFIG = "tokenizer_config.json";

/** The parts of a `tokenizer.json` that differ between tokenizers. */
export interface TokenizerModel {
  /** The step that cuts a text into words. */
  readonly pre_tokenizer: Readonly<Record<string, unknown>>;
  /** The step from words to ids, with the ids of all pieces. */
  readonly model: Readonly<Record<string, unknown>>;
  /** The step from pieces back to text. */
  readonly decoder: Readonly<Record<string, unknown>>;
}

/** Ids of pieces: first the special tokens, then others in their order. */
function vocabularyOf(pieces: Iterable<string>): Record<string, number> {
  return Object.fromEntries([...specialPieces, ...pieces].map((piece, id) => [piece, id]));
}

/**
 * Every character is a word, and every word is a token. `tokenizers` refuses a text with an unknown
 * character, since the vocabulary lacks the token that would stand for one.
 */
export function characterModel(characters: readonly string[]): TokenizerModel {
  return {
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "[\\s\\S]" },
      behavior: "Isolated",
      invert: false,
    },
    model: { type: "WordLevel", vocab: vocabularyOf(characters), unk_token: "<unknown>" },
    decoder: { type: "Fuse" },
  };
}

/**
 * The characters by which byte-level tokenizers write bytes: printable Latin-1 as itself, other
 * bytes in their order from U+0100. Source: `bytes_to_unicode` of GPT-2's encoder.
 */
export function byteCharacters(): readonly string[] {
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const others = bytes.filter((byte) => !isPrintable(byte));
  return bytes.map((byte) =>
    String.fromCodePoint(isPrintable(byte) ? byte : 0x100 + others.indexOf(byte))
  );
}

/** Byte pair encoding without a pair to merge. */
export const byteModel: TokenizerModel = {
  pre_tokenizer: {
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: false,
  },
  model: {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    vocab: vocabularyOf(byteCharacters()),
    merges: [],
  },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
};

/** Byte pair encoding within the words of GPT-2's pattern. */
export function bytePairModel(
  pieces: Iterable<string>,
  merges: readonly (readonly [string, string])[],
): TokenizerModel {
  return {
    ...byteModel,
    pre_tokenizer: { ...byteModel.pre_tokenizer, use_regex: true },
    model: { ...byteModel.model, vocab: vocabularyOf(pieces), merges },
  };
}

/** The files of a tokenizer. */
export function tokenizerFiles(model: TokenizerModel): ReadonlyMap<string, string> {
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialPieces.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: model.pre_tokenizer,
    post_processor: null,
    decoder: model.decoder,
    model: model.model,
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: "<pad>",
    eos_token: "<stop>",
    additional_special_tokens: specialPieces.slice(specialTokens.indexOf("system"), firstOrdinary),
    clean_up_tokenization_spaces: false,
    chat_template: roleTemplate,
  };
  const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return new Map([[TOKENIZER, text(tokenizer)], [TOKENIZER_CONFIG, text(config)]]);
}
