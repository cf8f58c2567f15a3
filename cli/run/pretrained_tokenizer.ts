/**
 * The tokenizer in the files of a model: one of Unitune's own, or any of Hugging Face's, for which
 * packages are loaded from npm where one is read, and nowhere else.
 *
 * @module
 */

import {
  type BaseTemplate,
  baseTemplates,
  findPlainTokenizer,
  plainTokenizer,
  type Tokenizer,
  TokenizerError,
} from "@unitune/models";
import { nearest, UserError } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { isRecord } from "../files/guards.ts";
import { readText } from "../files/read.ts";

/** The functions of `@unitune/models/pretrained` that are used here. */
interface PretrainedModule {
  readonly pretrainedTokenizer: (
    files: ReadonlyMap<string, string>,
    options?: { readonly vocabulary?: number },
  ) => Tokenizer;
  readonly withChatTemplate: (
    files: ReadonlyMap<string, string>,
    template: BaseTemplate,
  ) => ReadonlyMap<string, string>;
}

function isPretrainedModule(value: unknown): value is PretrainedModule {
  return typeof value === "object" && value !== null && "pretrainedTokenizer" in value &&
    "withChatTemplate" in value;
}

/**
 * A name that is not known before the program runs: a package that the code names is fetched before
 * the first line of any command, whether it is used or not.
 */
const MODULE: string = ["@unitune/models", "pretrained"].join("/");

async function pretrainedModule(): Promise<PretrainedModule> {
  const loaded: unknown = await import(MODULE).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(
      `the tokenizers of pretrained models are read by packages of npm, which cannot be loaded: ` +
        `${reason}`,
      { cause },
    );
  });
  if (isPretrainedModule(loaded)) return loaded;
  throw new RangeError(`${MODULE} is not the module of this version`);
}

/** The files that a tokenizer is read from. */
export const tokenizerTexts = [
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "generation_config.json",
  "config.json",
] as const;

/** Options of reading a tokenizer. */
export interface TokenizerOptions {
  /** The size of the model's vocabulary, which may be larger than the tokenizer's (default: equal). */
  readonly vocabulary?: number;
  /** A chat template in place of the model's. */
  readonly template?: BaseTemplate;
}

/**
 * Reads the tokenizer of a model. With a template whose tokens the tokenizer lacks, its vocabulary may
 * be larger than the model's.
 *
 * @param files The files of the model that are text, by name.
 * @param options The size of the model's vocabulary, and a chat template.
 * @returns The tokenizer.
 * @throws {TokenizerError} If there is none that can be read.
 */
export async function readTokenizerFiles(
  files: ReadonlyMap<string, string>,
  { vocabulary, template }: TokenizerOptions = {},
): Promise<Tokenizer> {
  if (!files.has("tokenizer.json")) {
    throw new TokenizerError(
      "there is no tokenizer.json: save the tokenizer as such (in Python, " +
        "`AutoTokenizer.from_pretrained(folder).save_pretrained(folder)`)",
    );
  }
  const plain = template === undefined ? findPlainTokenizer(files) : undefined;
  if (plain !== undefined && plain.size === (vocabulary ?? plain.size)) return plain;
  if (plain !== undefined && vocabulary !== undefined && plain.size > vocabulary) {
    throw new TokenizerError(
      `the model has ${vocabulary} tokens, but tokenizer.json ${plain.size}: take both from one model`,
    );
  }
  // The packages read no list of words: it is that of a character tokenizer, and damaged.
  const isDamaged = template === undefined && plain === undefined &&
    isOfWords(files.get("tokenizer.json"));
  if (isDamaged) return plainTokenizer(files);
  const { pretrainedTokenizer, withChatTemplate } = await pretrainedModule();
  if (template === undefined) {
    return pretrainedTokenizer(files, vocabulary === undefined ? {} : { vocabulary });
  }
  const own = withChatTemplate(files, template);
  const tokenizer = pretrainedTokenizer(own);
  return vocabulary === undefined || vocabulary <= tokenizer.size
    ? tokenizer
    : pretrainedTokenizer(own, { vocabulary });
}

/** Whether the text of `tokenizer.json`, which is JSON, has a list of words for its model. */
function isOfWords(text = "{}"): boolean {
  const value: unknown = JSON.parse(text);
  return isRecord(value) && isRecord(value.model) && value.model.type === "WordLevel";
}

/** The chat templates by name; without one, a model reads texts alone. */
const templates: ReadonlyMap<string, BaseTemplate> = new Map<string, BaseTemplate>([
  ...Object.entries(baseTemplates),
  ["none", { template: "", tokens: [] }],
]);

/**
 * The chat template that a setting names: one of those that are built in, none, or a file.
 *
 * @param name The setting.
 * @returns The template.
 * @throws {UserError} If there is neither.
 */
export async function readTemplate(name: string): Promise<BaseTemplate> {
  const builtIn = templates.get(name.toLowerCase());
  if (builtIn !== undefined) return builtIn;
  if (await isThere(name)) return { template: await readText(name), tokens: [] };
  const names = [...templates.keys()];
  const meant = nearest(name, names);
  throw new UserError(
    `there is no chat template ${name}: it is ${names.join(", ")} or a file` +
      (meant === undefined ? "" : `; did you mean ${meant}?`),
  );
}
