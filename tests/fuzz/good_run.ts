/** A run in which nothing is wrong, to be damaged. */
import { assertEquals } from "@std/assert";
import { filesIn, reversals, tiny, trained, writeRows } from "../cli/command.ts";
import type { GoodRun } from "./readers.ts";

/**
 * Trains a run of three stages, whose folder has every kind of file, and takes its last checkpoint
 * away: so there is something to go on with.
 *
 * @param folder An empty folder.
 * @returns The run; its data is in `rows.jsonl` beside it.
 */
export async function makeGoodRun(folder: string): Promise<GoodRun> {
  const rows = reversals.map(({ prompt, completion }) => ({
    prompt,
    chosen: completion,
    rejected: `${completion}a`,
  }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const run = `${folder}/run`;
  const stages = ["--objective", "sft,reward-model,grpo", "--group-size", "2"];
  const rewards = ["--rewards", "exact-match+reward-model", "--save-steps", "1"];
  await trained(...tiny, "--data", data, ...stages, ...rewards, "--steps", "2,1,2", "--out", run);
  await Deno.remove(`${run}/checkpoints/step-000005`, { recursive: true });
  const files = await filesIn(run);
  assertEquals(Object.keys(files).includes("metrics.jsonl"), true);
  return { folder: run, files };
}
