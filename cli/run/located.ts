/**
 * Where a pretrained model is, and how it is recognized.
 *
 * @module
 */

import { adapterBaseIn } from "@unitune/models";
import { UserError } from "@unitune/training";
import { beginDigest } from "../files/digest.ts";
import { folderSource } from "../files/folder_source.ts";
import { isThere } from "../files/folders.ts";
import { isRecord } from "../files/guards.ts";
import { readJson } from "../files/read.ts";
import { isHubName } from "../hub/names.ts";
import { resolveModel } from "../hub/resolve.ts";
import { standardProgress } from "../terminal/progress.ts";
import type { BaseRecord } from "./base_record.ts";
import { latestCheckpoint } from "./checkpoints.ts";
import { isRunConfig, type RunConfig } from "./run_config.ts";
import { runPaths } from "./run_paths.ts";

/** The folder of a model. */
export interface LocatedModel {
  /** The folder. */
  readonly folder: string;
  /** The name by which it is found again. */
  readonly record: Omit<BaseRecord, "digest">;
}

/**
 * Finds the folder of a model. One of the hub is taken from the cache, or downloaded where the task
 * may do that.
 *
 * @param name A folder, that of a run among them, or a name on the hub.
 * @param revision The revision of a model on the hub.
 * @returns The folder; of a run, that of its latest checkpoint.
 * @throws {UserError} If there is none.
 */
export async function locateModel(name: string, revision?: string): Promise<LocatedModel> {
  if (await isThere(name)) {
    // PEFT looks for the model itself, and a run may go on to another checkpoint.
    const folder = await modelFolder(name);
    return { folder, record: { name: folder } };
  }
  if (!isHubName(name)) {
    throw new UserError(`there is no folder ${name}: name the folder of the model by --model`);
  }
  const { folder, commit } = await resolveModel(name, {
    progress: standardProgress(),
    ...revision !== undefined && { revision },
  });
  return { folder, record: { name, ...commit !== undefined && { revision: commit } } };
}

/**
 * The folder that holds the files of a model.
 *
 * @param folder The folder of a model, of an adapter, or of a run.
 * @returns Of a run, the folder of its latest checkpoint, if it has one; of anything else, the folder.
 * @throws {UserError} If the configuration or the checkpoint of a run cannot be read.
 */
export async function modelFolder(folder: string): Promise<string> {
  const latest = await isRunFolder(folder) ? await latestCheckpoint(folder) : undefined;
  return latest?.path ?? folder;
}

/** Whether a folder is that of a run. */
export async function isRunFolder(folder: string): Promise<boolean> {
  return await runConfigIn(folder) !== undefined;
}

/** The configuration of the run in a folder; undefined if the folder is of no run. */
async function runConfigIn(folder: string): Promise<RunConfig | undefined> {
  const { config } = runPaths(folder);
  if (!await isThere(config)) return undefined;
  const value = await readJson(config);
  return isRunConfig(value) ? value : undefined;
}

/** A pretrained model that a folder holds, or leads to. */
export interface FoundModel {
  /** The folder or the name of the model. */
  readonly model: string;
  /** The folder of a run or of an adapter on that model, from which a training starts. */
  readonly from?: string;
  /** Whether the folder holds an adapter. */
  readonly isAdapted: boolean;
}

/**
 * Finds out which pretrained model a folder holds or leads to.
 *
 * @param folder The folder of a model, of an adapter, or of a run.
 * @returns The model; undefined if there is none, such as in the folder of a run on a new model.
 * @throws {UserError} If a file cannot be read, or an adapter does not name its model.
 */
export async function modelIn(folder: string): Promise<FoundModel | undefined> {
  if (await isThere(`${folder}/adapter_config.json`)) {
    const { baseName: model } = await adapterBaseIn(await folderSource(folder));
    return { model, from: folder, isAdapted: true };
  }
  const run = await runConfigIn(folder);
  if (run !== undefined) {
    if (run.base !== undefined) return { model: run.base.name, from: folder, isAdapted: true };
    const [first] = [run.settings].flat();
    return first?.model === undefined
      ? undefined
      : { model: folder, from: folder, isAdapted: false };
  }
  const config = `${folder}/config.json`;
  if (!await isThere(config)) return undefined;
  const settings = await readJson(config);
  const isModel = isRecord(settings) && "model_type" in settings;
  return isModel ? { model: folder, isAdapted: false } : undefined;
}

/** The bytes of one read. */
const PIECE = 1 << 22;

/**
 * A digest of a model: of its configuration and its weights.
 *
 * @param folder The folder of the model.
 * @returns SHA-256 in hexadecimal.
 * @throws {UserError} If a file cannot be read.
 */
export async function modelDigest(folder: string): Promise<string> {
  const source = await folderSource(folder);
  const digest = beginDigest();
  const names = source.names.filter((name) => name === "config.json" || isWeights(name));
  for (const name of names) {
    const size = await source.size(name);
    digest.add(new TextEncoder().encode(`${name} ${size}\n`));
    for (let begin = 0; begin < size; begin += PIECE) {
      digest.add(await source.read(name, begin, Math.min(size, begin + PIECE)));
    }
  }
  return digest.value();
}

function isWeights(name: string): boolean {
  return name.endsWith(".safetensors") && !name.startsWith("adapter_");
}
