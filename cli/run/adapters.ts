/**
 * Adapters on the models that they are of.
 *
 * @module
 */

import { type AdaptedModel, readAdapter, type Tokenizer } from "@unitune/models";
import { UserError } from "@unitune/training";
import { folderSource } from "../files/folder_source.ts";
import { locateModel, modelIn } from "./located.ts";
import {
  inFolder,
  type PretrainedModel,
  type PretrainedOptions,
  readPretrained,
  textsIn,
} from "./pretrained.ts";
import { readTokenizerFiles } from "./pretrained_tokenizer.ts";

/** An adapter with its model and its tokenizer. */
export interface ReadAdapterModel {
  /** The adapted model. */
  readonly model: AdaptedModel;
  /** The adapter's parameters. */
  readonly params: unknown;
  /** The tokenizer: the adapter's, if its folder has one, or else the model's. */
  readonly tokenizer: Tokenizer;
  /** The model that the adapter is of. */
  readonly base: PretrainedModel;
  /** The folder of the adapter; of a run, that of its latest checkpoint. */
  readonly folder: string;
}

/**
 * Reads the adapter in a folder, and the model that it is of.
 *
 * @param folder The folder of the adapter, or of a run that has trained one.
 * @param base The model (default: the one that the adapter names).
 * @param options The architectures and the device for the model.
 * @returns The adapted model and its tokenizer.
 * @throws {UserError} If the folder holds no adapter, its model is not there, or one of them cannot be
 * read.
 */
export async function readAdapterOn(
  folder: string,
  base: string | undefined,
  options: PretrainedOptions = {},
): Promise<ReadAdapterModel> {
  const found = await modelIn(folder);
  if (found === undefined || !found.isAdapted) {
    throw new UserError(
      `${folder} holds no adapter: name the folder of a run with --lora, or one with ` +
        `adapter_config.json`,
    );
  }
  const pretrained = await readPretrained((await locateModel(base ?? found.model)).folder, options);
  const { folder: own } = await locateModel(folder);
  return await inFolder(own, async () => {
    const source = await folderSource(own);
    const { model, params } = await readAdapter(source, pretrained, {
      ...options.architectures && { architectures: options.architectures },
    });
    const tokenizer = options.template === undefined
      ? await tokenizerOf(await textsIn(source), pretrained)
      : pretrained.tokenizer;
    return { model, params, tokenizer, base: pretrained, folder: own };
  });
}

/** The tokenizer in an adapter's files, which may have a chat template of its own, or the base's. */
async function tokenizerOf(
  own: ReadonlyMap<string, string>,
  { tokenizer, model, files: others }: PretrainedModel,
): Promise<Tokenizer> {
  if (!own.has("tokenizer.json")) return tokenizer;
  const files = new Map([...others].filter(([name]) => name !== "chat_template.jinja"));
  for (const [name, text] of own) files.set(name, text);
  return await readTokenizerFiles(files, { vocabulary: model.config.vocabulary });
}
