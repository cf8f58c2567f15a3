/** The progress that is told of files of rows while they are read. */
import { assertEquals, assertGreater, assertLessOrEqual } from "@std/assert";
import type { Part } from "@unitune/training";
import { rowsIn, rowsOf } from "../../../cli/data/data_file.ts";
import { findData } from "../../../cli/data/places/places.ts";
import { inFolder, writeRows } from "../command.ts";

/** A watch, and what it was told of each part: the bytes that were read, and all of them. */
function watching() {
  const told: (readonly [doing: string, subject: unknown, done: number, total: number])[] = [];
  const watch = {
    begin: ({ doing, subject }: Part) => (done: number, total: number) =>
      void told.push([doing, subject, done, total]),
    reserve: () => {},
  };
  return { told, watch };
}

/** Rows that are more than what is read between two reports. */
const rows = Array.from({ length: 3 }, (_, i) => ({ text: `${i}`.repeat(200_000) }));

inFolder("what was read of a file is told, of all of it", async (folder) => {
  const path = await writeRows(`${folder}/rows.jsonl`, rows);
  const { size } = await Deno.stat(path);
  const { told, watch } = watching();
  assertEquals((await Array.fromAsync(rowsIn(path, watch))).length, 3);
  assertGreater(told.length, 0);
  for (const [doing, subject, done, total] of told) {
    assertEquals([doing, subject, total], [`reading ${path}`, path, size]);
    assertLessOrEqual(done, size);
  }
  const whole = watching();
  const { sources } = await findData(path);
  assertEquals((await Array.fromAsync(rowsOf({ name: "", sources }, whole.watch))).length, 3);
  assertEquals(whole.told, told);
});

inFolder(
  "of several sources each file is told once, though it is counted before",
  async (folder) => {
    const paths = await Promise.all(
      ["a", "b"].map((name) => writeRows(`${folder}/${name}.jsonl`, rows)),
    );
    const each = await Promise.all(paths.map(async (path) => {
      const { told, watch } = watching();
      await Array.fromAsync(rowsIn(path, watch));
      return told;
    }));
    const { told, watch } = watching();
    const found = await Array.fromAsync(rowsOf(await findData(paths.join("+")), watch));
    assertEquals(found.length, 6);
    assertEquals(paths.map((path) => told.filter(([, subject]) => subject === path)), each);
  },
);
