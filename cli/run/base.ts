/**
 * The model that a run starts from: a pretrained one, with an adapter or without, or the model of
 * another run.
 *
 * @module
 */

import { type Device, quoted, type StorageDType } from "@unitune/core";
import {
  adapt,
  type AdapterBase,
  type AdapterConfig,
  type Architecture,
  architectures,
  type LanguageModel,
  type ModelSettings,
  type Tokenizer,
  TokenizerError,
} from "@unitune/models";
import {
  type BaseModel,
  dataTokenizerNames,
  looksBack,
  type Models,
  nearest,
  newModel,
  type TrainSettings,
  UserError,
  withDropout,
} from "@unitune/training";
import { folderSource } from "../files/folder_source.ts";
import { isThere } from "../files/folders.ts";
import { alternatives } from "../flags/words.ts";
import { isHubName } from "../hub/names.ts";
import { readAdapterIn } from "./adapters.ts";
import type { BaseRecord } from "./base_record.ts";
import { isRunFolder, locateModel, modelDigest } from "./located.ts";
import { readPretrained, textsIn } from "./pretrained.ts";
import { readTemplate, readTokenizerFiles } from "./pretrained_tokenizer.ts";
import { readBase } from "./trained.ts";

/** The model that a run starts from. */
export interface StartModel extends BaseModel {
  /** The models (default: new ones, such as an adapter that changes nothing). */
  readonly models?: Models;
  /** The pretrained model that stays as it is, where an adapter of it is trained. */
  readonly record?: BaseRecord;
  /** The settings of the `config.json` that the model was read from. */
  readonly settings?: ModelSettings;
}

/** Options of reading the model that a run starts from. */
export interface BaseOptions {
  /** The architectures that can be read (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** The device that the run computes on. */
  readonly device: Device;
  /** Whether no weights are read: parameters are then outlines (default: no). */
  readonly isOutline?: boolean;
  /** Called with the number of bytes of weights read so far, and of all. */
  readonly tell?: (read: number, total: number) => void;
}

/**
 * Reads the model that a run starts from.
 *
 * @param settings The settings of the run's first stage.
 * @param options The architectures and the device.
 * @returns The model; undefined if the run makes a new one.
 * @throws {UserError} If it cannot be read.
 */
export async function readStart(
  settings: TrainSettings,
  options: BaseOptions,
): Promise<StartModel | undefined> {
  const { model, from, revision, lora } = settings;
  const weights = storedType(settings);
  const { architectures: rows = architectures, device, isOutline = false } = options;
  if (from !== undefined && await isRunFolder(from)) {
    return await readBase(from, {
      ...{ architectures: rows, device, isOutline },
      ...model && { model },
      ...weights && { weights },
    });
  }
  if (model === undefined) {
    if (from !== undefined) return await readBase(from);
    if (!hasNamedTokenizer(settings)) return undefined;
    return newStart(settings, await readTokenizerIn(settings), rows);
  }
  const place = await locateModel(model, revision);
  const isFrozen = lora || from !== undefined;
  const template = settings.chatTemplate && await readTemplate(settings.chatTemplate);
  const base = await readPretrained(place.folder, {
    architectures: rows,
    mayGrow: settings.growEmbeddings,
    isOutline,
    ...template && { template },
    // On the device a model is trained where it is, if nothing looks back at it, and a frozen one stays
    // as it is on the disk, for all programs of the run.
    ...(isFrozen || !looksBack(settings)) && { device },
    ...isFrozen && { keepsStorage: true },
    ...weights && { weights },
    ...options.tell && { tell: options.tell },
  });
  const { tokenizer, settings: modelSettings } = base;
  const own = { ...base, model: withDropout(base.model, settings.dropout, rows) };
  if (!isFrozen) {
    return {
      ...{ tokenizer, model: own.model, settings: modelSettings },
      models: { policy: own.params },
    };
  }
  // A plan is kept nowhere, so that nothing has to be recorded.
  const digest = isOutline ? "" : await modelDigest(place.folder);
  const record = { ...place.record, digest };
  if (from !== undefined) {
    const { model, params, score, tokenizer } = await readAdapterIn(from, own, {
      architectures: rows,
      ...template && { template },
    });
    return {
      ...{ tokenizer, record, model },
      models: { policy: params, ...score && { rewardModel: { model: params, score } } },
    };
  }
  return { tokenizer, record, model: newAdapter(own, settings, rows) };
}

/**
 * Tells whether a run makes a new model whose tokenizer is in a folder.
 *
 * @param settings The settings of the run's first stage.
 * @returns False for models that exist, and for tokenizers that follow from the data.
 */
export function hasNamedTokenizer(
  { from, model, tokenizer }: Pick<TrainSettings, "from" | "model" | "tokenizer">,
): boolean {
  return from === undefined && model === undefined && !dataTokenizerNames.includes(tokenizer);
}

/**
 * A new model for the tokens of a tokenizer.
 *
 * @param settings The settings of the run's first stage.
 * @param tokenizer The tokenizer.
 * @param rows The architectures (default: those of `@unitune/models`).
 * @returns The model, without parameters.
 * @throws {UserError} If there is no model of such sizes.
 */
export function newStart(
  settings: TrainSettings,
  tokenizer: Tokenizer,
  rows: readonly Architecture[] = architectures,
): StartModel {
  return { tokenizer, model: newModel(settings, tokenizer.size, rows) };
}

/** Reads the tokenizer that the settings name. */
async function readTokenizerIn(
  { tokenizer: name, revision, chatTemplate }: TrainSettings,
): Promise<Tokenizer> {
  const meant = nearest(name, dataTokenizerNames);
  if (!await isThere(name) && (meant !== undefined || !isHubName(name))) {
    throw new UserError(
      `there is no tokenizer ${quoted(name)}: it is ${alternatives(dataTokenizerNames)}, or a ` +
        `folder with a tokenizer.json` + (meant === undefined ? "" : `; did you mean ${meant}?`),
    );
  }
  const { folder } = await locateModel(name, revision);
  const template = chatTemplate === undefined ? undefined : await readTemplate(chatTemplate);
  const files = await textsIn(await folderSource(folder));
  try {
    return await readTokenizerFiles(files, { ...template && { template } });
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw new UserError(`can't read the tokenizer in ${folder}: ${error.message}`, {
      cause: error,
    });
  }
}

/** The type of weights that the settings want; undefined if it is that of the model's files. */
export function storedType(
  { weights }: Pick<TrainSettings, "weights">,
): "f32" | StorageDType | undefined {
  return weights === "auto" ? undefined : weights;
}

/** The model with a new adapter. */
function newAdapter(
  base: AdapterBase,
  settings: TrainSettings,
  rows: readonly Architecture[],
): LanguageModel {
  try {
    return adapt(base, adapterConfig(settings), rows);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UserError(error.message, { cause: error });
  }
}

/** The configuration of a new adapter. */
function adapterConfig(settings: TrainSettings): AdapterConfig {
  const { loraRank: rank, loraAlpha: alpha, loraDropout: dropout, loraTargets, dora } = settings;
  return {
    ...{ rank, alpha, dropout },
    targets: loraTargets === "all-linear" ? loraTargets : namesIn(loraTargets),
    isRankStabilized: settings.loraRankStabilized,
    hasMagnitudes: dora,
    saved: namesIn(settings.modulesToSave ?? ""),
  };
}

/** Names that are joined by `+`. */
function namesIn(text: string): readonly string[] {
  return text.split("+").map((name) => name.trim()).filter((name) => name !== "");
}
