/** One bit of a run's files that is turned: it is noticed, and the older checkpoint goes on. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { holdRun } from "../../../cli/run/run_folder.ts";
import { readBase } from "../../../cli/run/trained.ts";
import { randomStream } from "@unitune/training";
import { flipBit, reseal } from "../checkpoints.ts";
import {
  assertRefused,
  assertSameFiles,
  commandsIn,
  copyFolder,
  type Ended,
  filesIn,
  inFolder,
  sample,
  tiny,
  train,
  trained,
  wordsOf,
  writeRows,
} from "../command.ts";

/** A run of two stages, whose checkpoints hold every file of a policy and a reward model. */
const stages = [
  ...[...tiny, "--objective", "reward-model,rloo", "--steps", "4,4", "--group-size", "2"],
  ...["--rewards", "reward-model", "--save-steps", "2", "--tasks", "pick", "--context", "32"],
];

/** Why a run in a folder cannot be gone on with; undefined where it can. */
async function refusal(run: string): Promise<string | undefined> {
  try {
    using _held = await holdRun(run);
    return undefined;
  } catch (error) {
    assert(error instanceof Error);
    assertEquals(error.name, "UserError", error.stack ?? "");
    return error.message;
  }
}

inFolder("every bit that is turned in a run is noticed, and its file named", async (folder) => {
  const run = `${folder}/run`;
  await trained(...stages, "--out", run);
  assertEquals(await refusal(run), undefined);
  const last = `${run}/checkpoints/step-000008`;
  const files = [
    ...Object.keys(await filesIn(last)).map((name) => `${last}/${name}`),
    ...["config.json", "metrics.jsonl", "samples.jsonl"].map((name) => `${run}/${name}`),
  ];
  assertEquals(files.length, 7 + 2 + 3);
  const seed = 30;
  const random = randomStream(seed);
  for (const path of files) {
    const { size } = await Deno.stat(path);
    const places = [
      0,
      size - 1,
      ...Array.from({ length: 12 }, () => Math.floor(random() * size)),
    ];
    for (const byte of places) {
      const bit = Math.floor(random() * 8);
      await flipBit(path, byte, bit);
      const message = await refusal(run);
      const where = `seed ${seed}: bit ${bit} of byte ${byte} of ${path}`;
      assert(message?.includes(path), `${where}: ${message}`);
      await flipBit(path, byte, bit);
    }
  }
  assertEquals(await refusal(run), undefined);
});

inFolder("what a model is read from is noticed by whoever reads it", async (folder) => {
  const run = `${folder}/run`;
  await trained(...stages, "--out", run);
  const last = `${run}/checkpoints/step-000008`;
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "run.json"]) {
    const path = `${last}/${name}`;
    await flipBit(path, Math.floor((await Deno.stat(path)).size / 2), 3);
    const readers: readonly Promise<Ended>[] = [
      sample("--run", run, "--prompt", "pick"),
      train("--from", run, "--tasks", "pick", "--steps", "1", "--out", `${folder}/next`),
      train("--resume", run),
    ];
    for (const result of await Promise.all(readers)) assertRefused(result, 1, `${path} is damaged`);
    await flipBit(path, Math.floor((await Deno.stat(path)).size / 2), 3);
  }
  await Deno.remove(`${last}/reward_model`, { recursive: true });
  assertRefused(await train("--resume", run), 1, `can't read ${last}/reward_model/`);
  let message = "";
  await readBase(run).catch((error: Error) => message = error.message);
  assertStringIncludes(message, `can't read ${last}/reward_model/`);
});

inFolder(
  "the command that a damaged checkpoint offers ends with the same bytes",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const whole = `${folder}/it's whole`;
    await trained("--data", data, ...tiny, "--save-steps", "2", "--out", whole);
    for (const file of ["training.safetensors", "run.json", "model.safetensors"]) {
      const run = `${folder}/a ${file}`;
      await copyFolder(whole, run);
      await flipBit(`${run}/checkpoints/step-000006/${file}`, 9, 1);
      const result = await train("--resume", run);
      assertRefused(result, 1, `${run}/checkpoints/step-000006/${file} is damaged`);
      const [, , , ...words] = await wordsOf(commandsIn(result.stderr).join(""));
      assertEquals(words, ["--resume", run, "--from-step", "4"]);
      const { stdout } = await trained(...words);
      assertStringIncludes(stdout, "resumed at step 4");
      await assertSameFiles(run, whole);
    }
  },
);

inFolder("a stage whose start is damaged is begun again from the stage before", async (folder) => {
  const whole = `${folder}/whole`;
  const run = `${folder}/run`;
  await trained(...stages, "--out", whole);
  await copyFolder(whole, run);
  await Deno.remove(`${run}/checkpoints/step-000008`, { recursive: true });
  await flipBit(`${run}/checkpoints/step-000004/model.safetensors`, 999, 1);
  const result = await train("--resume", run);
  assertRefused(result, 1, `${run}/checkpoints/step-000004/model.safetensors is damaged`);
  assertRefused(result, 1, `--resume ${run} --from-step 0`);
  await trained("--resume", run, "--from-step", "0");
  await assertSameFiles(run, whole);
});

inFolder(
  "going back by a step makes the same again, and keeps what is not its own",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const [whole, run] = [`${folder}/whole`, `${folder}/run`];
    await trained("--data", data, ...tiny, "--save-steps", "2", "--out", whole);
    await copyFolder(whole, run);
    assertRefused(
      await train("--resume", run, "--from-step", "3"),
      1,
      `${run} has no checkpoint of step 3: it has 4, 6`,
    );
    const notes = `${run}/checkpoints/step-000006/notes.md`;
    await Deno.writeTextFile(notes, "mine");
    assertRefused(await train("--resume", run, "--from-step", "4"), 1, "holds notes.md: move that");
    assertEquals(await Deno.readTextFile(notes), "mine");
    await Deno.remove(notes);
    await trained("--resume", run, "--from-step", "4");
    await assertSameFiles(run, whole);
  },
);

inFolder("what a checkpoint remembers wrongly is refused, whoever wrote it", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [whole, run] = [`${folder}/whole`, `${folder}/run`];
  await trained("--data", data, ...tiny, "--save-steps", "2", "--out", whole);
  const last = `${run}/checkpoints/step-000006`;
  const { metricsLength } = JSON.parse(
    await Deno.readTextFile(`${whole}/checkpoints/step-000006/run.json`),
  );
  const changes: readonly [object, string][] = [
    [{ step: 4 }, `${last} holds the checkpoint of step 4`],
    [{ step: 1_000_000 }, `${last} holds the checkpoint of step 1000000`],
    [{ metricsLength: metricsLength - 7 }, `${run}/metrics.jsonl is damaged`],
    [{ metricsLength: metricsLength + 7 }, `${run}/metrics.jsonl has ${metricsLength} bytes`],
    [{ metricsLength: -1 }, "run.json is damaged"],
    [{ samplesLength: 1.5 }, "run.json is damaged"],
    [{ cost: null }, "run.json is damaged"],
    [{ files: [1] }, "run.json is damaged"],
    [{ files: {} }, `${last}/`],
    [{ config: {} }, "run.json is damaged"],
  ];
  for (const [change, message] of changes) {
    await copyFolder(whole, run);
    await reseal(last, change);
    assertRefused(await train("--resume", run), 1, message);
    assertRefused(await train("--resume", run), 1, "--from-step 4");
    await Deno.remove(run, { recursive: true });
  }
  // A checkpoint under the name of another step.
  await copyFolder(whole, run);
  await Deno.rename(last, `${run}/checkpoints/step-000009`);
  assertRefused(await train("--resume", run), 1, "holds the checkpoint of step 6: it was renamed");
});
