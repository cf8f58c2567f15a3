/** Training in several processes, as MPI starts them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertSameFiles, ended, tiny, train, writeRows } from "../command.ts";
import { startAmong, testOnMpi, trainedAmong } from "../mpi.ts";

/** The lines of a run's metrics. */
function linesOf(run: string): readonly Readonly<Record<string, unknown>>[] {
  return Deno.readTextFileSync(`${run}/metrics.jsonl`).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
}

/** Copies a folder. */
async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

testOnMpi("two processes train as one does, and go on to the same bytes", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [one, two, cut] = [`${folder}/one`, `${folder}/two`, `${folder}/cut`];
  const args = [
    ...["--data", data, ...tiny, "--steps", "20", "--save-steps", "10", "--logging-steps", "1"],
  ];
  const { stdout } = await trainedAmong(2, folder, ...args, "--out", two);
  assertEquals(stdout.split("\n").filter((line) => line.startsWith("run: ")), [`run: ${two}`]);

  const alone = await train(...args, "--out", one);
  assertEquals(alone.code, 0, alone.stderr);
  const [ours, theirs] = [linesOf(two), linesOf(one)];
  assertEquals(ours.length, theirs.length);
  for (const [i, line] of theirs.entries()) {
    for (const [name, value] of Object.entries(line)) {
      const got = ours[i]?.[name];
      if (typeof value !== "number" || typeof got !== "number") assertEquals(got, value, name);
      // Twenty steps of f32 roundings, in sums of another order.
      else assert(Math.abs(got - value) <= 1e-6 * Math.max(1, Math.abs(value)), `${name}: ${got}`);
    }
  }

  await copyFolder(two, cut);
  await Deno.remove(`${cut}/checkpoints/step-000020`, { recursive: true });
  // Whether they share out the optimizer's state changes nothing of what is written.
  await trainedAmong(2, folder, "--resume", cut, "--shard-optimizer");
  await assertSameFiles(cut, two);
});

testOnMpi("what is wrong is said once, and all processes end", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const out = `${folder}/run`;
  const args = ["--data", data, ...tiny, "--batch-size", "1", "--out", out];
  const { code, stderr } = await ended(startAmong(2, folder, args));
  assertEquals(code === 0, false);
  const said = stderr.split("\n").filter((line) => line.includes("error: "));
  assertEquals(said.length, 1, stderr);
  assertStringIncludes(said[0] ?? "", "has 1 rows for 2 processes");
  assertEquals([...Deno.readDirSync(folder)].some(({ name }) => name === "run"), false);
});
