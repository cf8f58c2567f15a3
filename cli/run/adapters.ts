/**
 * Adapters on the models that they are of.
 *
 * @module
 */

import {
  type AdaptedModel,
  type ModelSettings,
  readAdapter,
  type Tokenizer,
} from "@unitune/models";
import { UserError } from "@unitune/training";
import { folderSource } from "../files/folder_source.ts";
import { locateModel, modelIn } from "./located.ts";
import { inFolder, type PretrainedOptions, readPretrained, textsIn } from "./pretrained.ts";
import { readTokenizerFiles } from "./pretrained_tokenizer.ts";

/** An adapter with its model and its tokenizer. */
export interface ReadAdapterModel {
  /** The adapted model. */
  readonly model: AdaptedModel;
  /** The adapter's parameters. */
  readonly params: unknown;
  /** The tokenizer: the adapter's, if its folder has one, or else the model's. */
  readonly tokenizer: Tokenizer;
  /** The settings of the model's `config.json`. */
  readonly settings: ModelSettings;
  /** The name or the folder of the model that the adapter is of. */
  readonly base: string;
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
  const place = await locateModel(base ?? found.model);
  const pretrained = await readPretrained(place.folder, options);
  const { folder: own } = await locateModel(folder);
  return await inFolder(own, async () => {
    const source = await folderSource(own);
    const { model, params } = await readAdapter(source, pretrained, {
      ...options.architectures && { architectures: options.architectures },
    });
    const texts = await textsIn(source);
    const { vocabulary } = model.config;
    const tokenizer = texts.has("tokenizer.json")
      ? await readTokenizerFiles(texts, { vocabulary })
      : pretrained.tokenizer;
    return { model, params, tokenizer, settings: pretrained.settings, base: place.record.name };
  });
}
