/**
 * Files that are whole or not there: write beside, sync, rename.
 *
 * While a file `x` is written, what there is of it is in `x.NUMBER.partial`, a name that nothing else
 * has; while a folder `x` is written or removed, in `x.partial`, so such folders lie where nobody
 * else writes. What a killed process left there counts for nothing.
 *
 * @module
 */

import { dirname, format, parse } from "node:path";
import { fileError } from "./file_error.ts";
import { beginDigest } from "./digest.ts";
import { removeIfThere } from "./folders.ts";
import { type FileContent, writeAll, writeError } from "./write.ts";

/** The end of the name of what is not whole. */
const PARTIAL = ".partial";

/** The path beside a file or folder whose name is the same with an ending. */
function withEnding(path: string, ending: string): string {
  const { root, dir, base } = parse(path);
  return format({ root, dir, base: `${base}${ending}` });
}

/**
 * Writes a file so that, at any moment and after any crash, its path holds either all of the old
 * content or all of the new.
 *
 * @param path Where; its folder exists.
 * @param content Bytes, or text as UTF-8.
 * @throws {UserError} Where it can't be written; the old content is untouched and nothing is left.
 */
export async function writeFileAtomically(path: string, content: FileContent): Promise<void> {
  const beside = withEnding(path, `.${crypto.randomUUID().slice(0, 8)}${PARTIAL}`);
  await writing(path, beside, async () => {
    await writeSynced(beside, content);
    await Deno.rename(beside, path);
    await syncDirectory(dirname(path));
  });
}

/**
 * Writes a new folder of files so that, at any moment and after any crash, its path holds all of
 * them or nothing.
 *
 * @param path Where; its parent folder exists, and nothing is there yet.
 * @param files The content of each file, by name; a name with a slash is of a file in a folder.
 * @param last More files, by what the digests of the first are.
 * @throws {UserError} Where it can't be written; nothing is left.
 */
export async function writeDirectoryAtomically(
  path: string,
  files: Readonly<Record<string, FileContent>>,
  last: (digests: Readonly<Record<string, string>>) => Readonly<Record<string, FileContent>> =
    () => ({}),
): Promise<void> {
  const beside = withEnding(path, PARTIAL);
  const write = async (name: string, content: FileContent): Promise<string> => {
    const path = `${beside}/${name}`;
    await Deno.mkdir(dirname(path), { recursive: true });
    const digest = await writeSynced(path, content);
    if (dirname(path) !== beside) await syncDirectory(dirname(path));
    return digest;
  };
  await writing(path, beside, async () => {
    await removeIfThere(beside);
    await Deno.mkdir(beside);
    const digests: Record<string, string> = {};
    for (const [name, content] of Object.entries(files)) digests[name] = await write(name, content);
    for (const [name, content] of Object.entries(last(digests))) await write(name, content);
    await syncDirectory(beside);
    await Deno.rename(beside, path);
    await syncDirectory(dirname(path));
  });
}

/**
 * Removes a folder so that, at any moment and after any crash, its path holds all of it or nothing.
 *
 * @param path The folder.
 * @throws {UserError} Where it can't be removed.
 */
export async function removeDirectoryAtomically(path: string): Promise<void> {
  const beside = withEnding(path, PARTIAL);
  try {
    await removeIfThere(beside);
    await Deno.rename(path, beside);
    await Deno.remove(beside, { recursive: true });
  } catch (error) {
    throw fileError(error, "remove", path);
  }
}

/** What is written in a folder of ours: the names of its files and of its folders. */
export interface OwnNames {
  /** Whether a file is written under a name (default: none is). */
  readonly isFile?: (name: string) => boolean;
  /** Whether a folder is (default: none is). */
  readonly isFolder?: (name: string) => boolean;
}

/**
 * Removes what killed processes left of writes to, and removals from, a folder: nothing but what has
 * the name and the kind that such a write gives it.
 *
 * @param path The folder.
 * @param own What is written there.
 * @throws {UserError} Where it can't be read, or something can't be removed.
 */
export async function removePartial(
  path: string,
  { isFile = () => false, isFolder = () => false }: OwnNames,
): Promise<void> {
  const isLeft = (entry: Deno.DirEntry) => {
    const file = entry.isFile ? /^(.+)\.[0-9a-f]{8}\.partial$/.exec(entry.name)?.[1] : undefined;
    const folder = entry.isDirectory ? /^(.+)\.partial$/.exec(entry.name)?.[1] : undefined;
    return (file !== undefined && isFile(file)) || (folder !== undefined && isFolder(folder));
  };
  try {
    const entries = await Array.fromAsync(Deno.readDir(path));
    for (const { name } of entries.filter(isLeft)) await removeIfThere(`${path}/${name}`);
  } catch (error) {
    throw fileError(error, "tidy", path);
  }
}

/** Runs a write; where it fails, nothing half-written is left and the user is told why. */
async function writing(path: string, beside: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    // The first failure is the one to tell; the disk that caused it may refuse to remove, too.
    await removeIfThere(beside).catch(() => {});
    throw writeError(error, path);
  }
}

/** Writes a new file, and returns the digest of its content. */
async function writeSynced(path: string, content: FileContent): Promise<string> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const digest = beginDigest();
  await writeAll(file, content, digest);
  await file.sync();
  return digest.value();
}

/** A rename is on the disk only once its folder is. Windows can't open a folder, and need not. */
async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}
