/**
 * `deno task download`: downloads a model or a dataset of the hub into the cache that all tools share.
 *
 * @module
 */

import { type FlagTable, parseFlags, wantsHelp } from "../flags/flags.ts";
import { helpText } from "../flags/help.ts";
import { leadingWords } from "../flags/words.ts";
import { HUB, TRAIN } from "../data/places/folder.ts";
import { hubFolder } from "../data/places/hub.ts";
import { cacheFolder, hubAccess, isOffline, processEnvironment } from "../hub/environment.ts";
import { downloadModel } from "../hub/download.ts";
import { MAIN, requireHubName, requireRevision } from "../hub/names.ts";
import { runCommand, UsageError } from "../terminal/errors.ts";
import { interruptible } from "../terminal/interruption.ts";
import { standardProgress } from "../terminal/progress.ts";
import { print, tell } from "../terminal/terminal.ts";
import { UserError } from "@unitune/training";

const flags = {
  revision: {
    kind: "string",
    placeholder: "REVISION",
    default: MAIN,
    help: "A branch, a tag or a commit of the model.",
  },
  split: {
    kind: "string",
    placeholder: "NAME",
    default: TRAIN,
    help: "The split of a dataset.",
  },
} as const satisfies FlagTable;

const usage =
  `Downloads a model of the Hugging Face hub, or what is missing of it, and prints its folder; of a ` +
  `dataset, whose name begins with hub:, the files of a split. An ` +
  `interrupted download goes on from the bytes that are there. The folder is in the cache of all ` +
  `of Hugging Face's tools: HF_HUB_CACHE, or hub in HF_HOME. A model that is not public needs ` +
  `HF_TOKEN.

  deno task download HuggingFaceTB/SmolLM2-135M-Instruct
  deno task download org/name --revision v1.0
  deno task download hub:openai/gsm8k:main --split test`;

/**
 * The command `download`.
 *
 * @param argv The command line.
 * @returns The exit code.
 * @throws {UserError} If the command line is wrong, or the model can't be downloaded.
 */
export async function downloadCommand(argv: readonly string[]): Promise<number> {
  if (wantsHelp(argv)) {
    console.log(helpText(flags, usage));
    return 0;
  }
  const [[given], rest] = leadingWords(argv, 1);
  const { values, sources } = parseFlags(flags, rest);
  if (given === undefined) {
    throw new UsageError("name a model first: deno task download OWNER/NAME");
  }
  const isDataset = given.startsWith(HUB);
  if (isDataset && sources.revision !== "default") {
    throw new UsageError(`a dataset has its revision behind @: ${given.split("@", 1)}@REVISION`);
  }
  if (!isDataset && sources.split !== "default") {
    throw new UsageError("--split is for datasets, whose names begin with hub:");
  }
  if (isOffline(processEnvironment)) {
    throw new UserError("HF_HUB_OFFLINE forbids to ask the hub: unset it to download something");
  }
  if (isDataset) {
    return await interrupted(async (signal) => {
      const options = { progress: standardProgress(), signal };
      return (await hubFolder(given.slice(HUB.length), values.split, options)).folder;
    });
  }
  const name = requireHubName(given);
  const revision = requireRevision(values.revision);
  const access = await hubAccess(processEnvironment);
  const cache = cacheFolder(processEnvironment);
  return await interrupted(async (signal) => {
    const progress = standardProgress();
    return (await downloadModel({ access, cache, name, revision, progress, signal })).folder;
  });
}

/** Downloads something, and prints its folder; tells where a signal has interrupted that. */
async function interrupted(download: (signal: AbortSignal) => Promise<string>): Promise<number> {
  using interruption = interruptible();
  const { signal } = interruption;
  try {
    print(await download(signal));
    return 0;
  } catch (error) {
    if (error !== signal.reason || !signal.aborted) throw error;
    tell("stopped; the same command goes on from the bytes that are there");
    return interruption.exitCode;
  }
}

if (import.meta.main) await runCommand(() => downloadCommand(Deno.args));
