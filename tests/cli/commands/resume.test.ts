import { assertEquals, assertGreater, assertLess, assertStringIncludes } from "@std/assert";
import {
  assertRefused,
  assertSameFiles,
  copyFolder,
  inFolder,
  sample,
  start,
  tiny,
  train,
  trained,
  writeRows,
} from "../command.ts";
import { reseal } from "../checkpoints.ts";
import { killed, sizeOf, until } from "../kill.ts";

/** Logging, evaluation and checkpoints at steps of their own, dropout, and an uneven last epoch. */
const args = (data: string, steps: number) => [
  ...["--data", data, ...tiny, "--steps", `${steps}`, "--dropout", "0.2", "--objective", "ift"],
  ...["--gradient-accumulation", "2", "--logging-steps", "3"],
  ...["--eval-steps", "4", "--save-steps", "5"],
];

inFolder("interrupted and resumed, a run ends with the same bytes", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
  const long = [...args(data, 240), "--eval-steps", "70", "--save-steps", "50"];
  await trained(...long, "--out", whole);

  const process = start("train", [...long, "--out", cut]).spawn();
  await until(() => sizeOf(`${cut}/metrics.jsonl`) > 3_000);
  process.kill("SIGINT");
  const { code, stdout } = await process.output();
  const shown = new TextDecoder().decode(stdout);
  assertEquals(code, 130, shown);
  const [, step = ""] = /interrupted after step (\d+); go on with\n {2}(.*)/.exec(shown) ?? [];
  assertGreater(Number(step), 0);
  assertLess(Number(step), 240);
  assertStringIncludes(shown, `deno task train --resume ${cut}`);
  assertEquals((await sample("--run", cut, "--prompt", "ab")).code, 0);

  const resumed = await trained("--resume", cut);
  assertStringIncludes(resumed.stdout, `resumed at step ${step}`);
  await assertSameFiles(cut, whole);
});

inFolder("killed and resumed over and over, a run ends with the same bytes", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [whole, cut] = [`${folder}/whole`, `${folder}/cut`];
  // A checkpoint each step: a kill mostly strikes while one is written or an old one removed.
  const everyStep = [...args(data, 24), "--save-steps", "1"];
  await trained(...everyStep, "--out", whole);

  let kills = 0;
  for (let isDone = false; !isDone;) {
    const isNew = sizeOf(`${cut}/config.json`) === 0;
    const before = sizeOf(`${cut}/metrics.jsonl`);
    // Killed once it has done something, so that the test comes to its end.
    const hasDone = () => sizeOf(`${cut}/metrics.jsonl`) > before + 300 * (kills % 4);
    isDone = !await killed(
      isNew ? [...everyStep, "--out", cut] : ["--resume", cut],
      hasDone,
      kills % 7,
    );
    if (!isDone) kills++;
  }
  assertGreater(kills, 2);
  await assertSameFiles(cut, whole);
});

/** What a kill can leave of a run of 20 steps with a checkpoint every 5, and how it was done. */
const leftovers: Record<string, (run: string) => Promise<void>> = {
  "before anything was measured": async (run) => {
    for (const file of ["lock", "metrics.jsonl", "samples.jsonl"]) {
      await Deno.remove(`${run}/${file}`);
    }
    await Deno.remove(`${run}/checkpoints`, { recursive: true });
    await Deno.mkdir(`${run}/checkpoints`);
  },
  "while the first checkpoint was written": async (run) => {
    await Deno.remove(`${run}/checkpoints`, { recursive: true });
    await Deno.mkdir(`${run}/checkpoints/step-000000.partial`, { recursive: true });
    await Deno.writeTextFile(`${run}/checkpoints/step-000000.partial/config.json`, "{");
    await Deno.writeTextFile(`${run}/metrics.jsonl`, `{"step":0,"split":"valid`);
  },
  "in the middle of a line": async (run) => {
    await Deno.remove(`${run}/checkpoints/step-000020`, { recursive: true });
    for (const file of ["metrics.jsonl", "samples.jsonl"]) {
      const path = `${run}/${file}`;
      await Deno.truncate(path, sizeOf(path) - 9);
    }
  },
  "after more lines than there will be": async (run) => {
    await Deno.remove(`${run}/checkpoints/step-000020`, { recursive: true });
    await Deno.writeTextFile(`${run}/metrics.jsonl`, `{"step":21}\n`.repeat(99), { append: true });
  },
  "while a checkpoint was written": async (run) => {
    const last = `${run}/checkpoints/step-000020`;
    await Deno.rename(last, `${last}.partial`);
    await Deno.truncate(`${last}.partial/model.safetensors`, 100);
  },
  "while an old checkpoint was removed": async (run) => {
    const partial = `${run}/checkpoints/step-000010.partial`;
    await Deno.mkdir(partial);
    await Deno.writeTextFile(`${partial}/model.safetensors`, "half of it is gone");
  },
};

inFolder("whatever a kill left, the resumed run ends with the same bytes", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const whole = `${folder}/whole`;
  await trained(...args(data, 20), "--out", whole);
  for (const [when, cut] of Object.entries(leftovers)) {
    const run = `${folder}/${when}`;
    await copyFolder(whole, run);
    await cut(run);
    await trained("--resume", run);
    await assertSameFiles(run, whole);
  }
});

inFolder("a complete run is left as it is", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, before] = [`${folder}/run`, `${folder}/before`];
  await trained("--data", data, ...tiny, "--out", run);
  await copyFolder(run, before);
  const { stdout } = await trained("--resume", run);
  const [first, , command] = stdout.split("\n");
  assertEquals(first, `${run} is complete: all 6 steps are done.`);
  assertEquals(command, `  deno task train --from ${run}`);
  await assertSameFiles(run, before);
});

inFolder("a complete run whose settings were changed is not gone on with", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, before] = [`${folder}/run`, `${folder}/before`];
  await trained("--data", data, ...tiny, "--out", run);
  const config = `${run}/config.json`;
  const settings = await Deno.readTextFile(config);
  await Deno.writeTextFile(config, settings.replace(`"steps": 6`, `"steps": 9`));
  await copyFolder(run, before);
  const result = await train("--resume", run);
  assertRefused(result, 1, `${config} was changed since step 6 was saved: settings.steps is 9 and`);
  assertRefused(result, 1, `--from ${run}`);
  await assertSameFiles(run, before);
});

inFolder("sizes that were changed before the first checkpoint are refused", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  await trained("--data", data, ...tiny, "--out", run);
  await Deno.remove(`${run}/checkpoints`, { recursive: true });
  await Deno.remove(`${run}/metrics.jsonl`);
  const config = `${run}/config.json`;
  const settings = await Deno.readTextFile(config);
  await Deno.writeTextFile(config, settings.replace(`"width": 16`, `"width": 32`));
  assertRefused(await train("--resume", run), 1, `${config} has other model sizes than`);
});

inFolder("a resumed run may be told another device and place of its data", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  await trained("--data", data, ...tiny, "--save-steps", "3", "--out", run);
  await Deno.remove(`${run}/checkpoints/step-000006`, { recursive: true });
  await Deno.rename(data, `${folder}/moved.jsonl`);
  assertRefused(await train("--resume", run), 1, `can't read ${data}: it does not exist`);
  const told = ["--device", "reference", "--data", `${folder}/moved.jsonl`];
  const { stdout } = await trained("--resume", run, ...told);
  assertStringIncludes(stdout, "on reference\n");
});

/** What is changed in a run's configuration, and what is said of it. */
const edits: readonly [from: string, to: string, change: string][] = [
  [`"width": 16`, `"width": 32`, "settings.width is 32 and was 16"],
  [
    `"width": 16`,
    `"widht": 16`,
    "settings.width is missing and was 16, settings.widht is 16 and was",
  ],
  // Below the checkpoint's step, at it, and beyond what was to be.
  [`"steps": 6`, `"steps": 2`, "settings.steps is 2 and was 6"],
  [`"steps": 6`, `"steps": 3`, "settings.steps is 3 and was 6"],
  [`"steps": 6`, `"steps": 9`, "settings.steps is 9 and was 6"],
  [`"learningRate": 0.003`, `"learningRate": 0.03`, "settings.learningRate is 0.03 and was 0.003"],
  [`"seed": 0`, `"seed": 1`, "settings.seed is 1 and was 0"],
  [`"device": "wasm"`, `"device": "reference"`, `settings.device is "reference" and was "wasm"`],
];

inFolder("what cannot be resumed says why, and stays as it is", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const [run, before] = [`${folder}/run`, `${folder}/before`];
  await trained("--data", data, ...tiny, "--save-steps", "3", "--out", run);
  await Deno.remove(`${run}/checkpoints/step-000006`, { recursive: true });
  await copyFolder(run, before);

  assertRefused(
    await train("--resume", run, "--steps", "9", "--batch-size", "2"),
    2,
    "--resume keeps the run's own settings: leave out --steps, --batch-size",
  );
  assertRefused(await train("--resume", `${folder}/none`), 1, `${folder}/none holds no run`);
  await writeRows(data, [{ prompt: "a", completion: "b" }, { prompt: "b", completion: "a" }]);
  assertRefused(await train("--resume", run), 1, `the data of ${run} has changed`);
  await writeRows(data);
  await assertSameFiles(run, before);

  const state = `${run}/checkpoints/step-000003/training.safetensors`;
  const bytes = await Deno.readFile(state);
  await Deno.writeFile(state, bytes.subarray(0, bytes.length / 2));
  assertRefused(await train("--resume", run), 1, `${state} is damaged`);
  await reseal(`${run}/checkpoints/step-000003`);
  assertRefused(await train("--resume", run), 1, `can't read ${state}: `);
  await Deno.remove(state);
  assertRefused(await train("--resume", run), 1, `can't read ${state}: it does not exist`);
  await Deno.writeFile(state, bytes);
  await reseal(`${run}/checkpoints/step-000003`);

  const config = `${run}/config.json`;
  const settings = await Deno.readTextFile(config);
  for (const [from, to, change] of edits) {
    await Deno.writeTextFile(config, settings.replace(from, to));
    assertRefused(await train("--resume", run), 1, `since step 3 was saved: ${change}`);
  }
  await Deno.writeTextFile(config, settings.slice(0, 99));
  assertRefused(await train("--resume", run), 1, `${config} is not JSON`);
  await Deno.writeTextFile(config, `{"steps": 3}`);
  assertRefused(await train("--resume", run), 1, `${config} is not a run's configuration`);
  // Its form means nothing.
  await Deno.writeTextFile(config, JSON.stringify(JSON.parse(settings)));
  await copyFolder(run, `${folder}/reformatted`);
  await trained("--resume", `${folder}/reformatted`);
  await Deno.writeTextFile(config, settings);

  await Deno.truncate(`${run}/metrics.jsonl`, 10);
  assertRefused(await train("--resume", run), 1, "metrics.jsonl has 10 bytes, but had ");
});

inFolder("no two processes train in one folder", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  const process = start("train", [...args(data, 100_000), "--out", run]).spawn();
  try {
    await until(() => sizeOf(`${run}/metrics.jsonl`) > 0);
    assertRefused(await train("--resume", run), 1, `another process is training in ${run}`);
  } finally {
    process.kill("SIGKILL");
    await process.output();
  }
});

inFolder("a run whose checkpoints are gone is not begun anew", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  await trained("--data", data, ...tiny, "--out", run);
  await Deno.remove(`${run}/checkpoints`, { recursive: true });
  await copyFolder(run, `${folder}/before`);
  const message = `${run} has come to step 6, and its checkpoints are gone: restore ` +
    `${run}/checkpoints from a copy, or start a new run with the same settings by`;
  assertRefused(await train("--resume", run), 1, message);
  await assertSameFiles(run, `${folder}/before`);
});
