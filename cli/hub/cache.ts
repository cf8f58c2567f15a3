/**
 * The cache that the tools of Hugging Face share
 * ([its layout](https://huggingface.co/docs/huggingface_hub/guides/manage-cache)):
 *
 * ```text
 * models--OWNER--NAME/
 *   blobs/DIGEST               the content of a file
 *   refs/main                  the commit of a branch or tag
 *   snapshots/COMMIT/FILE      a link to the content: ../../blobs/DIGEST
 * .locks/models--OWNER--NAME/  a lock for each content that is downloaded
 * ```
 *
 * @module
 */

import { join } from "node:path";
import { isThere } from "../files/folders.ts";
import { readJson, readText } from "../files/read.ts";
import { ADAPTER, CONFIG, INDEX, shardsIn, TOKENIZER, WEIGHTS } from "./model_files.ts";
import { isCommit } from "./names.ts";

/** The place of a model in a cache. */
export interface CachedModel {
  /** The folder of the model. */
  readonly folder: string;
  /** The folder of its locks. */
  readonly locks: string;
}

/**
 * The place of a model in a cache.
 *
 * @param cache The folder of the cache.
 * @param name The name of the model.
 * @returns The folders; they need not exist.
 *
 * @example
 * ```ts
 * import { cachedModel } from "./cache.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cachedModel("/hub", "org/name").folder, "/hub/models--org--name");
 * ```
 */
export function cachedModel(cache: string, name: string): CachedModel {
  const folder = `models--${name.replace("/", "--")}`;
  return { folder: join(cache, folder), locks: join(cache, ".locks", folder) };
}

/**
 * The place of a dataset in a cache.
 *
 * @param cache The folder of the cache.
 * @param name The name of the dataset.
 * @returns The folders; they need not exist.
 *
 * @example
 * ```ts
 * import { cachedDataset } from "./cache.ts";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cachedDataset("/hub", "org/name").folder, "/hub/datasets--org--name");
 * ```
 */
export function cachedDataset(cache: string, name: string): CachedModel {
  const folder = `datasets--${name.replace("/", "--")}`;
  return { folder: join(cache, folder), locks: join(cache, ".locks", folder) };
}

/** The folder of a commit's files. */
export function snapshotFolder({ folder }: CachedModel, commit: string): string {
  return join(folder, "snapshots", commit);
}

/** The file that holds the commit of a branch or tag. */
export function refFile({ folder }: CachedModel, revision: string): string {
  return join(folder, "refs", revision);
}

/** The file of a content. */
export function blobFile({ folder }: CachedModel, digest: string): string {
  return join(folder, "blobs", digest);
}

/** A commit of a model in the cache. */
export interface Snapshot {
  /** The commit. */
  readonly commit: string;
  /** The folder of its files. */
  readonly folder: string;
  /** The files that are needed and missing. */
  readonly missing: readonly string[];
}

/**
 * Looks a revision of a model up in the cache.
 *
 * @param model The place of the model.
 * @param revision A branch, a tag or a commit.
 * @returns What the cache knows; undefined if that is nothing.
 * @throws {UserError} If a file of the cache can't be read.
 */
export async function findSnapshot(
  model: CachedModel,
  revision: string,
): Promise<Snapshot | undefined> {
  const found = await findCommit(model, revision);
  return found && { ...found, missing: await missingIn(found.folder) };
}

/**
 * Looks the commit of a revision up in the cache.
 *
 * @param repo The place of a model or a dataset.
 * @param revision A branch, a tag or a commit.
 * @returns The commit and the folder of its files; undefined if there is none.
 * @throws {UserError} If a file of the cache can't be read.
 */
export async function findCommit(
  repo: CachedModel,
  revision: string,
): Promise<Pick<Snapshot, "commit" | "folder"> | undefined> {
  const commit = isCommit(revision) ? revision : await readRef(refFile(repo, revision));
  if (commit === undefined) return undefined;
  const folder = snapshotFolder(repo, commit);
  return await isThere(folder) ? { commit, folder } : undefined;
}

/** The commit in the file of a branch or tag. */
async function readRef(path: string): Promise<string | undefined> {
  if (!await isThere(path)) return undefined;
  const commit = (await readText(path)).trim();
  return isCommit(commit) ? commit : undefined;
}

/**
 * The files that a model or an adapter needs and a folder lacks. A link without its content is no
 * file.
 *
 * @param folder The folder.
 * @returns The names of the missing files.
 * @throws {UserError} If the index of the weights can't be read.
 */
export async function missingIn(folder: string): Promise<readonly string[]> {
  const lacking = async (names: Iterable<string>) => {
    const missing: string[] = [];
    for (const name of names) if (!await isThere(join(folder, name))) missing.push(name);
    return missing;
  };
  const others = await lacking([CONFIG, TOKENIZER]);
  if (others.includes(CONFIG) && await isThere(join(folder, ADAPTER[0]))) {
    return await lacking(ADAPTER);
  }
  const isSingle = await isThere(join(folder, WEIGHTS));
  if (isSingle || !await isThere(join(folder, INDEX))) {
    return [...others, ...await lacking([WEIGHTS])];
  }
  return [...others, ...await lacking(shardsIn(await readJson(join(folder, INDEX))))];
}
