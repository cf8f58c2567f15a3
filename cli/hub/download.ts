/**
 * Downloads of models into the cache.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { writeFileAtomically } from "../files/atomic.ts";
import { makeFolder } from "../files/folders.ts";
import { readJson } from "../files/read.ts";
import {
  byteUnit,
  type ProgressOutput,
  progressReporter,
  silentProgress,
} from "../terminal/progress.ts";
import { bytesThere, cacheFile, type Patience } from "./blob.ts";
import { cachedModel, refFile, type Snapshot, snapshotFolder } from "./cache.ts";
import type { HubAccess } from "./environment.ts";
import { type HubFile, listFiles, wantedFiles } from "./listing.ts";
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
  patience = { silence: 60_000, pause: 1000 },
}: ModelDownload): Promise<Snapshot> {
  const question = { access, name };
  const listing = await listFiles(question, revision, signal);
  const { commit } = listing;
  const model = cachedModel(cache, name);
  const folder = snapshotFolder(model, commit);
  const { index, all } = wantedFiles(question, listing);

  const download = async (files: readonly HubFile[], output: ProgressOutput | undefined) => {
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
  if (index !== undefined) await download([index], undefined);
  await download(
    all(index === undefined ? undefined : await readJson(join(folder, index.name))),
    output,
  );
  if (!isCommit(revision)) {
    const ref = refFile(model, revision);
    await makeFolder(dirname(ref));
    await writeFileAtomically(ref, commit);
  }
  return { commit, folder, missing: [] };
}
