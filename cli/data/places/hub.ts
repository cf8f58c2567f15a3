/**
 * Datasets of the hub: `OWNER/NAME`, with a configuration behind `:` and a revision behind `@`.
 *
 * @module
 */

import { quoted } from "@unitune/core";
import { UserError } from "@unitune/training";
import type { Patience } from "../../hub/blob.ts";
import { cachedDataset, findCommit } from "../../hub/cache.ts";
import { downloadDataset } from "../../hub/download.ts";
import {
  cacheFolder,
  hubAccess,
  type HubEnvironment,
  isOffline,
  processEnvironment,
} from "../../hub/environment.ts";
import { isHubName, MAIN, requireRevision } from "../../hub/names.ts";
import { mayReachHub } from "../../hub/resolve.ts";
import type { ProgressOutput } from "../../terminal/progress.ts";
import { shellQuote } from "../../terminal/shell.ts";
import { HUB, type HubFolder, listFolder, readmeConfigs, splitFiles, TRAIN } from "./folder.ts";

/** A dataset of the hub, as it is named. */
export interface HubDataset {
  /** Its name. */
  readonly name: string;
  /** A configuration. */
  readonly config?: string;
  /** A branch, a tag or a commit (default `main`). */
  readonly revision?: string;
}

/**
 * Reads the name of a dataset of the hub.
 *
 * @param text The text, without `hub:`.
 * @returns The parts of the name.
 * @throws {UserError} If it is none.
 *
 * @example
 * ```ts
 * import { hubDataset } from "./hub.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(hubDataset("openai/gsm8k:main@refs/convert/parquet"), {
 *   name: "openai/gsm8k",
 *   config: "main",
 *   revision: "refs/convert/parquet",
 * });
 * ```
 */
export function hubDataset(text: string): HubDataset {
  const [, name = "", config, revision] = /^([^:@]+)(?::([^@]+))?(?:@(.+))?$/s.exec(text) ?? [];
  if (!isHubName(name)) {
    throw new UserError(
      `${quoted(`${HUB}${text}`)} is no dataset of the hub: those are of the form ` +
        `${HUB}OWNER/NAME, such as ${HUB}openai/gsm8k:main`,
    );
  }
  return {
    name,
    ...config !== undefined && { config },
    ...revision !== undefined && { revision: requireRevision(revision) },
  };
}

/** Options of finding a dataset. */
export interface HubOptions {
  /** The variables of the environment (default: those of the process). */
  readonly env?: HubEnvironment;
  /** Where the progress of a download is shown (default: nowhere). */
  readonly progress?: ProgressOutput;
  /** Stops a download, which goes on later from the bytes that are there. */
  readonly signal?: AbortSignal;
  /** How long a download waits. */
  readonly patience?: Patience;
}

/**
 * Finds the folder of a dataset in the cache, with the files of a split; what is not there is
 * downloaded, if the process may use the network.
 *
 * @param text The name, without `hub:`.
 * @param split The split.
 * @param options The environment, and how to download.
 * @returns The folder of the dataset's files.
 * @throws {UserError} If there is no such dataset or split, or it is not in the cache and cannot be
 * downloaded.
 */
export async function hubFolder(
  text: string,
  split: string,
  { env = processEnvironment, ...options }: HubOptions = {},
): Promise<HubFolder> {
  const { name, config, revision = MAIN } = hubDataset(text);
  const question = { name: `${HUB}${text}`, split, config };
  const choose = async (files: readonly string[], readme: string) =>
    splitFiles(files, await readmeConfigs(readme, question.name), question);
  const cache = cacheFolder(env);
  const found = await findCommit(cachedDataset(cache, name), revision);
  // A branch may have moved on; what is there is used, as for models.
  if (found !== undefined && await isWhole(found.folder, choose)) {
    return { folder: found.folder, config };
  }
  if (!await mayReachHub(env)) {
    throw notInCache(text, split, cache, "this task does not use the network: download it by");
  }
  if (isOffline(env)) {
    const why = "HF_HUB_OFFLINE forbids to ask the hub: unset it and download the dataset by";
    throw notInCache(text, split, cache, why);
  }
  const access = await hubAccess(env);
  const { folder } = await downloadDataset({ access, cache, name, revision, choose, ...options });
  return { folder, config };
}

/** Whether the files of a split are in a folder. */
async function isWhole(
  folder: string,
  choose: (files: readonly string[], readme: string) => Promise<readonly string[]>,
): Promise<boolean> {
  try {
    const { files, readme } = await listFolder(folder);
    await choose(files, readme);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** The error for a dataset whose split is not in the cache. */
function notInCache(text: string, split: string, cache: string, why: string): UserError {
  const words = ["deno task download", shellQuote(`${HUB}${text}`)];
  if (split !== TRAIN) words.push("--split", shellQuote(split));
  return new UserError(`${HUB}${text} is not in the cache ${cache}, and ${why}`, {
    command: words.join(" "),
  });
}
