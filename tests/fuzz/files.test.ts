/** Damaged files of every kind of rows: each is read or refused in a sentence. */
import { assert, assertEquals } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readDataset } from "@unitune/cli";
import { randomStream } from "@unitune/training";
import { inFolder } from "../cli/command.ts";
import { damaged } from "./mutations.ts";
import { assertParquet } from "./parquet.ts";
import { faultOf } from "./verdict.ts";

/** The seed, and the files of each kind. */
const [SEED, COUNT] = [1, 500];

const rows = Array.from({ length: 9 }, (_, i) => ({
  messages: [{ role: "user", content: `say "${i}", é` }, { role: "assistant", content: `${i}\n` }],
  label: i % 2 === 0,
}));
const utf8 = (text: string) => new TextEncoder().encode(text);
const lines = rows.map((row) => JSON.stringify(row));
const table = (separator: string) =>
  [
    ["prompt", "completion", "label"],
    ...rows.map(({ messages, label }) => [
      ...messages.map(({ content }) => content),
      `${label}`,
    ]),
  ].map((cells) => cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(separator)).join(
    "\r\n",
  );

/** Good files, by the ending of their names. */
const files: Record<string, () => Uint8Array> = {
  ".jsonl": () => utf8(lines.join("\n")),
  ".json": () => utf8(JSON.stringify(rows, null, 1)),
  ".csv": () => utf8(table(",")),
  ".tsv": () => utf8(table("\t")),
  ".jsonl.gz": () => gzipSync(lines.join("\n")),
  ".jsonl.zst": () => zstdCompressSync(lines.join("\n")),
};

for (const [kind, [ending, good]] of Object.entries(files).entries()) {
  inFolder(`damaged files are read or refused in a sentence: ${ending}`, async (folder) => {
    const path = `${folder}/rows${ending}`;
    const whole = await good();
    await Deno.writeFile(path, whole);
    await readDataset(path);
    let refused = 0;
    for (let number = 0; number < COUNT; number++) {
      const bytes = damaged(randomStream(SEED, kind, number), whole);
      await Deno.writeFile(path, bytes);
      try {
        await readDataset(path);
      } catch (error) {
        refused++;
        assertEquals(faultOf(error), undefined, `--seed ${SEED} ${ending}: ${number}`);
        assert(error instanceof Error && error.message.includes(path), `${error}`);
      }
    }
    assert(refused > 0.2 * COUNT && refused < COUNT, `${refused} refused`);
  });
}

Deno.test("damaged files are read or refused in a sentence: .parquet", async () => {
  // A thread for each takes its time: tests/slow has the others.
  await assertParquet(SEED, 40);
});
