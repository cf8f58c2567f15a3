/** Processes that are killed at any moment, and that start at the same one. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { integerFrom, randomStream } from "@unitune/training";
import {
  assertSameFiles,
  ended,
  inFolder,
  startWithFiles,
  tiny,
  trained,
  writeRows,
} from "../cli/command.ts";
import { killed, sizeOf } from "../cli/kill.ts";
import { raceOnce } from "../cli/race.ts";

const KILLS = 20;

/** The step of the last whole line of metrics; -1 before the first. */
function lastStep(run: string): number {
  if (sizeOf(`${run}/metrics.jsonl`) === 0) return -1;
  const line = Deno.readTextFileSync(`${run}/metrics.jsonl`).split("\n").at(-2);
  return line === undefined ? -1 : Number(JSON.parse(line).step);
}

for (const seed of [1, 2]) {
  inFolder(
    `killed 20 times in two stages, a run ends with the same bytes (seed ${seed})`,
    async (folder) => {
      const rows = Array.from({ length: 24 }, (_, i) => ({
        ...{
          prompt: "abcd".slice(i % 3),
          chosen: "dcb".slice(i % 2),
          rejected: "abc".slice(i % 2),
        },
      }));
      const data = await writeRows(`${folder}/rows.jsonl`, rows);
      const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
      const steps = [200, 200];
      const args = [
        ...["--data", data, ...tiny, "--objective", "sft,dpo", "--steps", steps.join(",")],
        ...["--dropout", "0.2", "--gradient-accumulation", "2", "--eval-steps", "30"],
        ...["--save-steps", "7"],
      ];
      await trained(...args, "--out", whole);

      const random = randomStream(seed);
      // Before its last steps, so that every kill strikes.
      const moments = Array.from({ length: KILLS }, () => integerFrom(random, -1, 360))
        .toSorted((a, b) => a - b);
      const struck = new Set<boolean>();
      for (const moment of moments) {
        const isNew = sizeOf(`${cut}/config.json`) === 0;
        const line = isNew ? [...args, "--out", cut] : ["--resume", cut];
        const delay = integerFrom(random, 0, 40);
        const isDue = () => lastStep(cut) >= moment;
        assert(await killed(line, isDue, delay), `seed ${seed}: it ended before step ${moment}`);
        struck.add(lastStep(cut) > 200);
      }
      assertEquals(struck.size, 2);
      await trained("--resume", cut);
      await assertSameFiles(cut, whole);
    },
  );
}

inFolder("of two starts at one moment one wins whole, twenty times", async (folder) => {
  for (let round = 0; round < 20; round++) await raceOnce(folder, round);
});

inFolder("however few files may be open, a run ends in a sentence or goes on", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = ["--data", data, ...tiny, "--save-steps", "2"];
  await trained(...args, "--out", `${folder}/whole`);
  let refusals = 0;
  for (let files = 20; files < 36; files++) {
    const run = `${folder}/run-${files}`;
    const { code, stderr } = await ended(startWithFiles(files, [...args, "--out", run]));
    // Deno itself needs some, and says so in words of its own.
    if (code === 1 && stderr.includes("error: can't")) {
      refusals++;
      assert(stderr.includes("too many files are open: close some, or allow more"), stderr);
    } else assert(code === 0 || !stderr.includes("defect"), stderr);
    if (sizeOf(`${run}/config.json`) > 0) await trained("--resume", run);
    else await trained(...args, "--out", run);
    await assertSameFiles(run, `${folder}/whole`);
  }
  assertGreater(refusals, 0);
});
