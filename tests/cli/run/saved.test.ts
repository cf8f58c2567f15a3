/** Checkpoints on the disk: which are kept, gone back to, read, and found out, without a training. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { noCost, UserError } from "@unitune/training";
import { digestOf } from "../../../cli/files/digest.ts";
import {
  beginningsOf,
  checkpointAt,
  checkpointPath,
  checkpointSource,
  DamagedCheckpointError,
  goBackTo,
  latestCheckpoint,
  offeringOlder,
  readCheckpointFiles,
  requireWhole,
  type RunPosition,
  saveCheckpoint,
  stageStart,
  tidyCheckpoints,
} from "../../../cli/run/checkpoints.ts";
import type { RunConfig } from "../../../cli/run/run_config.ts";
import { inFolder } from "../command.ts";

const config: RunConfig = {
  settings: [{ steps: 10 }, { steps: 20 }],
  model: { modelType: "gpt2", vocabulary: 4, context: 4, layers: 1, width: 2 },
  data: { kind: "texts", digest: "" },
};

const bytes = (text: string) => new TextEncoder().encode(text);

const contents = {
  "config.json": bytes("{}"),
  "model.safetensors": bytes("weights"),
  "tokenizer.json": bytes("{}"),
  "tokenizer_config.json": bytes("{}"),
  "training.safetensors": bytes("state"),
  "teacher/model.safetensors": bytes("teacher"),
};

function positionAt(step: number): RunPosition {
  return {
    ...{ step, cost: { ...noCost, examples: 3 } },
    ...{ metricsLength: 4, metricsDigest: digestOf("one\n") },
    ...{ samplesLength: 0, samplesDigest: digestOf("") },
  };
}

/** A run with checkpoints at some steps, of which one line was measured before. */
async function saved(folder: string, ...steps: readonly number[]) {
  await Deno.writeTextFile(`${folder}/metrics.jsonl`, "one\ntwo\n");
  await Deno.writeTextFile(`${folder}/samples.jsonl`, "");
  await Deno.mkdir(`${folder}/checkpoints`, { recursive: true });
  return await Promise.all(
    steps.map((step) => saveCheckpoint(folder, config, positionAt(step), contents)),
  );
}

/** The steps of the checkpoints in a run's folder. */
async function stepsIn(folder: string): Promise<readonly number[]> {
  const names = await Array.fromAsync(Deno.readDir(`${folder}/checkpoints`), ({ name }) => name);
  return names.map((name) => Number(name.slice(5))).toSorted((a, b) => a - b);
}

inFolder(
  "a checkpoint is read as it was saved, the latest or the one of a step",
  async (folder) => {
    assertEquals(await latestCheckpoint(folder), undefined);
    await assertRejects(
      () => checkpointAt(folder, 1),
      UserError,
      "no checkpoint of step 1: it has none",
    );
    const [first, second] = await saved(folder, 5, 12);
    assertEquals(first?.path, `${folder}/checkpoints/step-000005`);
    assertEquals(checkpointPath(folder, 1_234_567), `${folder}/checkpoints/step-1234567`);
    assertEquals(await latestCheckpoint(folder), second);
    assertEquals(await checkpointAt(folder, 5), first);
    await assertRejects(() => checkpointAt(folder, 6), UserError, "step 6: it has 5, 12");
    assertEquals(beginningsOf(positionAt(1)).metrics, { length: 4, digest: digestOf("one\n") });
    assertEquals(beginningsOf(undefined).samples.length, 0);
    assert(second !== undefined);
    await requireWhole(folder, second);

    const own = checkpointSource(second);
    assertEquals(own.names.includes("model.safetensors"), true);
    assertEquals(own.names.some((name) => name.includes("/")), false);
    assertEquals(await own.size("model.safetensors"), 7);
    assertEquals(await own.read("model.safetensors", 1, 4), bytes("eig"));
    const teacher = checkpointSource(second, "teacher/");
    assertEquals([teacher.names, await teacher.size("model.safetensors")], [
      ["model.safetensors"],
      7,
    ]);
    const files = await readCheckpointFiles(second, ["training.safetensors"]);
    assertEquals([...files], [["training.safetensors", bytes("state")]]);
  },
);

inFolder(
  "the latest, the starts of stages and two regular checkpoints are kept",
  async (folder) => {
    await saved(folder, 0, 2, 3, 4, 6, 8, 9, 10, 11);
    await Deno.mkdir(`${folder}/checkpoints/other`);
    const kept = {
      isRegular: (step: number) => step % 2 === 0,
      isStart: (step: number) => step === 3,
    };
    await Deno.writeTextFile(`${checkpointPath(folder, 4)}/notes.txt`, "mine");
    await tidyCheckpoints(folder, kept);
    await Deno.remove(`${folder}/checkpoints/other`);
    // A folder with a file of somebody's own is left alone.
    assertEquals(await stepsIn(folder), [3, 4, 8, 10, 11]);
    await Deno.remove(`${checkpointPath(folder, 4)}/notes.txt`);
    await Deno.writeTextFile(`${checkpointPath(folder, 4)}/teacher/notes.txt`, "mine");
    await tidyCheckpoints(folder, kept);
    assertEquals(await stepsIn(folder), [3, 4, 8, 10, 11]);
    await Deno.remove(`${checkpointPath(folder, 4)}/teacher/notes.txt`);
    await tidyCheckpoints(folder, kept);
    assertEquals(await stepsIn(folder), [3, 8, 10, 11]);
    await tidyCheckpoints(folder, { isRegular: () => false, isStart: () => false });
    assertEquals(await stepsIn(folder), [11]);
    const none = `${folder}/none`;
    await Deno.mkdir(none);
    await tidyCheckpoints(none, kept);
    assertEquals(await stepsIn(none), []);
  },
);

inFolder(
  "a run goes back to a checkpoint, unless a later one holds what is not its own",
  async (folder) => {
    const [first] = await saved(folder, 5, 6, 7);
    assert(first !== undefined);
    await Deno.writeTextFile(`${checkpointPath(folder, 7)}/notes.txt`, "mine");
    await assertRejects(
      () => goBackTo(folder, first),
      UserError,
      `step-000007 is to be removed, and holds notes.txt: move that away`,
    );
    assertEquals(await stepsIn(folder), [5, 6, 7]);
    await Deno.remove(`${checkpointPath(folder, 7)}/notes.txt`);
    await goBackTo(folder, first);
    assertEquals(await stepsIn(folder), [5]);
  },
);

inFolder(
  "a stage started from the checkpoint at its first step, where that was kept",
  async (folder) => {
    const [zero, middle, start, later] = await saved(folder, 0, 5, 10, 15);
    assert(zero && middle && start && later);
    const startOf = async (checkpoint: typeof zero) =>
      (await stageStart(folder, checkpoint))?.position.step;
    assertEquals(await Promise.all([zero, middle, start, later].map(startOf)), [
      ...[undefined, 0, undefined, 10],
    ]);
    await Deno.remove(start.path, { recursive: true });
    assertEquals(await startOf(later), undefined);
  },
);

inFolder(
  "a checkpoint that was changed is damaged, and the latest whole one is named",
  async (folder) => {
    const all = await saved(folder, 0, 5, 8);
    const [, , last] = all;
    assert(last !== undefined);
    const damages: readonly (readonly [file: string, text: string])[] = [
      ["run.json", "not json"],
      ["run.json", "[]"],
      ["run.json", "{}"],
      ["model.safetensors", "weighty"],
    ];
    for (const [name, text] of damages) {
      const file = `${last.path}/${name}`;
      const whole = await Deno.readTextFile(file);
      await Deno.writeTextFile(file, text);
      const use = async () => await requireWhole(folder, await latestCheckpoint(folder) ?? last);
      await assertRejects(use, DamagedCheckpointError, `${name} is damaged`);
      const error = await assertRejects(() => offeringOlder(folder, use), UserError);
      assertStringIncludes(error.message, "or go on from step 5, which is whole, by");
      assertStringIncludes(error.message, "--from-step 5");
      await Deno.writeTextFile(file, whole);
    }
    // A record that is whole, and is not a checkpoint's.
    const record = JSON.parse(await Deno.readTextFile(`${last.path}/run.json`));
    const { digest: _, ...own } = record;
    const reads = async (changed: object) => {
      const text = JSON.stringify({ ...changed, digest: digestOf(JSON.stringify(changed)) });
      await Deno.writeTextFile(`${last.path}/run.json`, `${text}\n`);
      return await latestCheckpoint(folder);
    };
    assertEquals(await reads(own), last);
    const { "model.safetensors": weights, ...others } = own.files;
    const { "config.json": settings, ...adapted } = own.files;
    const wrong: readonly object[] = [
      ...["step", "metricsLength", "samplesLength"].flatMap((name) => [
        { ...own, [name]: -1 },
        { ...own, [name]: 0.5 },
        { ...own, [name]: "1" },
      ]),
      ...["examples", "forwardTokens", "backwardTokens"].map((name) => ({
        ...own,
        cost: { ...own.cost, [name]: null },
      })),
      ...["cost", "config", "files", "metricsDigest", "samplesDigest"].map((name) => ({
        ...own,
        [name]: undefined,
      })),
      { ...own, files: { ...own.files, "tokenizer.json": undefined } },
      ...["tokenizer.json", "tokenizer_config.json", "training.safetensors"].map((name) => ({
        ...own,
        files: Object.fromEntries(Object.entries(own.files).filter(([key]) => key !== name)),
      })),
      { ...own, files: { ...others, "teacher/model.safetensors": weights } },
      { ...own, files: adapted },
    ];
    for (const changed of wrong) {
      await assertRejects(() => reads(changed), DamagedCheckpointError, "run.json is damaged");
    }
    // An adapter has a configuration of its own, and a large model several files.
    const adapter = { ...adapted, "adapter_config.json": settings };
    assertEquals((await reads({ ...own, files: adapter }))?.position.step, 8);
    const shard = { ...others, "model-00001-of-00002.safetensors": weights };
    assertEquals((await reads({ ...own, files: shard }))?.position.step, 8);
    await assertRejects(() => reads({ ...own, step: 7 }), DamagedCheckpointError, "it was renamed");
    await reads(own);

    // Lines that the checkpoint knows are not those that are there.
    await requireWhole(folder, last);
    await Deno.writeTextFile(`${folder}/metrics.jsonl`, "oNe\ntwo\n");
    await assertRejects(() => requireWhole(folder, last), DamagedCheckpointError, "metrics.jsonl");
    await assertRejects(
      () => offeringOlder(folder, () => requireWhole(folder, last)),
      UserError,
      "no checkpoint of this one is whole",
    );
    const other = new RangeError("something else");
    await assertRejects(() => offeringOlder(folder, () => Promise.reject(other)), RangeError);
  },
);
