/** Files that another program is to read. */
import { fileError, isThere, readBytes, writeFileAtomically } from "@unitune/cli";
import { UserError } from "@unitune/training";

/**
 * Writes files for another program. One that is there already stays, where it is the same as an
 * earlier call has written it; anything else there is refused.
 *
 * @param folder Where; it is made where it is missing.
 * @param files The files by name.
 * @throws {UserError} Where something else is there, before anything is written, or one cannot be
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
