/**
 * The model that a run starts from: a pretrained one, with an adapter or without, or the model of
 * another run.
 *
 * @module
 */

import type { Device, StorageDType } from "@unitune/core";
import {
  adapt,
  type AdapterBase,
  type AdapterConfig,
  type Architecture,
  architectures,
  type LanguageModel,
  type ModelSettings,
} from "@unitune/models";
import {
  type BaseModel,
  looksBack,
  type Models,
  type TrainSettings,
  UserError,
  withDropout,
} from "@unitune/training";
import { readAdapterIn } from "./adapters.ts";
import type { BaseRecord } from "./base_record.ts";
import { isRunFolder, locateModel, modelDigest } from "./located.ts";
import { readPretrained } from "./pretrained.ts";
import { readTemplate } from "./pretrained_tokenizer.ts";
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
  if (model === undefined) return from === undefined ? undefined : await readBase(from);
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
