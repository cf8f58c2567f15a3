/** Damaged files of every kind of rows: each is read or refused in a sentence. */
import { assert, assertEquals } from "@std/assert";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { readDataset } from "@unitune/cli";
import { randomStream } from "@unitune/training";
import { gatherRows } from "../../cli/data/formed_rows.ts";
import { bytesInMemory } from "../../cli/data/readers/bytes.ts";
import { parquetReader } from "../../cli/data/readers/parquet.ts";
import { inFolder } from "../cli/command.ts";
import { damaged } from "./mutations.ts";
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

/** Parquet files, which take a thread each: fewer of them. */
const PARQUET_COUNT = 120;

Deno.test("damaged files are read or refused in a sentence: .parquet", async () => {
  // A file that is read for a second is a loop without end, or as good as one.
  const read = parquetReader(5000);
  const kinds = ["snappy", "zstd", "none", "groups"];
  const good = await Promise.all(
    kinds.map((kind) =>
      Deno.readFile(new URL(`../cli/data/tables/${kind}.parquet`, import.meta.url))
    ),
  );
  let refused = 0;
  for (let number = 0; number < PARQUET_COUNT; number++) {
    const whole = good[number % good.length] ?? new Uint8Array();
    const bytes = bytesInMemory("a.parquet", damaged(randomStream(SEED, 99, number), whole));
    try {
      await gatherRows(read(bytes), "a.parquet");
    } catch (error) {
      refused++;
      assertEquals(faultOf(error), undefined, `--seed ${SEED} .parquet: ${number}`);
      assert(error instanceof Error && error.message.includes("a.parquet"), `${error}`);
    }
  }
  assert(refused > 0.2 * PARQUET_COUNT && refused < PARQUET_COUNT, `${refused} refused`);
});
