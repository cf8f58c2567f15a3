/**
 * Atomic writes and removals: a path holds the whole file or folder, or nothing of it. Content is
 * written beside its place, synced and renamed.
 *
 * A file `x` is written as `x.NUMBER.partial`, under a number of its own; a folder `x` is written
 * and removed as `x.partial`, so only one process may write in its parent. Readers ignore partial
 * files and folders, which a killed process may leave behind; {@linkcode removePartial} removes
 * them.
 *
 * @module
 */

import type { FileContent } from "@unitune/models";
import { dirname, format, parse } from "node:path";
import { fileError } from "./file_error.ts";
import { beginDigest } from "./digest.ts";
import { removeIfThere } from "./folders.ts";
import { writeAll, writeError } from "./write.ts";

/** The ending of the name of a file or folder that is not whole. */
const PARTIAL = ".partial";

/** The path beside a file or folder whose name is the same with an ending. */
function withEnding(path: string, ending: string): string {
  const { root, dir, base } = parse(path);
  return format({ root, dir, base: `${base}${ending}` });
}

/**
 * Writes a file atomically: at any moment, and after any crash, its path holds either the whole old
 * content or the whole new one.
 *
 * @param path The path of the file; its folder exists.
 * @param content Bytes, also in pieces that are made meanwhile, or text, which is written as UTF-8.
 * @throws {UserError} If the file can't be written. The old content stays, and nothing else is
 * left.
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
 * Writes a new folder of files atomically: at any moment, and after any crash, its path holds all
 * of the files or does not exist.
 *
 * @param path The path of the folder. Its parent exists, and the path itself is free.
 * @param files The content of each file, by name; a name with slashes is a path in the folder.
 * @param last Makes further files from the digests of the others (default: none).
 * @throws {UserError} If the folder can't be written. Nothing of it is left.
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
 * Removes a folder atomically: at any moment, and after any crash, its path holds the whole folder
 * or does not exist.
 *
 * @param path The folder.
 * @throws {UserError} If the folder can't be removed.
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

/** The names under which files and folders are written in a folder. */
export interface OwnNames {
  /** Tells whether files of this name are written (default: none). */
  readonly isFile?: (name: string) => boolean;
  /** Tells whether folders of this name are written (default: none). */
  readonly isFolder?: (name: string) => boolean;
}

/**
 * Removes the partial files and folders that killed processes left in a folder. An entry is removed
 * only if both its name and its kind are those of an unfinished write or removal.
 *
 * @param path The folder.
 * @param own The names that are written there.
 * @throws {UserError} If the folder can't be read, or an entry can't be removed.
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

/** Runs a write. If it fails, removes the partial content and throws an error for the user. */
async function writing(path: string, beside: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    // The first error is the one to report: the same disk may also refuse the removal.
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

/** Syncs a folder, without which a rename in it is not on the disk. Windows can't open folders. */
async function syncDirectory(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  using folder = await Deno.open(path);
  await folder.sync();
}
