/**
 * The configuration of a run, `config.json`: its settings, its model and its data.
 *
 * @module
 */

import type { LanguageModelConfig } from "@unitune/models";
import {
  datasetKinds,
  type Setting,
  settingTable,
  type TrainSettings,
  UserError,
  writtenSettings,
} from "@unitune/training";
import { basename, dirname } from "node:path";
import type { Prepared, RunData } from "../data/prepare.ts";
import { isThere } from "../files/folders.ts";
import { isRecord } from "../files/guards.ts";
import { readJson } from "../files/read.ts";
import { kebabCase } from "../flags/flags.ts";
import { listed } from "../flags/words.ts";
import { shellQuote } from "../terminal/shell.ts";
import { type BaseRecord, isBaseRecord } from "./base_record.ts";
import { RECORD, runPaths } from "./run_paths.ts";

/** The content of `config.json`. */
export interface RunConfig {
  /** The settings by name; a list of them if there are several stages. */
  readonly settings:
    | Readonly<Record<string, unknown>>
    | readonly Readonly<
      Record<string, unknown>
    >[];
  /** The configuration of the model, which follows from the settings and the data. */
  readonly model: LanguageModelConfig;
  /** The kind and the digest of the data. */
  readonly data: RunData;
  /** The pretrained model of which an adapter is trained. */
  readonly base?: BaseRecord;
  /** Digests of the files of rewards, by the names of the rewards. */
  readonly functions?: Readonly<Record<string, string>>;
}

/**
 * Makes the configuration of a run.
 *
 * @param settings The settings of the run, or of each of its stages; undefined ones are omitted.
 * @param prepared The model and the data of the run.
 * @returns The configuration.
 */
export function runConfig(
  settings: TrainSettings | readonly TrainSettings[],
  { model, data, base, functions }: Pick<Prepared, "model" | "data" | "base" | "functions">,
): RunConfig {
  const stages = [settings].flat().map(writtenSettings);
  const [only] = stages;
  return {
    settings: only !== undefined && stages.length === 1 ? only : stages,
    model: model.config,
    data,
    ...base && { base },
    ...functions && { functions },
  };
}

/**
 * Reads the configuration of a run. The settings in it are not checked.
 *
 * @param folder The folder of the run.
 * @returns The configuration.
 * @throws {UserError} If there is none, or it cannot be read.
 */
export async function readRunConfig(folder: string): Promise<RunConfig> {
  const { config } = runPaths(folder);
  if (!await isThere(config)) throw new UserError(`${folder} holds no run: there is no ${config}`);
  const value = await readJson(config);
  if (isRunConfig(value)) return value;
  if (isRecord(value) && ("model_type" in value || "architectures" in value)) {
    throw new UserError(await describeModel(folder));
  }
  throw new UserError(
    `${config} is not a run's configuration: it was changed, or ${folder} holds no run`,
  );
}

/** The reason why a folder with a model in the layout of Hugging Face is not a run. */
async function describeModel(folder: string): Promise<string> {
  if (await isThere(`${folder}/${RECORD}`)) {
    const above = dirname(folder);
    const run = basename(above) === "checkpoints" ? dirname(above) : folder;
    return `${folder} is one checkpoint of a run: name the run's own folder, ${shellQuote(run)}`;
  }
  return `${folder} holds no run, but a model in the layout of Hugging Face: train it by ` +
    `--model ${shellQuote(folder)}`;
}

export function isRunConfig(value: unknown): value is RunConfig {
  if (!isRecord(value)) return false;
  const { settings, model, data, base, functions = {} } = value;
  return (isRecord(settings) || (Array.isArray(settings) && settings.every(isRecord))) &&
    isRecord(model) && isRecord(data) && datasetKinds.some((kind) => kind === data.kind) &&
    typeof data.digest === "string" && (base === undefined || isBaseRecord(base)) &&
    isRecord(functions);
}

/** Refuses a configuration that has changed since a checkpoint was saved. */
export function requireSettings(
  folder: string,
  now: RunConfig,
  { position: { step }, config: then }: {
    readonly position: { readonly step: number };
    readonly config: RunConfig;
  },
): void {
  const changes = changesBetween("", then, now);
  if (changes.length === 0) return;
  const { config } = runPaths(folder);
  const shown = changes.slice(0, SHOWN_CHANGES);
  const more = changes.length - shown.length;
  throw new UserError(
    `${config} was changed since step ${step} was saved: ${shown.join(", ")}${
      more > 0 ? ` and ${more} more` : ""
    }. Put it back: a run keeps its settings. Only ${listed(changeableFlags)} may be others, on ` +
      `the command line of --resume; for anything else, start a new run by --config ${
        shellQuote(config)
      } or --from ${shellQuote(folder)}`,
  );
}

/** The flags of the settings that a resumed run may change. */
export const changeableFlags: readonly string[] = Object.entries<Setting>(settingTable).flatMap(
  ([name, { isPlace }]) => isPlace ? [`--${kebabCase(name)}`] : [],
);

/** The most changes that a message lists. */
const SHOWN_CHANGES = 3;

/** The changes of a JSON value, with their paths: `settings.steps is 9 and was 6`. */
function changesBetween(place: string, then: unknown, now: unknown): readonly string[] {
  if (JSON.stringify(then) === JSON.stringify(now)) return [];
  const [before, after] = [then, now].map((value) =>
    typeof value === "object" && value !== null ? new Map(Object.entries(value)) : undefined
  );
  if (before === undefined || after === undefined) {
    return [`${place} is ${brief(now)} and was ${brief(then)}`];
  }
  const changes = [...new Set([...before.keys(), ...after.keys()])].flatMap((name) =>
    changesBetween(place === "" ? name : `${place}.${name}`, before.get(name), after.get(name))
  );
  return changes.length > 0 ? changes : [`${place} is in another order`];
}

/** A JSON value, shortened. */
function brief(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}
