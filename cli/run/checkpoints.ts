/**
 * The checkpoints of a run. Each is a folder with models, the state of the training, and `run.json`
 * with the position of the run, its configuration and the digests of all files.
 *
 * @module
 */

import type { CheckpointSource, FileContent } from "@unitune/models";
import { type Cost, type KeptSteps, UserError } from "@unitune/training";
import {
  removeDirectoryAtomically,
  removePartial,
  writeDirectoryAtomically,
} from "../files/atomic.ts";
import { beginDigest, digestOf } from "../files/digest.ts";
import { fileError } from "../files/file_error.ts";
import { folderSource } from "../files/folder_source.ts";
import { makeFolder } from "../files/folders.ts";
import { isRecord } from "../files/guards.ts";
import { type Beginning, noBeginning, requireBeginning } from "../files/line_file.ts";
import { readBytes, readText, requireFile } from "../files/read.ts";
import { taskCommand } from "../terminal/shell.ts";
import { isRunConfig, type RunConfig } from "./run_config.ts";
import { RECORD, runPaths } from "./run_paths.ts";

/** The number of checkpoints at regular steps that are kept. */
const KEPT_CHECKPOINTS = 2;

/** The position of a run at a checkpoint. */
export interface RunPosition {
  /** The number of finished optimizer steps. */
  readonly step: number;
  /** The length of `metrics.jsonl` after these steps, in bytes. */
  readonly metricsLength: number;
  /** The digest of these bytes. */
  readonly metricsDigest: string;
  /** The length of `samples.jsonl` after these steps, in bytes. */
  readonly samplesLength: number;
  /** The digest of these bytes. */
  readonly samplesDigest: string;
  /** The cost of these steps. */
  readonly cost: Cost;
}

/**
 * The recorded beginnings of the files of lines.
 *
 * @param position The position at the checkpoint; undefined before the first.
 * @returns The beginning of each file.
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

/** A checkpoint on disk. */
export interface SavedCheckpoint {
  /** Its folder. */
  readonly path: string;
  /** The position of the run. */
  readonly position: RunPosition;
  /** The configuration of the run when it was saved. */
  readonly config: RunConfig;
  /** The digests of its files, by name. */
  readonly files: Readonly<Record<string, string>>;
}

/** A checkpoint is damaged: one of its files, or of the files that it records, has changed. */
export class DamagedCheckpointError extends UserError {
  /** The kind of error. */
  override readonly name = "DamagedCheckpointError";
}

const namePattern = /^step-(\d{6,})$/;

/**
 * The folder of the checkpoint at a step.
 *
 * @param folder The folder of the run.
 * @param step The step.
 * @returns The path.
 */
export function checkpointPath(folder: string, step: number): string {
  return `${runPaths(folder).checkpoints}/step-${String(step).padStart(6, "0")}`;
}

/** The folders of all checkpoints of a run, earliest first. */
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

/** The content of `run.json`, except its own digest. */
interface CheckpointRecord extends RunPosition {
  readonly config: RunConfig;
  readonly files: Readonly<Record<string, string>>;
}

/** The text of `run.json`: the record, with a digest of the record's text. */
function recordText(record: object): string {
  return `${JSON.stringify({ ...record, digest: digestOf(JSON.stringify(record)) })}\n`;
}

/**
 * Writes a checkpoint.
 *
 * @param folder The folder of the run.
 * @param config The configuration of the run.
 * @param position The position of the run.
 * @param files The contents of the files by name.
 * @returns The checkpoint.
 * @throws {UserError} If it cannot be written. Other checkpoints stay.
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
 * Removes checkpoints that are no longer needed, and the partial files of killed processes. The
 * latest checkpoint stays, and so do those from which stages start, and the two latest of those
 * that every run of the settings has. So an interrupted run ends with the same checkpoints as any
 * other.
 *
 * @param folder The folder of the run.
 * @param kept The checkpoints to keep.
 * @throws {UserError} If a checkpoint cannot be removed.
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
  ...["tokenizer.json", "tokenizer_config.json"],
  "training.safetensors",
];

/** The files of which a checkpoint has one: those of a whole model, and of an adapter. */
const configurations: readonly string[] = ["config.json", "adapter_config.json"];

/** The files and folders of a checkpoint, besides files of tensors. */
const checkpointNames: ReadonlySet<string> = new Set([
  ...[...necessary, ...configurations, RECORD],
  ...["generation_config.json", "chat_template.jinja", "README.md"],
  ...["reward_model", "process_reward_model", "teacher"],
]);

/** The files of tensors: of a model, in parts or not, or of an adapter. */
const TENSORS = /^(?:adapter_)?model(?:-\d+-of-\d+)?\.safetensors(?:\.index\.json)?$/;

/** The names in a checkpoint's folder that do not belong to the checkpoint. */
async function othersIn(path: string): Promise<readonly string[]> {
  const others: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      if (!checkpointNames.has(name) && !TENSORS.test(name)) others.push(name);
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
 * Removes the checkpoints after one, so that the run is resumed from it.
 *
 * @param folder The folder of the run.
 * @param saved The checkpoint to resume from.
 * @throws {UserError} If a later checkpoint holds a foreign file, or cannot be removed.
 */
export async function goBackTo(folder: string, saved: SavedCheckpoint): Promise<void> {
  const later = (await checkpointFolders(folder)).filter(({ step }) => step > saved.position.step);
  for (const { path } of later) {
    const [other] = await othersIn(path);
    if (other === undefined) continue;
    throw new UserError(`${path} is to be removed, and holds ${other}: move that away`);
  }
  // The latest first, so that an interruption leaves checkpoints from which a run can be resumed.
  for (const { path } of later.toReversed()) await removeDirectoryAtomically(path);
}

/**
 * Reads the checkpoint of a run at a step.
 *
 * @param folder The folder of the run.
 * @param step The step.
 * @returns The checkpoint.
 * @throws {UserError} If there is none, or it cannot be read.
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
 * Reads the latest checkpoint of a run.
 *
 * @param folder The folder of the run.
 * @returns The checkpoint; undefined if there is none yet.
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

/** The object in a JSON text; undefined if there is none. */
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

/** The error for the user of a file that cannot be read. Any other error is thrown. */
function fileFailure(error: unknown, path: string): UserError {
  const failure = fileError(error, "read", path);
  if (failure instanceof UserError) return failure;
  throw failure;
}

/** Refuses a checkpoint if one of its files, or the recorded lines of the run, have changed. */
export async function requireWhole(
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

/** The checkpoint from which a checkpoint's stage started, if it is another one and was kept. */
export async function stageStart(
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
 * Uses the checkpoints of a run. If one is damaged, the error names a command that resumes the run
 * from the latest undamaged checkpoint.
 *
 * @param folder The folder of the run.
 * @param use The function that uses them.
 * @returns The result of the function.
 * @throws {UserError} The error of the function, with the command for a damaged checkpoint.
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

/** The step of the latest undamaged checkpoint. */
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
  if (!configurations.some((name) => name in files)) return false;
  if (!Object.keys(files).some((name) => TENSORS.test(name))) return false;
  const digests = [metricsDigest, samplesDigest, ...Object.values(files)];
  if (!digests.every((digest) => typeof digest === "string")) return false;
  const { examples, forwardTokens, backwardTokens } = cost;
  return [step, metricsLength, samplesLength, examples, forwardTokens, backwardTokens].every(
    (count) => typeof count === "number" && Number.isSafeInteger(count) && count >= 0,
  );
}

/**
 * The recorded files of a checkpoint, or of a folder in it, which are read in parts. A file is first
 * compared with its digest, in pieces.
 *
 * @param checkpoint The checkpoint.
 * @param folder The folder in it, with a slash at the end (default: the checkpoint's own).
 * @returns The source. It throws a `UserError` if a file cannot be read, or has changed.
 */
export function checkpointSource(
  { path, files: digests }: SavedCheckpoint,
  folder = "",
): CheckpointSource {
  const names = Object.keys(digests).filter((name) => name.startsWith(folder)).map((name) =>
    name.slice(folder.length)
  );
  const checked = new Map<string, Promise<void>>();
  const requireSame = async (name: string): Promise<void> => {
    const file = `${path}/${folder}${name}`;
    if (await readCheckpointFile(file, digestOfFile) !== digests[folder + name]) {
      throw damaged(file);
    }
  };
  const reading = async <T>(name: string, read: (source: CheckpointSource) => Promise<T>) => {
    const check = checked.get(name) ?? requireSame(name);
    checked.set(name, check);
    await check;
    return await read(await folderSource(`${path}/${folder}`));
  };
  return {
    names: names.filter((name) => !name.includes("/")),
    size: (name) => reading(name, (source) => source.size(name)),
    read: (name, begin, end) => reading(name, (source) => source.read(name, begin, end)),
  };
}

/**
 * Reads some files of a checkpoint.
 *
 * @param checkpoint The checkpoint.
 * @param names The names of the files.
 * @returns The bytes of the files by name.
 * @throws {UserError} If a file cannot be read, or has changed.
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
