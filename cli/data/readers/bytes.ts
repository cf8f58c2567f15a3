/**
 * The bytes of files on the disk.
 *
 * @module
 */

import { fileError } from "../../files/file_error.ts";
import { requireFile } from "../../files/read.ts";
import type { ByteSource } from "./reader.ts";

/** Bytes that are read at once. */
const CHUNK = 2 ** 16;

/**
 * The bytes of a file on the disk.
 *
 * @param path The path of the file.
 * @returns The bytes; the file is open only while they are read.
 * @throws {UserError} If there is no such file, or it is a folder, a pipe or a device.
 */
export async function fileBytes(path: string): Promise<ByteSource> {
  const size = await told(path, async () => {
    await requireFile(path);
    return (await Deno.stat(path)).size;
  });
  const open = () => told(path, () => Deno.open(path));
  return {
    name: path,
    size,
    async *chunks() {
      using file = await open();
      for (;;) {
        const chunk = new Uint8Array(CHUNK);
        const count = await told(path, () => file.read(chunk));
        if (count === null) return;
        yield chunk.subarray(0, count);
      }
    },
    async part(start, end) {
      using file = await open();
      const part = new Uint8Array(end - start);
      let filled = 0;
      await told(path, () => file.seek(start, Deno.SeekMode.Start));
      while (filled < part.length) {
        const count = await told(path, () => file.read(part.subarray(filled)));
        if (count === null) break;
        filled += count;
      }
      return part.subarray(0, filled);
    },
  };
}

/** Makes errors of the file system those of a file, for the user. */
async function told<T>(path: string, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    throw fileError(error, "read", path);
  }
}

/**
 * Bytes whose reader is followed.
 *
 * @param bytes The bytes.
 * @param tell Called now and then with the number of bytes that were read so far.
 * @returns The same bytes.
 */
export function followed(bytes: ByteSource, tell: (read: number) => void): ByteSource {
  let [read, next] = [0, STRIDE];
  const count = (more: number) => {
    read += more;
    if (read < next) return;
    tell(read);
    next = read + STRIDE;
  };
  return {
    ...bytes,
    async *chunks() {
      for await (const chunk of bytes.chunks()) {
        // The rows of the pieces before are there by now.
        yield chunk;
        count(chunk.length);
      }
    },
    async part(start, end) {
      const part = await bytes.part(start, end);
      count(part.length);
      return part;
    },
  };
}

/** Bytes between two reports of progress. */
const STRIDE = 2 ** 18;
