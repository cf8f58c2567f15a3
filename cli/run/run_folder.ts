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
 *                          training.safetensors              what resuming needs
 *                          run.json                          where the run was, its configuration,
 *                                                            and the digests of all these files
 * lock                     empty; held by the process that works on the run
 * ```
 *
 * What a checkpoint remembers is compared with what is there before anything is made of it: every
 * file has its digest, `metrics.jsonl` and `samples.jsonl` as far as they belong to its steps, and
 * `run.json` one of itself. A folder that holds any of these names and is no run is left alone.
 *
 * Nothing in it depends on the time or the place of a run: the same settings give the same bytes,
 * interrupted or not.
 *
 * @module
 */

import { basename, dirname } from "node:path";
import type { LanguageModelConfig } from "@unitune/models";
import { type Claim, claimFolder, holdFolder } from "../files/claims.ts";
import {
  type Cost,
  datasetKinds,
  type KeptSteps,
  type TrainSettings,
  UserError,
  writtenSettings,
} from "@unitune/training";
import { beginDigest, digestOf } from "../files/digest.ts";
import { fileError } from "../files/file_error.ts";
import { type Beginning, noBeginning, requireBeginning } from "../files/line_file.ts";
import type { FileContent } from "../files/write.ts";
import { isThere, makeFolder } from "../files/folders.ts";
import { readBytes, readJson, readText, requireFile } from "../files/read.ts";
import {
  removeDirectoryAtomically,
  removePartial,
  writeDirectoryAtomically,
  writeFileAtomically,
} from "../files/atomic.ts";
import { isRecord } from "../files/guards.ts";
import type { Prepared, RunData } from "../data/prepare.ts";
import { shellQuote, taskCommand } from "../terminal/shell.ts";

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
  readonly model: LanguageModelConfig;
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
  { model, data }: Pick<Prepared, "model" | "data">,
): RunConfig {
  const stages = [settings].flat().map(writtenSettings);
  const [only] = stages;
  return {
    settings: only !== undefined && stages.length === 1 ? only : stages,
    model: model.config,
    data,
  };
}

/** What a checkpoint knows of its run. */
export interface RunPosition {
  /** Optimizer steps done. */
  readonly step: number;
  /** Bytes of `metrics.jsonl` that belong to these steps. */
  readonly metricsLength: number;
  /** Their digest. */
  readonly metricsDigest: string;
  /** Bytes of `samples.jsonl` that belong to these steps. */
  readonly samplesLength: number;
  /** Their digest. */
  readonly samplesDigest: string;
  /** What these steps have cost. */
  readonly cost: Cost;
}

/**
 * What a checkpoint remembers of the files that grow.
 *
 * @param position Where the run was; nothing is remembered before the first checkpoint.
 * @returns How each began.
 */
export function beginningsOf(
  position: RunPosition | undefined,
): { readonly metrics: Beginning; readonly samples: Beginning } {
  if (position === undefined) return { metrics: noBeginning, samples: noBeginning };
  const { metricsLength, metricsDigest, samplesLength, samplesDigest } = position;
  return {
    metrics: { length: metricsLength, digest: metricsDigest },
    samples: { length: samplesLength, digest: samplesDigest },
  };
}

/** A checkpoint on the disk. */
export interface SavedCheckpoint {
  /** Its folder. */
  readonly path: string;
  /** Where the run was. */
  readonly position: RunPosition;
  /** The run's configuration when it was saved. */
  readonly config: RunConfig;
  /** The digests of its files, by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** A checkpoint cannot be used: a file of it, or what it remembers, is not as it was saved. */
export class DamagedCheckpointError extends UserError {
  /** The kind of error. */
  override readonly name = "DamagedCheckpointError";
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

/** What a run's folder is claimed for. */
const runUse = {
  what: "run",
  names: ["config.json", "metrics.jsonl", "samples.jsonl", "checkpoints"],
  others: ["study.json"],
} as const;

/** A run that this process has for itself; dispose of it when nothing more is written. */
export interface HeldRun extends Claim {
  /** What it is. */
  readonly config: RunConfig;
  /** The checkpoint that it goes on from; undefined where there is none yet. */
  readonly saved: SavedCheckpoint | undefined;
}

/**
 * Makes the folder of a new run for this process, and writes its configuration.
 *
 * @param out The folder that was asked for; undefined for a new one under `runs/`.
 * @param name What a new folder is called; where there is one already, a number is added.
 * @param config The configuration.
 * @returns The run; discarding it leaves the folder as it was.
 * @throws {UserError} If the folder holds a run, or files of a run's names, already, another process
 * has it, or it cannot be written.
 */
export async function startRun(
  out: string | undefined,
  name: string,
  config: RunConfig,
): Promise<HeldRun> {
  const folder = out ?? await makeNumberedFolder(`runs/${name}`);
  const claim = await claimFolder(folder, runUse, () => refusalOfHolder(folder));
  try {
    await writeFileAtomically(runPaths(folder).config, `${JSON.stringify(config, null, 2)}\n`);
  } catch (error) {
    await claim.discard();
    claim[Symbol.dispose]();
    throw error;
  }
  return { ...claim, config, saved: undefined };
}

/** Why a folder is no place for a new run, where it holds a run. */
async function refusalOfHolder(folder: string): Promise<UserError | undefined> {
  try {
    await readRunConfig(folder);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
  return new UserError(
    `${folder} holds a run already: choose another --out, or go on with it by`,
    { command: taskCommand("train", { resume: folder }) },
  );
}

/**
 * Makes the folder of a new run and writes its configuration, as {@linkcode startRun} does; whoever
 * comes first may then carry it out.
 *
 * @param out The folder that was asked for; undefined for a new one under `runs/`.
 * @param name What a new folder is called; where there is one already, a number is added.
 * @param config The configuration.
 * @returns The folder.
 * @throws {UserError} As {@linkcode startRun}.
 */
export async function createRun(
  out: string | undefined,
  name: string,
  config: RunConfig,
): Promise<string> {
  using run = await startRun(out, name, config);
  return run.folder;
}

/**
 * Takes a run for this process alone, so that no two write the same files, and looks whether it is
 * as its checkpoint remembers it.
 *
 * @param folder The run's folder.
 * @param step The step to go on from; that of the latest checkpoint unless told.
 * @returns The run.
 * @throws {UserError} If there is none, another process has it, its configuration was changed, or
 * the checkpoint is damaged; an older one that is whole is named then.
 */
export async function holdRun(folder: string, step?: number): Promise<HeldRun> {
  // A folder that is no run gets no lock.
  await readRunConfig(folder);
  const claim = await holdFolder(folder);
  try {
    const config = await readRunConfig(folder);
    const saved = await offeringOlder(folder, async () => {
      const found = step === undefined
        ? await latestCheckpoint(folder)
        : await checkpointAt(folder, step);
      if (found === undefined) return undefined;
      requireSettings(folder, config, found);
      await requireWhole(folder, found);
      const start = await stageStart(folder, found);
      if (start !== undefined) await requireWhole(folder, start);
      return found;
    });
    return { ...claim, config, saved };
  } catch (error) {
    claim[Symbol.dispose]();
    throw error;
  }
}

/** Refuses a configuration that is not the one that a checkpoint was saved with. */
function requireSettings(
  folder: string,
  now: RunConfig,
  { position: { step }, config: then }: SavedCheckpoint,
): void {
  const changes = changesBetween("", then, now);
  if (changes.length === 0) return;
  const { config } = runPaths(folder);
  const shown = changes.slice(0, SHOWN_CHANGES);
  const more = changes.length - shown.length;
  throw new UserError(
    `${config} was changed since step ${step} was saved: ${shown.join(", ")}${
      more > 0 ? ` and ${more} more` : ""
    }. Put it back: a run keeps its settings. Only --device, --data, --from, --reward-model and ` +
      `--teacher may be others, on the command line of --resume; for anything else, start a new ` +
      `run by --config ${shellQuote(config)} or --from ${shellQuote(folder)}`,
  );
}

/** Changes of a configuration that are named. */
const SHOWN_CHANGES = 3;

/** What is different in a value of JSON, by its place: `settings.steps is 9 and was 6`. */
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

/** A value of JSON in few characters. */
function brief(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length <= 40 ? text : `${text.slice(0, 39)}…`;
}

/** Makes the first of `name`, `name-2`, `name-3`, ... that is not there yet. */
async function makeNumberedFolder(name: string): Promise<string> {
  await makeFolder(dirname(name));
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
  if (isRecord(value) && ("model_type" in value || "architectures" in value)) {
    throw new UserError(await describeModel(folder));
  }
  throw new UserError(
    `${config} is not a run's configuration: it was changed, or ${folder} holds no run`,
  );
}

/** Why a folder that holds a model in the layout of Hugging Face is no run. */
async function describeModel(folder: string): Promise<string> {
  if (await isThere(`${folder}/${RECORD}`)) {
    const above = dirname(folder);
    const run = basename(above) === "checkpoints" ? dirname(above) : folder;
    return `${folder} is one checkpoint of a run: name the run's own folder, ${shellQuote(run)}`;
  }
  const isSharded = await isThere(`${folder}/model.safetensors.index.json`);
  return `${folder} holds no run, but a model in the layout of Hugging Face${
    isSharded ? ", sharded over several files" : ""
  }: a run's folder, as train makes it, has settings, a tokenizer and checkpoints. ` +
    (isSharded
      ? "A sharded model is not read; saved in one file, it is read by"
      : "Such a model is read by") +
    " decodeCheckpoint of @unitune/models";
}

function isRunConfig(value: unknown): value is RunConfig {
  if (!isRecord(value)) return false;
  const { settings, model, data } = value;
  return (isRecord(settings) || (Array.isArray(settings) && settings.every(isRecord))) &&
    isRecord(model) && isRecord(data) && datasetKinds.some((kind) => kind === data.kind) &&
    typeof data.digest === "string";
}

const namePattern = /^step-(\d{6,})$/;

/**
 * The folder of a step's checkpoint.
 *
 * @param folder The run's folder.
 * @param step The step.
 * @returns The path.
 */
export function checkpointPath(folder: string, step: number): string {
  return `${runPaths(folder).checkpoints}/step-${String(step).padStart(6, "0")}`;
}

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
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError(error, "read", checkpoints);
  }
}

const RECORD = "run.json";

/** What `run.json` holds beside its own digest. */
interface CheckpointRecord extends RunPosition {
  readonly config: RunConfig;
  readonly files: Readonly<Record<string, string>>;
}

/** The text of `run.json`: the record, and the digest of the record's text. */
function recordText(record: object): string {
  return `${JSON.stringify({ ...record, digest: digestOf(JSON.stringify(record)) })}\n`;
}

/**
 * Writes a checkpoint beside the others.
 *
 * @param folder The run's folder.
 * @param config The run's configuration.
 * @param position Where the run is.
 * @param files The files by name.
 * @returns The checkpoint.
 * @throws {UserError} If it cannot be written; the others stay as they are.
 */
export async function saveCheckpoint(
  folder: string,
  config: RunConfig,
  position: RunPosition,
  files: Readonly<Record<string, FileContent>>,
): Promise<SavedCheckpoint> {
  const path = checkpointPath(folder, position.step);
  let digests: Readonly<Record<string, string>> = {};
  await writeDirectoryAtomically(path, files, (written) => {
    digests = written;
    const record: CheckpointRecord = { ...position, config, files: written };
    return { [RECORD]: recordText(record) };
  });
  return { path, position, config, files: digests };
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
  const { checkpoints } = runPaths(folder);
  await makeFolder(checkpoints);
  await removePartial(checkpoints, { isFolder: (name) => namePattern.test(name) });
  const all = await checkpointFolders(folder);
  const kept = new Set([
    ...all.slice(-1),
    ...all.filter(({ step }) => isStart(step)),
    ...all.filter(({ step }) => isRegular(step)).slice(-KEPT_CHECKPOINTS),
  ]);
  for (const checkpoint of all) {
    const isOwn = !kept.has(checkpoint) && (await othersIn(checkpoint.path)).length === 0;
    if (isOwn) await removeDirectoryAtomically(checkpoint.path);
  }
}

/** The files that every checkpoint has. */
const necessary: readonly string[] = [
  ...["config.json", "model.safetensors", "tokenizer.json", "training.safetensors"],
];

/** The files of a checkpoint, and the folders of more of them. */
const checkpointNames: ReadonlySet<string> = new Set([
  ...[...necessary, RECORD],
  ...["reward_model", "teacher"],
]);

/** What lies in a checkpoint's folder that is none of its files. */
async function othersIn(path: string): Promise<readonly string[]> {
  const others: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      if (!checkpointNames.has(name)) others.push(name);
      else if (isDirectory) {
        for (const other of await othersIn(`${path}/${name}`)) others.push(other);
      }
    }
  } catch (error) {
    throw fileError(error, "read", path);
  }
  return others;
}

/**
 * Goes back to a checkpoint: removes those after it, which its run makes again.
 *
 * @param folder The run's folder.
 * @param saved The checkpoint.
 * @throws {UserError} If one holds a file that is none of a checkpoint's, or cannot be removed.
 */
export async function goBackTo(folder: string, saved: SavedCheckpoint): Promise<void> {
  const later = (await checkpointFolders(folder)).filter(({ step }) => step > saved.position.step);
  for (const { path } of later) {
    const [other] = await othersIn(path);
    if (other === undefined) continue;
    throw new UserError(`${path} is to be removed, and holds ${other}: move that away`);
  }
  // The latest first: whatever interrupts it, what is left is what a run can go on from.
  for (const { path } of later.toReversed()) await removeDirectoryAtomically(path);
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
  const all = await checkpointFolders(folder);
  const found = all.find((checkpoint) => checkpoint.step === step);
  if (found !== undefined) return await readCheckpoint(found);
  const steps = all.map((checkpoint) => checkpoint.step).join(", ");
  throw new UserError(
    `${folder} has no checkpoint of step ${step}: it has ${steps === "" ? "none" : steps}`,
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
  const latest = (await checkpointFolders(folder)).at(-1);
  return latest === undefined ? undefined : await readCheckpoint(latest);
}

async function readCheckpoint(
  { path, step }: { readonly path: string; readonly step: number },
): Promise<SavedCheckpoint> {
  const file = `${path}/${RECORD}`;
  const text = await readCheckpointFile(file, readText);
  const record = parsed(text);
  if (record === undefined) {
    throw new DamagedCheckpointError(`${file} is damaged: it is not a checkpoint's`);
  }
  const { digest: _, ...own } = record;
  if (text !== recordText(own) || !isCheckpointRecord(own)) {
    throw new DamagedCheckpointError(`${file} is damaged: it is not as it was saved`);
  }
  const { config, files, ...position } = own;
  if (position.step === step) return { path, position, config, files };
  throw new DamagedCheckpointError(
    `${path} holds the checkpoint of step ${position.step}: it was renamed`,
  );
}

/** The record of a JSON text; undefined where it is none. */
function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function readCheckpointFile<T>(
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T> {
  try {
    return await read(path);
  } catch (error) {
    const { message } = fileFailure(error, path);
    throw new DamagedCheckpointError(message, { cause: error });
  }
}

/** The user's error behind a file that cannot be read; another error is thrown. */
function fileFailure(error: unknown, path: string): UserError {
  const failure = fileError(error, "read", path);
  if (failure instanceof UserError) return failure;
  throw failure;
}

/** Refuses a checkpoint of which any file is not as it was saved, and lines that it remembers. */
async function requireWhole(
  folder: string,
  { path, position, files }: SavedCheckpoint,
): Promise<void> {
  for (const [name, digest] of Object.entries(files)) {
    const file = `${path}/${name}`;
    const own = await readCheckpointFile(file, digestOfFile);
    if (own !== digest) throw damaged(file);
  }
  const [paths, kept] = [runPaths(folder), beginningsOf(position)];
  try {
    await requireBeginning(paths.metrics, kept.metrics);
    await requireBeginning(paths.samples, kept.samples);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new DamagedCheckpointError(error.message, { cause: error });
  }
}

async function digestOfFile(path: string): Promise<string> {
  await requireFile(path);
  using file = await Deno.open(path);
  const digest = beginDigest();
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) return digest.value();
    digest.add(buffer.subarray(0, count));
  }
}

function damaged(file: string): DamagedCheckpointError {
  return new DamagedCheckpointError(`${file} is damaged: it is not as it was saved`);
}

/** The checkpoint that a checkpoint's stage began with, where that is another and was kept. */
async function stageStart(
  folder: string,
  { position: { step }, config: { settings } }: SavedCheckpoint,
): Promise<SavedCheckpoint | undefined> {
  const lengths = [settings].flat().map(({ steps }) => Number(steps));
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, steps) => sum + steps, 0));
  const start = starts.findLast((start) => start <= step);
  if (start === step) return undefined;
  const found = (await checkpointFolders(folder)).find((checkpoint) => checkpoint.step === start);
  return found === undefined ? undefined : await readCheckpoint(found);
}

/**
 * Does something with a run's checkpoints; where one turns out to be damaged, the error names a
 * command that goes on from the latest that is whole.
 *
 * @param folder The run's folder.
 * @param use What is done.
 * @returns What that returns.
 * @throws {UserError} What that throws, with the way on.
 */
export async function offeringOlder<T>(folder: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof DamagedCheckpointError)) throw error;
    const step = await latestWhole(folder);
    if (step === undefined) {
      throw new UserError(
        `${error.message}. Restore it from a copy, or start a new run: no checkpoint of this one ` +
          `is whole`,
        { cause: error },
      );
    }
    throw new UserError(
      `${error.message}. Restore it from a copy, or go on from step ${step}, which is whole, by`,
      { cause: error, command: taskCommand("train", { resume: folder, "from-step": `${step}` }) },
    );
  }
}

/** The step of the latest checkpoint that a run can go on from. */
async function latestWhole(folder: string): Promise<number | undefined> {
  for (const checkpoint of (await checkpointFolders(folder)).toReversed()) {
    try {
      const found = await readCheckpoint(checkpoint);
      await requireWhole(folder, found);
      const start = await stageStart(folder, found);
      if (start !== undefined) await requireWhole(folder, start);
      return checkpoint.step;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return undefined;
}

function isCheckpointRecord(value: unknown): value is CheckpointRecord {
  if (!isRecord(value)) return false;
  const { step, metricsLength, metricsDigest, samplesLength, samplesDigest, cost } = value;
  const { config, files } = value;
  if (!isRecord(cost) || !isRunConfig(config) || !isRecord(files)) return false;
  if (!necessary.every((name) => name in files)) return false;
  const digests = [metricsDigest, samplesDigest, ...Object.values(files)];
  if (!digests.every((digest) => typeof digest === "string")) return false;
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
 * @throws {UserError} If one cannot be read, or is not as it was saved.
 */
export async function readCheckpointFiles(
  { path, files: digests }: SavedCheckpoint,
  names: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const file = `${path}/${name}`;
    const bytes = await readCheckpointFile(file, readBytes);
    if (digestOf(bytes) !== digests[name]) throw damaged(file);
    files.set(name, bytes);
  }
  return files;
}
