/** A run as a function of its settings: the folder that it holds, and how it ends. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { wasm } from "@unitune/core";
import { carryOut, createRun, openDevice, prepare, runConfig, silentProgress } from "@unitune/cli";
import { type TrainSettings, trainSettings, UserError } from "@unitune/training";
import { holdRun } from "../../../cli/run/run_folder.ts";
import { inFolder } from "../command.ts";

const given = {
  ...{ layers: 1, heads: 1, width: 8, examples: 20, tasks: "pick", batchSize: 2, steps: 3 },
  ...{ warmupSteps: 0, evalSteps: 2, saveSteps: 2, loggingSteps: 1 },
};
const stages = [trainSettings(given)];

inFolder("a run gives its folder back at its end, unless its caller holds it", async (folder) => {
  const prepared = await prepare(stages);
  using device = await openDevice("wasm");
  const runIn = async (name: string) => ({
    folder: await createRun(`${folder}/${name}`, "", runConfig(stages, prepared)),
    ...{ stages, prepared, device },
  });
  const printed: string[] = [];
  const shown: number[] = [];
  const progress = {
    ...silentProgress,
    print: (text: string) => void printed.push(text),
    update: (step: number) => void shown.push(step),
  };
  const one = await runIn("one");
  const { isComplete, checkpoint, reports } = await carryOut({ ...one, progress });
  assertEquals([isComplete, checkpoint.position.step], [true, 3]);
  // Of the last evaluation alone, on each of the splits.
  const splits = prepared.splits.map(({ name }) => name);
  assertEquals(reports.map(({ split }) => split), splits);
  assertEquals(
    printed.flatMap((text) => /^step \d\/\d/.exec(text) ?? []),
    // Between the start and the end, the first split is looked at.
    [...splits.map(() => "step 0/3"), "step 2/3", ...splits.map(() => "step 3/3")],
  );
  assertEquals(shown, [0, 1, 2, 3]);
  {
    using held = await holdRun(one.folder);
    assertEquals(held.saved?.position.step, 3);
    await assertRejects(() => holdRun(one.folder), UserError, "another process");
    // What is complete is left as it is.
    assertEquals((await carryOut({ ...one, held })).isComplete, true);
    await assertRejects(() => holdRun(one.folder), UserError, "another process");
  }
  (await holdRun(one.folder))[Symbol.dispose]();

  const two = await runIn("two");
  const stopped = await carryOut({ ...two, signal: AbortSignal.abort() });
  assertEquals([stopped.isComplete, stopped.reports], [false, []]);
  assert(stopped.checkpoint.position.step < 3);
  const rest = await carryOut(two);
  assertEquals(rest.reports, reports);
});

inFolder("of several stages, a note names its own", async (folder) => {
  // The values of all blocks do not fit into so little, which is told where nobody has asked.
  const short = { ...given, steps: 1, batchSize: 64, memory: "1.6MB" };
  const silent = trainSettings({ ...short, checkpointActivations: "blocks" });
  const told = trainSettings({ ...short, checkpointActivations: "auto" });
  const notesOf = async (...all: readonly TrainSettings[]) => {
    const prepared = await prepare(all);
    const printed: string[] = [];
    const out = await createRun(`${folder}/${all.length}`, "", runConfig(all, prepared));
    using device = wasm();
    await carryOut({
      ...{ folder: out, stages: all, prepared, device },
      progress: { ...silentProgress, print: (text) => void printed.push(text) },
    });
    return printed.filter((text) => !text.startsWith("step "));
  };
  const [note = "", ...others] = await notesOf(told);
  assertEquals(others, []);
  assertMatch(note, /^values inside of blocks .* \(--checkpoint-activations auto\)$/);
  assertEquals(await notesOf(silent, told), [`stage 2: ${note}`]);
});

inFolder("a folder of no run gets no lock", async (folder) => {
  await assertRejects(() => holdRun(folder), UserError, "holds no run");
  assertEquals([...Deno.readDirSync(folder)], []);
});
