/** Lines of hundreds of megabytes, where rows and measurements are expected. */
import { assert } from "@std/assert";
import {
  assertRefused,
  ended,
  inFolder,
  measured,
  start,
  tiny,
  train,
  trained,
  writeRows,
} from "../cli/command.ts";

/** More bytes than a string of the engine can have characters. */
const BYTES = 600 * 2 ** 20;

/** A file that begins with a text and goes on with one letter, all on one line. */
async function writeLongLine(path: string, beginning: string): Promise<string> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  await file.write(new TextEncoder().encode(beginning));
  const piece = new Uint8Array(2 ** 20).fill(0x61);
  for (let written = 0; written < BYTES; written += piece.length) await file.write(piece);
  return path;
}

inFolder("a row of 600 MB is refused with its line, and little of it is read", async (folder) => {
  const row = `{"prompt": "a", "completion": "b"}\n`;
  const data = await writeLongLine(`${folder}/rows.jsonl`, `${row}${row}{"prompt": "`);
  const result = await train("--data", data, ...tiny, "--out", `${folder}/run`);
  assertRefused(result, 1, "rows.jsonl:3: the line has more than 67108864 bytes");
});

if (Deno.build.os === "linux") {
  inFolder("a row of 50 MB is cut and trained on, in some hundred megabytes", async (folder) => {
    const text = "what is the answer to all of the questions? ";
    const others = Array.from({ length: 10 }, (_, i) => ({ prompt: `${i}`, completion: text }));
    const peakOf = async (name: string, count: number) => {
      const long = { prompt: "a", completion: text.repeat(count) };
      const data = await writeRows(`${folder}/${name}.jsonl`, [long, ...others]);
      const args = ["--data", data, ...tiny, "--out", `${folder}/${name}`];
      return (await measured(folder, args)).peak;
    };
    const [small, large] = [await peakOf("small", 100), await peakOf("large", 50e6 / text.length)];
    assert(large - small < 700e6, `${large / 1e6} MB, ${small / 1e6} MB`);
  });
}

inFolder("600 MB where JSON is expected are refused", async (folder) => {
  const config = await writeLongLine(`${folder}/config.json`, `{"seed": "`);
  const result = await train("--config", config, ...tiny, "--out", `${folder}/run`);
  assertRefused(result, 1, "config.json has 629145610 bytes, more than the 16777216 that are read");
});

inFolder(
  "a report of a run whose measurements are one line of 600 MB is refused",
  async (folder) => {
    const data = await writeRows(`${folder}/rows.jsonl`);
    const run = `${folder}/run`;
    await trained("--data", data, ...tiny, "--steps", "2", "--out", run);
    await writeLongLine(`${run}/metrics.jsonl`, `{"step": "`);
    const result = await ended(start("report", ["--run", run]));
    assertRefused(result, 1, "metrics.jsonl has 629145610 bytes, more than the 268435456");
  },
);
