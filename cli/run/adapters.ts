/**
 * Adapters on the models that they are of.
 *
 * @module
 */

import { readAdapter, type SavedAdapter, type Tokenizer } from "@unitune/models";
import { UserError } from "@unitune/training";
import { folderSource } from "../files/folder_source.ts";
import { locateModel, modelIn } from "./located.ts";
import {
  inFolder,
  placed,
  type PretrainedModel,
  type PretrainedOptions,
  readPretrained,
  textsIn,
} from "./pretrained.ts";
import { readTokenizerFiles } from "./pretrained_tokenizer.ts";

/** An adapter on its model, with its tokenizer. */
export interface TokenizedAdapter extends SavedAdapter {
  /** The tokenizer: the adapter's, if its folder has one, or else the model's. */
  readonly tokenizer: Tokenizer;
}

/** An adapter that was read with its model. */
export interface AdapterWithBase extends TokenizedAdapter {
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
): Promise<AdapterWithBase> {
  const found = await modelIn(folder);
  if (found === undefined || !found.isAdapted) {
    throw new UserError(
      `${folder} holds no adapter: name the folder of a run with --lora, or one with ` +
        `adapter_config.json`,
    );
  }
  const { folder: place } = await locateModel(base ?? found.model);
  const pretrained = await readPretrained(place, { ...options, keepsStorage: true });
  const { folder: own } = await locateModel(folder);
  return { ...await readAdapterIn(own, pretrained, options), base: pretrained, folder: own };
}

/**
 * Reads the adapter in a folder, on a model that has been read.
 *
 * @param folder The folder of the adapter.
 * @param base The model.
 * @param options The architectures, and the chat template with which the model was read.
 * @returns The adapted model and its tokenizer.
 * @throws {UserError} If a file is missing, damaged, or of an adapter of another model.
 */
export async function readAdapterIn(
  folder: string,
  base: PretrainedModel,
  { architectures, template }: Pick<PretrainedOptions, "architectures" | "template">,
): Promise<TokenizedAdapter> {
  return await inFolder(folder, async () => {
    const source = await folderSource(folder);
    const adapter = await readAdapter(source, base, {
      ...architectures && { architectures },
      place: placed,
    });
    const tokenizer = template === undefined
      ? await tokenizerOf(await textsIn(source), base)
      : base.tokenizer;
    return { ...adapter, tokenizer };
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
