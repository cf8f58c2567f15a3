/**
 * A run's folder:
 *
 * ```text
 * config.json              the settings, the model's sizes, what the data was
 * metrics.jsonl            what was measured, a line for each measured step
 * samples.jsonl            what the model answered, a line an answer
 * checkpoints/step-000250/ config.json, model.safetensors   as Hugging Face's GPT-2
 *                          reward_model/, teacher/           the same, where there is one; a
 *                                                            teacher where its stage begins
 *                          tokenizer.json                    characters and special tokens
 *                          training.safetensors, run.json    what resuming needs
 * lock                     empty; held by the process that works on the run
 * ```
 *
 * Nothing in it depends on the time or the place of a run: the same settings give the same bytes,
 * interrupted or not.
 *
 * @module
 */

import type { GptConfig } from "@unitune/models";
import type { Cost } from "./cost.ts";
import { type Dataset, datasetKinds } from "./data/dataset.ts";
import { fileError, UserError } from "./errors.ts";
import {
  type FileContent,
  isThere,
  makeFolder,
  removeDirectoryAtomically,
  removePartial,
  takeLock,
  writeDirectoryAtomically,
  writeFileAtomically,
} from "./files.ts";
import type { Prepared } from "./prepare.ts";
import type { TrainSettings } from "./settings.ts";

/** Checkpoints at regular steps that are kept; older ones are removed once a new one is safe. */
const KEPT_CHECKPOINTS = 2;

/** What `config.json` keeps of a run. */
export interface RunConfig {
  /** The settings by name; of several stages a list. */
  readonly settings:
    | Readonly<Record<string, unknown>>
    | readonly Readonly<
      Record<string, unknown>
    >[];
  /** The sizes of the model, which follow from the settings and the data. */
  readonly model: GptConfig;
  /** What the data was. */
  readonly data: RunData;
}

/**
 * What `config.json` keeps of a run.
 *
 * @param settings The settings, or those of each stage; those that are undefined are left out.
 * @param prepared What the run trains on.
 * @returns The configuration.
 */
export function runConfig(
  settings: TrainSettings | readonly TrainSettings[],
  { config, data }: Pick<Prepared, "config" | "data">,
): RunConfig {
  const stages = [settings].flat();
  const [only] = stages;
  return {
    settings: only !== undefined && stages.length === 1 ? only : stages,
    model: config,
    data,
  };
}

/** What a run knows of its data. */
export interface RunData {
  /** What is trained on last. */
  readonly kind: Dataset["kind"];
  /** A digest of the content, so that a resumed run knows its own. */
  readonly digest: string;
}

/** What a checkpoint knows of its run. */
export interface RunPosition {
  /** Optimizer steps done. */
  readonly step: number;
  /** Bytes of `metrics.jsonl` that belong to these steps. */
  readonly metricsLength: number;
  /** Bytes of `samples.jsonl` that belong to these steps. */
  readonly samplesLength: number;
  /** What these steps have cost. */
  readonly cost: Cost;
}

/** A checkpoint on the disk. */
export interface SavedCheckpoint {
  /** Its folder. */
  readonly path: string;
  /** Where the run was. */
  readonly position: RunPosition;
}

/** Paths in a run's folder. */
export interface RunPaths {
  /** The settings. */
  readonly config: string;
  /** What was measured. */
  readonly metrics: string;
  /** What the model answered. */
  readonly samples: string;
  /** The folder of the checkpoints. */
  readonly checkpoints: string;
  /** The lock. */
  readonly lock: string;
}

/**
 * The paths in a run's folder.
 *
 * @param folder The folder.
 * @returns The paths.
 */
export function runPaths(folder: string): RunPaths {
  return {
    config: `${folder}/config.json`,
    metrics: `${folder}/metrics.jsonl`,
    samples: `${folder}/samples.jsonl`,
    checkpoints: `${folder}/checkpoints`,
    lock: `${folder}/lock`,
  };
}

/**
 * Makes the folder of a new run and writes its configuration.
 *
 * @param out The folder that was asked for; undefined for a new one under `runs/`.
 * @param name What a new folder is called; where there is one already, a number is added.
 * @param config The configuration.
 * @returns The folder.
 * @throws {UserError} If the folder holds a run already or cannot be written.
 */
export async function createRun(
  out: string | undefined,
  name: string,
  config: RunConfig,
): Promise<string> {
  const folder = out ?? await makeNumberedFolder(`runs/${name}`);
  const paths = runPaths(folder);
  if (await isThere(paths.config)) {
    throw new UserError(
      `${folder} holds a run already: go on with it by --resume ${folder}, or choose another --out`,
    );
  }
  await makeFolder(paths.checkpoints);
  await writeFileAtomically(paths.config, `${JSON.stringify(config, null, 2)}\n`);
  return folder;
}

/** Makes the first of `name`, `name-2`, `name-3`, ... that is not there yet. */
async function makeNumberedFolder(name: string): Promise<string> {
  await makeFolder(name.slice(0, name.lastIndexOf("/")));
  for (let number = 1;; number++) {
    const folder = number === 1 ? name : `${name}-${number}`;
    try {
      await Deno.mkdir(folder);
      return folder;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw fileError(error, "make the folder", folder);
      }
    }
  }
}

/**
 * Takes a run for this process alone, so that no two write the same files.
 *
 * @param folder The run's folder.
 * @returns The lock; dispose of it when nothing more is written.
 * @throws {UserError} If another process has the run.
 */
export async function lockRun(folder: string): Promise<Disposable> {
  const lock = await takeLock(runPaths(folder).lock);
  if (lock !== undefined) return lock;
  throw new UserError(`another process is training in ${folder}: wait for it, or stop it first`);
}

/**
 * Reads a run's configuration.
 *
 * @param folder The run's folder.
 * @returns The configuration; its settings are not checked yet.
 * @throws {UserError} If there is none or it cannot be read.
 */
export async function readRunConfig(folder: string): Promise<RunConfig> {
  const { config } = runPaths(folder);
  if (!await isThere(config)) throw new UserError(`${folder} holds no run: there is no ${config}`);
  const value = await readJson(config);
  if (isRunConfig(value)) return value;
  throw new UserError(`${config} is not a run's configuration: it was changed`);
}

function isRunConfig(value: unknown): value is RunConfig {
  if (!isRecord(value)) return false;
  const { settings, model, data } = value;
  return (isRecord(settings) || (Array.isArray(settings) && settings.every(isRecord))) &&
    isRecord(model) && isRecord(data) && datasetKinds.some((kind) => kind === data.kind) &&
    typeof data.digest === "string";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The value of a JSON file.
 *
 * @param path The file.
 * @returns The value.
 * @throws {UserError} If the file cannot be read or is not JSON.
 */
export async function readJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw fileError(error, "read", path);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(`${path} is not JSON: ${why}`, { cause: error });
  }
}

const namePattern = /^step-(\d{6,})$/;

/** The folders of a run's checkpoints, earliest first. */
async function checkpointFolders(folder: string): Promise<{ path: string; step: number }[]> {
  const { checkpoints } = runPaths(folder);
  try {
    const entries = await Array.fromAsync(Deno.readDir(checkpoints));
    return entries.flatMap(({ name }) => {
      const step = namePattern.exec(name)?.[1];
      return step === undefined ? [] : [{ path: `${checkpoints}/${name}`, step: Number(step) }];
    }).toSorted((a, b) => a.step - b.step);
  } catch (error) {
    throw fileError(error, "read", checkpoints);
  }
}

/**
 * Writes a checkpoint beside the others.
 *
 * @param folder The run's folder.
 * @param position Where the run is.
 * @param files The files by name.
 * @returns The checkpoint.
 * @throws {UserError} If it cannot be written; the others stay as they are.
 */
export async function saveCheckpoint(
  folder: string,
  position: RunPosition,
  files: Readonly<Record<string, FileContent>>,
): Promise<SavedCheckpoint> {
  const name = `step-${String(position.step).padStart(6, "0")}`;
  const path = `${runPaths(folder).checkpoints}/${name}`;
  await writeDirectoryAtomically(path, { ...files, "run.json": `${JSON.stringify(position)}\n` });
  return { path, position };
}

/** Which checkpoints a run keeps. */
export interface KeptSteps {
  /** Whether every run of the settings has a checkpoint at a step. */
  readonly isRegular: (step: number) => boolean;
  /** Whether a stage starts from a step, whose models it needs until its end. */
  readonly isStart: (step: number) => boolean;
}

/**
 * Removes checkpoints that are no longer needed, and what a killed process left. The latest stays,
 * those that a stage starts from, and the two latest of those that every run of these settings has:
 * so an interruption leaves no trace in the end.
 *
 * @param folder The run's folder.
 * @param kept Which are kept.
 * @throws {UserError} If something cannot be removed.
 */
export async function tidyCheckpoints(
  folder: string,
  { isRegular, isStart }: KeptSteps,
): Promise<void> {
  await removePartial(runPaths(folder).checkpoints);
  const all = await checkpointFolders(folder);
  const kept = new Set([
    ...all.slice(-1),
    ...all.filter(({ step }) => isStart(step)),
    ...all.filter(({ step }) => isRegular(step)).slice(-KEPT_CHECKPOINTS),
  ]);
  for (const checkpoint of all) {
    if (!kept.has(checkpoint)) await removeDirectoryAtomically(checkpoint.path);
  }
}

/**
 * The checkpoint of a run at a step.
 *
 * @param folder The run's folder.
 * @param step The step.
 * @returns The checkpoint.
 * @throws {UserError} If it is not there or cannot be read.
 */
export async function checkpointAt(folder: string, step: number): Promise<SavedCheckpoint> {
  const found = (await checkpointFolders(folder)).find((checkpoint) => checkpoint.step === step);
  if (found !== undefined) return await readCheckpoint(found.path);
  throw new UserError(
    `${folder} has no checkpoint of step ${step}, which a stage starts from: it was removed`,
  );
}

/**
 * The latest checkpoint of a run.
 *
 * @param folder The run's folder.
 * @returns The checkpoint; undefined where there is none yet.
 * @throws {UserError} If it cannot be read.
 */
export async function latestCheckpoint(folder: string): Promise<SavedCheckpoint | undefined> {
  const path = (await checkpointFolders(folder)).at(-1)?.path;
  return path === undefined ? undefined : await readCheckpoint(path);
}

async function readCheckpoint(path: string): Promise<SavedCheckpoint> {
  const position = await readJson(`${path}/run.json`);
  if (isPosition(position)) return { path, position };
  throw new UserError(`${path}/run.json is not a checkpoint's: it was changed`);
}

function isPosition(value: unknown): value is RunPosition {
  if (!isRecord(value)) return false;
  const { step, metricsLength, samplesLength, cost } = value;
  if (!isRecord(cost)) return false;
  const { examples, forwardTokens, backwardTokens } = cost;
  return [step, metricsLength, samplesLength, examples, forwardTokens, backwardTokens].every(
    (count) => typeof count === "number" && Number.isSafeInteger(count) && count >= 0,
  );
}

/**
 * Reads some files of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param names The files' names.
 * @returns Their bytes by name.
 * @throws {UserError} If one cannot be read.
 */
export async function readCheckpointFiles(
  { path }: SavedCheckpoint,
  names: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    try {
      files.set(name, await Deno.readFile(`${path}/${name}`));
    } catch (error) {
      throw fileError(error, "read", `${path}/${name}`);
    }
  }
  return files;
}
