/** Files for another program. */
import { fileError, isThere, readBytes, writeFileAtomically } from "@unitune/cli";
import { UserError } from "@unitune/training";

/**
 * Writes files for another program. A file with the same content may exist already, from an earlier
 * call; any other existing file is refused.
 *
 * @param folder The folder, made if it is missing.
 * @param files The files by name.
 * @throws {UserError} If another file exists, before anything is written, or a file cannot be
 * written.
 */
export async function handFiles(
  folder: string,
  files: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw fileError(error, "make the folder", folder);
  }
  const missing: [path: string, bytes: Uint8Array][] = [];
  for (const [name, bytes] of files) {
    const path = `${folder}/${name}`;
    if (!await isThere(path)) missing.push([path, bytes]);
    else if (!isSame(await readBytes(path), bytes)) {
      throw new UserError(
        `${path} is there already, and is another file than this writes: move it away, or choose ` +
          `another --out`,
      );
    }
  }
  for (const [path, bytes] of missing) await writeFileAtomically(path, bytes);
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
