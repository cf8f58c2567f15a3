/**
 * Downloads of models and datasets into the cache.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { writeFileAtomically } from "../files/atomic.ts";
import { makeFolder } from "../files/folders.ts";
import { readJson, readText } from "../files/read.ts";
import {
  byteUnit,
  type ProgressOutput,
  progressReporter,
  silentProgress,
} from "../terminal/progress.ts";
import { type BlobDownload, bytesThere, cacheFile, type Patience } from "./blob.ts";
import {
  cachedDataset,
  type CachedModel,
  cachedModel,
  refFile,
  type Snapshot,
  snapshotFolder,
} from "./cache.ts";
import type { HubAccess } from "./environment.ts";
import { listFiles } from "./list_files.ts";
import { type HubFile, wantedFiles } from "./listing.ts";
import { isCommit } from "./names.ts";

/** A download of a model. */
export interface ModelDownload {
  /** The hub, and the token. */
  readonly access: HubAccess;
  /** The folder of the cache. */
  readonly cache: string;
  /** The name of the model. */
  readonly name: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** Where progress is shown (default: nowhere). */
  readonly progress?: ProgressOutput;
  /** Stops the download, which goes on later from the bytes that are there. */
  readonly signal?: AbortSignal;
  /** How long it waits (default: a minute without a byte, a second before another try). */
  readonly patience?: Patience;
}

/** How long a download waits. */
const PATIENCE: Patience = { silence: 60_000, pause: 1000 };

/** Bytes between two lines of progress where there is no terminal. */
const LINE_EVERY = 50e6;

/**
 * Downloads what is missing of a model. The weights come last, and the revision is written down
 * after all: so no model that is not whole is found under its name.
 *
 * @param download The model, and where it is from.
 * @returns The commit and its folder.
 * @throws {UserError} If the hub can't be reached or refuses, a file arrives changed, or can't be
 * written.
 */
export async function downloadModel({
  access,
  cache,
  name,
  revision,
  progress: output,
  signal,
  patience = PATIENCE,
}: ModelDownload): Promise<Snapshot> {
  const question = { access, name };
  const listing = await listFiles(question, revision, signal);
  const { commit } = listing;
  const model = cachedModel(cache, name);
  const folder = snapshotFolder(model, commit);
  const { index, all } = wantedFiles(question, listing);

  const download = fetching({ ...{ question, model, commit, patience }, ...signal && { signal } });
  if (index !== undefined) await download([index], undefined);
  await download(
    all(index === undefined ? undefined : await readJson(join(folder, index.name))),
    output,
  );
  await writeRef(model, revision, commit);
  return { commit, folder, missing: [] };
}

/** Writes down the commit of a branch or tag. */
async function writeRef(repo: CachedModel, revision: string, commit: string): Promise<void> {
  if (isCommit(revision)) return;
  const ref = refFile(repo, revision);
  await makeFolder(dirname(ref));
  await writeFileAtomically(ref, commit);
}

/** Downloads files of a commit, and shows the progress. */
function fetching(
  { question, model, commit, patience, signal }: Pick<
    BlobDownload,
    "question" | "model" | "commit" | "patience" | "signal"
  >,
): (files: readonly HubFile[], output: ProgressOutput | undefined) => Promise<void> {
  return async (files, output) => {
    const there = new Map<string, number>();
    for (const file of files) there.set(file.name, await bytesThere(model, commit, file));
    const bytesSoFar = () => there.values().reduce((sum, bytes) => sum + bytes, 0);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    using progress = output === undefined || bytesSoFar() === bytes
      ? silentProgress
      : progressReporter(output, bytes, LINE_EVERY, byteUnit);
    progress.update(bytesSoFar());
    for (const file of files) {
      await cacheFile({
        question,
        model,
        commit,
        file,
        patience,
        ...signal && { signal },
        tell: (bytes) => {
          there.set(file.name, bytes);
          progress.update(bytesSoFar());
        },
        tellWait: () => progress.print(`another process downloads ${file.name}: waiting for it`),
      });
    }
  };
}

/** The file of a dataset that describes it. */
const README = "README.md";

/** A download of a part of a dataset. */
export interface DatasetDownload extends ModelDownload {
  /**
   * Chooses the files.
   *
   * @param files The names of all files.
   * @param readme The text of its README.
   */
  readonly choose: (files: readonly string[], readme: string) => Promise<readonly string[]>;
}

/**
 * Downloads what is missing of a part of a dataset. The revision is written down after all.
 *
 * @param download The dataset, where it is from, and which files are wanted.
 * @returns The commit and its folder.
 * @throws {UserError} If the hub can't be reached or refuses, a file arrives changed, or can't be
 * written.
 */
export async function downloadDataset(
  { access, cache, name, revision, progress, signal, patience = PATIENCE, choose }: DatasetDownload,
): Promise<Pick<Snapshot, "commit" | "folder">> {
  const question = { access, name, kind: "dataset" } as const;
  const { commit, files } = await listFiles(question, revision, signal);
  const model = cachedDataset(cache, name);
  const folder = snapshotFolder(model, commit);
  const download = fetching({ ...{ question, model, commit, patience }, ...signal && { signal } });
  const readme = files.get(README);
  if (readme !== undefined) await download([readme], undefined);
  const text = readme === undefined ? "" : await readText(join(folder, README));
  const chosen = await choose([...files.keys()].toSorted(), text);
  await download(chosen.flatMap((file) => files.get(file) ?? []), progress);
  await writeRef(model, revision, commit);
  return { commit, folder };
}
