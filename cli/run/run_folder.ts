/**
 * The folders of runs: making one for a new run, and opening one to resume its run. A folder is
 * claimed by its lock, so that one process at a time works on a run.
 *
 * @module
 */

import { UserError } from "@unitune/training";
import { dirname } from "node:path";
import { writeFileAtomically } from "../files/atomic.ts";
import { type Claim, claimFolder, holdFolder } from "../files/claims.ts";
import { fileError } from "../files/file_error.ts";
import { isThere, makeFolder } from "../files/folders.ts";
import { readJsonLines } from "../files/json_lines.ts";
import { taskCommand } from "../terminal/shell.ts";
import {
  checkpointAt,
  latestCheckpoint,
  offeringOlder,
  requireWhole,
  type SavedCheckpoint,
  stageStart,
} from "./checkpoints.ts";
import { readRunConfig, requireSettings, type RunConfig } from "./run_config.ts";
import { EVENTS, runPaths } from "./run_paths.ts";

/** The purpose for which a run claims its folder. */
const runUse = {
  what: "run",
  names: ["config.json", "metrics.jsonl", "samples.jsonl", EVENTS, "checkpoints"],
  others: ["study.json"],
} as const;

/** A run whose folder this process has claimed, until it is disposed of. */
export interface HeldRun extends Claim {
  /** The configuration. */
  readonly config: RunConfig;
  /** The checkpoint to resume from; undefined if there is none yet. */
  readonly saved: SavedCheckpoint | undefined;
}

/**
 * Makes and claims the folder of a new run, and writes its configuration.
 *
 * @param out The folder; undefined for a new one under `runs/`.
 * @param name The name of a new folder under `runs/`; a number is added if it exists.
 * @param config The configuration.
 * @returns The run; discarding it restores the folder.
 * @throws {UserError} If the folder already holds a run or files of the same names, another process
 * uses it, or it cannot be written.
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

/** The error for a folder that already holds a run; undefined if it does not. */
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
 * Makes the folder of a new run and writes its configuration, as {@linkcode startRun} does, without
 * keeping the claim.
 *
 * @param out The folder; undefined for a new one under `runs/`.
 * @param name The name of a new folder under `runs/`; a number is added if it exists.
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
 * Claims the folder of a run to resume it, and checks its files against the checkpoint.
 *
 * @param folder The folder of the run.
 * @param step The step to resume from (default: that of the latest checkpoint).
 * @returns The run.
 * @throws {UserError} If there is no run, another process uses it, its configuration was changed,
 * all checkpoints of a run under way are gone, or the checkpoint is damaged; the message then names
 * an older undamaged one.
 */
export async function holdRun(folder: string, step?: number): Promise<HeldRun> {
  // Checked first, so that only the folder of a run gets a lock.
  await readRunConfig(folder);
  const claim = await holdFolder(folder);
  try {
    const config = await readRunConfig(folder);
    const saved = await offeringOlder(folder, async () => {
      const found = step === undefined
        ? await latestCheckpoint(folder)
        : await checkpointAt(folder, step);
      if (found === undefined) {
        await requireUntrained(folder);
        return undefined;
      }
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

/** Refuses a run without checkpoints that has trained: its first is saved before its first step. */
async function requireUntrained(folder: string): Promise<void> {
  const { metrics, checkpoints, config } = runPaths(folder);
  if (!await isThere(metrics)) return;
  const last = (await readJsonLines(metrics)).findLast(({ step }) => Number(step) > 0);
  if (last === undefined) return;
  throw new UserError(
    `${folder} has come to step ${last.step}, and its checkpoints are gone: restore ` +
      `${checkpoints} from a copy, or start a new run with the same settings by`,
    { command: taskCommand("train", { config }) },
  );
}

/** Makes the first of `name`, `name-2`, `name-3`, ... that does not exist. */
export async function makeNumberedFolder(name: string): Promise<string> {
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
