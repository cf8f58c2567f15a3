/** Checkpoints that are changed by somebody who knows how they are kept. */
import { digestOf } from "../../cli/files/digest.ts";

/** Gives a checkpoint the digests of its files as they are now, and other fields of `run.json`. */
export async function reseal(checkpoint: string, changes: object = {}): Promise<void> {
  const path = `${checkpoint}/run.json`;
  const { digest: _, ...record } = JSON.parse(await Deno.readTextFile(path));
  const files = await Promise.all(
    Object.keys(record.files).map(async (name) => [
      name,
      digestOf(await Deno.readFile(`${checkpoint}/${name}`)),
    ]),
  );
  const changed = { ...record, files: Object.fromEntries(files), ...changes };
  const digest = digestOf(JSON.stringify(changed));
  await Deno.writeTextFile(path, `${JSON.stringify({ ...changed, digest })}\n`);
}

/** Turns one bit of a file. */
export async function flipBit(path: string, byte: number, bit: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit);
  await Deno.writeFile(path, bytes);
}
