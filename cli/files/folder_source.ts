/**
 * A folder as the source of a checkpoint: its files are read in parts, when they are needed.
 *
 * @module
 */

import type { CheckpointSource } from "@unitune/models";
import { UserError } from "@unitune/training";
import { fileError } from "./file_error.ts";
import { requireFile } from "./read.ts";

/**
 * The files of a folder, without those of the folders in it.
 *
 * @param folder The folder.
 * @returns The source.
 * @throws {UserError} If the folder cannot be read; and later, if a file cannot.
 *
 * @example
 * ```ts
 * import { folderSource } from "./folder_source.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/a.txt`, "abc");
 * const source = await folderSource(folder);
 * assertEquals(source.names, ["a.txt"]);
 * assertEquals(await source.read("a.txt", 1, 3), new TextEncoder().encode("bc"));
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function folderSource(folder: string): Promise<CheckpointSource> {
  const names: string[] = [];
  try {
    // Links lead to files elsewhere, as in a cache of models.
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory) names.push(name);
    }
  } catch (error) {
    throw fileError(error, "read", folder);
  }
  const opened = async <T>(name: string, use: (path: string) => Promise<T>): Promise<T> => {
    const path = `${folder}/${name}`;
    try {
      await requireFile(path);
      return await use(path);
    } catch (error) {
      throw fileError(error, "read", path);
    }
  };
  return {
    names: names.toSorted(),
    size: (name) => opened(name, async (path) => (await Deno.stat(path)).size),
    read: (name, begin, end) =>
      opened(name, async (path) => {
        using file = await Deno.open(path);
        await file.seek(begin, Deno.SeekMode.Start);
        const bytes = new Uint8Array(end - begin);
        for (let at = 0; at < bytes.length;) {
          const count = await file.read(bytes.subarray(at));
          if (count === null) throw new UserError(`${path} has become shorter while it was read`);
          at += count;
        }
        return bytes;
      }),
  };
}
