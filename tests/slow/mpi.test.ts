/** Training in several processes: every kind of data among 1 to 4, and processes that are killed. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { integerFrom, randomStream } from "@unitune/training";
import { assertSameFiles, ended, start, tiny, writeRows } from "../cli/command.ts";
import { pause, sizeOf } from "../cli/kill.ts";
import { startAmong, testOnMpi, trainedAmong } from "../cli/mpi.ts";
import {
  assertSame,
  preparedOf,
  sharedCases,
  sharedRun,
  stagesOf,
} from "../training/shared_runs.ts";

for (const [name, given] of Object.entries(sharedCases)) {
  Deno.test(`${name}: 2, 3 and 4 processes have the numbers of one after 20 steps`, async () => {
    const stages = stagesOf({ ...given, steps: 20 });
    const prepared = await preparedOf(name, stages);
    const one = await sharedRun(stages, prepared, 1);
    for (const size of [2, 3, 4]) {
      const shared = await sharedRun(stages, prepared, size);
      assertSame(shared, one, `${name} among ${size}`);
      assertEquals(await sharedRun(stages, prepared, size), shared);
    }
  });
}

Deno.test("micro-batches that stay whole draw the dropout of one process", async () => {
  const stages = stagesOf({ dropout: 0.3, gradientAccumulation: 2, batchSize: 3, steps: 3 });
  const prepared = await preparedOf("dropout", stages);
  assertSame(await sharedRun(stages, prepared, 2), await sharedRun(stages, prepared, 1), "dropout");
});

const KILLS = 20;

/** The step of the latest checkpoint; -1 before the first. */
function latestStep(run: string): number {
  try {
    const names = [...Deno.readDirSync(`${run}/checkpoints`)].map(({ name }) => name);
    return Math.max(
      -1,
      ...names.flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []).map(Number),
    );
  } catch {
    return -1;
  }
}

testOnMpi(
  "one of two processes killed 20 times, a run ends with the same bytes",
  async (folder) => {
    const rows = Array.from({ length: 24 }, (_, i) => ({
      prompt: "abcd".slice(i % 3),
      chosen: "dcb".slice(i % 2),
      rejected: "abc".slice(i % 2),
    }));
    const data = await writeRows(`${folder}/rows.jsonl`, rows);
    const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
    const args = [
      ...["--data", data, ...tiny, "--objective", "sft,dpo", "--steps", "200,200"],
      ...["--eval-steps", "50", "--save-steps", "5"],
    ];
    await trainedAmong(2, folder, ...args, "--out", whole);
    const random = randomStream(1);
    const moments = Array.from({ length: KILLS }, () => integerFrom(random, -1, 380))
      .toSorted((a, b) => a - b);
    for (const moment of moments) {
      const line = sizeOf(`${cut}/config.json`) === 0 ? [...args, "--out", cut] : ["--resume", cut];
      for (const rank of [0, 1]) await Deno.writeTextFile(`${folder}/pid-${rank}`, "");
      const running = startAmong(2, folder, line).spawn();
      let isRunning = true;
      const end = running.output().finally(() => isRunning = false);
      const pid = `${folder}/pid-${integerFrom(random, 0, 1)}`;
      while (isRunning && !(sizeOf(pid) > 0 && latestStep(cut) >= moment)) await pause(2);
      assert(isRunning, `it ended before step ${moment}`);
      await pause(integerFrom(random, 0, 40));
      Deno.kill(Number(await Deno.readTextFile(pid)), "SIGKILL");
      assertEquals((await end).success, false);
    }
    assertEquals((await ended(startAmong(2, folder, ["--resume", cut]))).code, 0);
    await assertSameFiles(cut, whole);
  },
);

testOnMpi("a process that dies ends the others, which say so", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const out = `${folder}/run`;
  const args = ["--data", data, ...tiny, "--steps", "100000", "--save-steps", "2", "--out", out];
  const running = startAmong(2, folder, args).spawn();
  const isSaved = () => {
    try {
      return [...Deno.readDirSync(`${out}/checkpoints`)].some(({ name }) => name > "step-000002");
    } catch {
      return false;
    }
  };
  let isRunning = true;
  const end = running.output().finally(() => isRunning = false);
  while (isRunning && !isSaved()) await pause(10);
  assert(isRunning);
  Deno.kill(Number(await Deno.readTextFile(`${folder}/pid-0`)), "SIGKILL");
  const { code, stderr } = await end;
  assertEquals(code === 0, false);
  assertMatch(new TextDecoder().decode(stderr), /process 1 of 2 was told to end/);
});

testOnMpi(
  "a study among processes has the results of one, and one process writes its page",
  async (folder) => {
    const args = ["--quick", "--arms", "sft", "--seeds", "2", "--jobs", "1", "--device", "wasm"];
    const resultsOf = async (command: Deno.Command, out: string) => {
      const { code, stdout, stderr } = await ended(command);
      assertEquals(code, 0, stderr);
      assertEquals(stdout.split("reports: ").length, 2);
      assertMatch(await Deno.readTextFile(`${out}/report.html`), /<title>/);
      return await Deno.readTextFile(`${out}/results.json`);
    };
    const [one, two] = [`${folder}/one`, `${folder}/two`];
    assertEquals(
      await resultsOf(startAmong(2, folder, [...args, "--out", two], "compare:mpi"), two),
      await resultsOf(start("compare", [...args, "--out", one]), one),
    );
  },
);
