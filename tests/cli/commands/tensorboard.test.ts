import { assert, assertEquals, assertGreater } from "@std/assert";
import { scalarsOf } from "../../../cli/tensorboard/event_file.ts";
import { readJsonLines } from "../../../cli/files/json_lines.ts";
import { assertRefused, inFolder, tiny, train, trained, writeRows } from "../command.ts";
import { killed, sizeOf } from "../kill.ts";
import { scalarsIn } from "../tensorboard/events.ts";

const EVENTS = "events.out.tfevents.unitune";

/** The events of a run: f32 of what `metrics.jsonl` holds, a record a line. */
async function assertEvents(run: string): Promise<void> {
  const lines = await readJsonLines(`${run}/metrics.jsonl`);
  const found = scalarsIn(await Deno.readFile(`${run}/${EVENTS}`));
  assertEquals(
    found.map(({ event }) => event),
    lines.map(scalarsOf).map(({ step, scalars }) => ({
      step,
      scalars: Object.fromEntries(
        Object.entries(scalars).map(([tag, value]) => [tag, Math.fround(value)]),
      ),
    })),
  );
  const named = new Set(found.flatMap(({ event }) => Object.keys(event.scalars)));
  for (const tag of ["train/loss", "train/learning_rate", "validation/loss"]) {
    assert(named.has(tag), [...named].join());
  }
}

inFolder("events for TensorBoard are written where they are asked for", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const args = ["--data", data, ...tiny];
  await trained(...args, "--out", `${folder}/plain`);
  assertEquals(sizeOf(`${folder}/plain/${EVENTS}`), 0);

  await trained(...args, "--tensorboard", "--out", `${folder}/run`);
  await assertEvents(`${folder}/run`);

  // Later on, also of a run that is complete.
  await trained("--resume", `${folder}/plain`, "--tensorboard");
  await assertEvents(`${folder}/plain`);
});

inFolder("killed and resumed, a run has each event once", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  const run = `${folder}/run`;
  const args = ["--data", data, ...tiny, "--steps", "60", "--save-steps", "20", "--tensorboard"];
  const hasLines = () => sizeOf(`${run}/metrics.jsonl`) > 10_000;
  assert(await killed([...args, "--out", run], hasLines), "it came to its end");
  const before = scalarsIn(await Deno.readFile(`${run}/${EVENTS}`).then(wholeRecords));
  assertGreater(before.length, 20);

  await trained("--resume", run);
  await assertEvents(run);
  // The records up to the checkpoint have the times at which they were written first.
  const after = scalarsIn(await Deno.readFile(`${run}/${EVENTS}`));
  const kept = before.filter(({ event: { step } }) => step <= 20);
  assertEquals(after.slice(0, kept.length), kept);
});

/** The records of a file that a killed process may have ended in the midst of one. */
function wholeRecords(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(file.buffer);
  let end = 0;
  while (end + 12 < file.length) {
    const next = end + 12 + Number(view.getBigUint64(end, true)) + 4;
    if (next > file.length) break;
    end = next;
  }
  return file.slice(0, end);
}

inFolder("another program's events are not written over", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`);
  await Deno.mkdir(`${folder}/run`);
  await Deno.writeTextFile(`${folder}/run/${EVENTS}`, "mine");
  const args = ["--data", data, ...tiny, "--out", `${folder}/run`];
  assertRefused(await train(...args), 1, `${folder}/run holds ${EVENTS}, and no run`);
  await Deno.rename(`${folder}/run/${EVENTS}`, `${folder}/events`);
  await trained(...args);
  await Deno.rename(`${folder}/events`, `${folder}/run/${EVENTS}`);
  assertRefused(
    await train("--resume", `${folder}/run`, "--tensorboard"),
    1,
    `${folder}/run/${EVENTS} was not written by a run, and is never written over: move it away`,
  );
  assertEquals(await Deno.readTextFile(`${folder}/run/${EVENTS}`), "mine");
});
