/** Processes that are killed at any moment, and that start at the same one. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { integerFrom, randomStream } from "@unitune/training";
import {
  assertSameFiles,
  ended,
  inFolder,
  reversals,
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

/** The last line of metrics that a process has written whole. */
function lastMeasured(run: string): { readonly step: number; readonly stage?: string } {
  if (sizeOf(`${run}/metrics.jsonl`) === 0) return { step: -1 };
  const text = Deno.readTextFileSync(`${run}/metrics.jsonl`);
  const line = text.split("\n").at(-2);
  return line === undefined ? { step: -1 } : JSON.parse(line);
}

inFolder("a pipeline killed in each stage ends with the same bytes", async (folder) => {
  const rows = reversals
    .map(({ prompt, completion }) => ({ prompt, chosen: completion, rejected: `${prompt}d` }));
  const data = await writeRows(`${folder}/rows.jsonl`, rows);
  const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
  const args = [
    ...["--data", data, ...tiny, "--objective", "sft,reward-model,ppo", "--steps", "8,8,16"],
    ...["--rewards", "reward-model", "--dropout", "0.2", "--gradient-accumulation", "2"],
    ...["--eval-steps", "6", "--save-steps", "3"],
  ];
  await trained(...args, "--out", whole);

  const struck = new Set<string | undefined>();
  // While a stage begins and while one ends, while lines are written and while a checkpoint is.
  for (const [i, step] of [0, 4, 8, 13, 17, 24].entries()) {
    const isNew = sizeOf(`${cut}/config.json`) === 0;
    const isThere = () => lastMeasured(cut).step >= step;
    if (!await killed(isNew ? [...args, "--out", cut] : ["--resume", cut], isThere, i % 4)) break;
    struck.add(lastMeasured(cut).stage);
  }
  await trained("--resume", cut);
  await assertSameFiles(cut, whole);
  // A busy machine may look away from one stage, and no more.
  assertGreater(struck.size, 1);
});

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
