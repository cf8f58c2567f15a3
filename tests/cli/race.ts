/** Two processes that start one new run each, in the same folder, at one moment. */
import { assert, assertEquals } from "@std/assert";
import {
  assertRefused,
  assertSameFiles,
  ended,
  start,
  tiny,
  trained,
  writeRows,
} from "./command.ts";

/**
 * Starts two runs of different seeds in one new folder: one has to win, with all of its files as if
 * it had been alone, and the other has to say that it has lost.
 */
export async function raceOnce(folder: string, round: number): Promise<void> {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = (seed: number) => ["--data", data, ...tiny, "--seed", `${seed}`];
  const out = `${folder}/run-${round}`;
  const seeds = [2 * round, 2 * round + 1];
  const results = await Promise.all(
    seeds.map((seed) => ended(start("train", [...args(seed), "--out", out]))),
  );
  const won = results.findIndex(({ code }) => code === 0);
  const lost = results.find((_, i) => i !== won);
  assert(won >= 0 && lost !== undefined, results.map(({ stderr }) => stderr).join("\n"));
  assertRefused(lost, 1, /another process is training in|holds a run already/);
  assertEquals(lost.stdout.includes("the model is in"), false);
  await trained(...args(seeds[won] ?? 0), "--out", `${out}-alone`);
  await assertSameFiles(out, `${out}-alone`);
}
