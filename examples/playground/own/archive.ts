/** Files in one: a zip, which every system opens. */
import { zipSync } from "npm:fflate@^0.8";

/** The folder in an archive of an adapter, by which `peft` then reads it. */
const FOLDER = "adapter";

/** The date of all files, the first of a zip: the same files are the same bytes. */
const DATE = new Date(1980, 0, 1);

/**
 * The files of an adapter in one, as they are: weights would hardly become smaller.
 *
 * @param files The files by name.
 * @returns The bytes of the zip, in which the files are in a folder `adapter`.
 */
export function archived(
  files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
): Uint8Array<ArrayBuffer> {
  const placed = Object.fromEntries([...files].map(([name, own]) => [`${FOLDER}/${name}`, own]));
  return new Uint8Array(zipSync(placed, { level: 0, mtime: DATE }));
}
