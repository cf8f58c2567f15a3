/**
 * The model that answers: that of a run, a pretrained one, or one with an adapter.
 *
 * @module
 */

import { type Device, onDevice } from "@unitune/core";
import { type Architecture, isAdapted, type LanguageModel, type Tokenizer } from "@unitune/models";
import { type Dataset, UserError } from "@unitune/training";
import { isThere } from "../files/folders.ts";
import { isRecord } from "../files/guards.ts";
import { readJson } from "../files/read.ts";
import { readAdapterOn } from "../run/adapters.ts";
import { isRunFolder, locateModel, modelIn } from "../run/located.ts";
import { readPretrained } from "../run/pretrained.ts";
import { readTemplate } from "../run/pretrained_tokenizer.ts";
import { isRunConfig } from "../run/run_config.ts";
import { RECORD } from "../run/run_paths.ts";
import { readTrainedModel } from "../run/trained.ts";
import {
  GENERATION_CONFIG,
  type GenerationSettings,
  readGenerationSettings,
} from "./generation_settings.ts";

/** A model with its parameters, on the device that generates. */
export interface Voice {
  /** The model. */
  readonly model: LanguageModel;
  /** Its parameters. */
  readonly params: unknown;
}

/** A model that answers. */
export interface Speaker extends Voice {
  /** The folder by which it was named. */
  readonly name: string;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** The kind of its data: a model of running text continues prompts, others answer them. */
  readonly kind: Dataset["kind"];
  /** The settings with which its makers would have it generate, if there are some. */
  readonly settings?: GenerationSettings;
  /** The model without its adapter, if it has one. */
  readonly base?: Voice;
}

/** Where the model is. */
export interface SpeakerPlace {
  /** The folder of a run. */
  readonly run?: string | undefined;
  /** The folder of a model, of a run or one of its checkpoints; beside a run, that of its base. */
  readonly model?: string | undefined;
  /** The folder of an adapter. */
  readonly adapter?: string | undefined;
  /** A chat template in place of the model's: a name or a file. */
  readonly chatTemplate?: string | undefined;
}

/** Options of reading. */
export interface SpeakerOptions {
  /** The architectures that can be read (default: those of `@unitune/models`). */
  readonly architectures?: readonly Architecture[];
  /** The device that generates. */
  readonly device: Device;
  /** Called with the number of bytes of weights read so far, and of all. */
  readonly tell?: (read: number, total: number) => void;
}

/**
 * Reads the model that answers. Its parameters are moved to the device once, and not copied for each
 * token.
 *
 * @param place Where it is: a run, a model or an adapter.
 * @param options The architectures and the device.
 * @returns The model.
 * @throws {UserError} If there is none, or its files cannot be read.
 */
export async function readSpeaker(
  place: SpeakerPlace,
  options: SpeakerOptions,
): Promise<Speaker> {
  const { run, model, adapter, chatTemplate } = place;
  const own = run ?? (adapter === undefined ? model : undefined);
  if (own !== undefined && (run !== undefined || await isRunFolder(own))) {
    if (chatTemplate !== undefined) {
      throw new UserError(
        `${own} is a run, whose model has the chat template that it was trained with: leave out ` +
          `--chat-template`,
      );
    }
    return await ofRun(own, run === undefined ? undefined : model, options);
  }
  return await pretrained(place, options);
}

/** The model of a run; if it is an adapter, its base may have moved. */
async function ofRun(
  run: string,
  base: string | undefined,
  { device, architectures: rows }: SpeakerOptions,
): Promise<Speaker> {
  const { model, params, tokenizer, kind } = await readTrainedModel(run, {
    device,
    ...rows && { architectures: rows },
    ...base !== undefined && { model: base },
  });
  return {
    ...{ name: run, tokenizer, kind },
    ...voices({ model, params }, device),
    ...settingsIn(tokenizer.files(), run),
  };
}

/** A pretrained model, with an adapter or without. */
async function pretrained(
  { model: named, adapter: given, chatTemplate }: SpeakerPlace,
  { architectures: rows, device, tell }: SpeakerOptions,
): Promise<Speaker> {
  const name = given ?? named;
  if (name === undefined) throw new RangeError("readSpeaker: no folder is named");
  const template = chatTemplate === undefined ? undefined : await readTemplate(chatTemplate);
  const options = {
    device,
    ...rows && { architectures: rows },
    ...template && { template },
    ...tell && { tell },
  };
  const { folder } = await locateModel(name);
  if (given === undefined && (await modelIn(folder))?.isAdapted !== true) {
    const { model, params, tokenizer, files } = await readPretrained(folder, {
      ...options,
      keepsStorage: true,
    });
    return {
      ...{ name, model, params, tokenizer },
      kind: await kindIn(folder, tokenizer, template !== undefined),
      ...settingsIn(files, folder),
    };
  }
  const base = given === undefined ? undefined : named;
  const adapted = await readAdapterOn(name, base, options);
  const { tokenizer } = adapted;
  return {
    ...{ name, tokenizer, kind: await kindIn(adapted.folder, tokenizer, template !== undefined) },
    ...voices(adapted, device),
    ...settingsIn(adapted.base.files, folder),
  };
}

/** A model on a device, and the model without its adapter. */
function voices({ model, params }: Voice, device: Device): Voice & Pick<Speaker, "base"> {
  return {
    model,
    params: onDevice(params, device),
    ...isAdapted(model) && { base: model.base },
  };
}

/**
 * The kind of data of a model: that of the run whose checkpoint the folder is. Any other model answers
 * if it has a chat template, and continues its prompt if not.
 */
async function kindIn(
  folder: string,
  { chat }: Tokenizer,
  hasGivenTemplate: boolean,
): Promise<Dataset["kind"]> {
  const file = `${folder}/${RECORD}`;
  if (!hasGivenTemplate && await isThere(file)) {
    const record = await readJson(file);
    if (isRecord(record) && isRunConfig(record.config)) return record.config.data.kind;
  }
  return chat === undefined ? "text" : "conversations";
}

function settingsIn(
  files: ReadonlyMap<string, string>,
  folder: string,
): Pick<Speaker, "settings"> {
  const text = files.get(GENERATION_CONFIG);
  if (text === undefined) return {};
  return { settings: readGenerationSettings(text, `${folder}/${GENERATION_CONFIG}`) };
}
