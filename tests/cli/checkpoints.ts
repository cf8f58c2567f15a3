/** Small checkpoints, and such as are changed by somebody who knows how they are kept. */
import type { FileContent } from "@unitune/models";
import { noCost } from "@unitune/training";
import { digestOf } from "../../cli/files/digest.ts";
import { saveCheckpoint, type SavedCheckpoint } from "../../cli/run/checkpoints.ts";

/** Saves files as the checkpoint after the first step of a run. */
export async function saveFirst(
  folder: string,
  files: Readonly<Record<string, FileContent>>,
): Promise<SavedCheckpoint> {
  await Deno.mkdir(`${folder}/checkpoints`, { recursive: true });
  return await saveCheckpoint(
    folder,
    {
      settings: {},
      model: { modelType: "gpt2", vocabulary: 4, context: 4, layers: 1, width: 2 },
      data: { kind: "texts", digest: "" },
    },
    {
      ...{ step: 1, cost: noCost, metricsLength: 0, metricsDigest: digestOf("") },
      ...{ samplesLength: 0, samplesDigest: digestOf("") },
    },
    files,
  );
}

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
