/** Files of rows: the progress that is told of them, how they are known again, and refusals. */
import { assertEquals, assertGreater, assertLessOrEqual, assertRejects } from "@std/assert";
import { memoryTables, type Part, UserError } from "@unitune/training";
import {
  formIn,
  readRows,
  readTexts,
  rowsIn,
  rowsOf,
  textFiles,
} from "../../../cli/data/data_file.ts";
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

inFolder(
  "rows are known again by their bytes, their shares and how they are read",
  async (folder) => {
    const write = (name: string, text: string) =>
      Deno.writeTextFile(`${folder}/${name}.jsonl`, text);
    const [a, b] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`];
    await write("a", '{"prompt": "1", "completion": "2"}\n'.repeat(3));
    await write("b", '{"prompt": "3", "completion": "4"}\n');
    const keyOf = async (data: string, columns = {}, options = {}) => {
      const place = await findData(data);
      const { key = "" } = await readRows(place, columns, { tables: memoryTables, ...options });
      return JSON.parse(key);
    };
    // Digests of the files by another program.
    const [one, other] = [
      "ad956658d595a4f4b565dd3f9cb2b60e781056f5a28d70b724679ad6049f4369",
      "cbe151a328016254fbf5b11ce117ed5d1c6fe0aa35d966e1b2edb2528e1662db",
    ];
    assertEquals(await keyOf(a), ["rows", 2, [[null, [a]]], one, "completions", {}, false]);
    assertEquals(await keyOf(`2*${a}+1*${b}`, { prompt: "prompt" }, { keepsColumns: true }), [
      ...["rows", 2, [[2, [a]], [1, [b]]], `${one},${other}`],
      ...["completions", { prompt: "prompt" }, true],
    ]);
    assertEquals(await keyOf(a, {}, { needs: ["prompts"] }), [
      ...["rows", 2, [[null, [a]]], one, "prompts", {}, false],
    ]);
    assertEquals("key" in await readRows(await findData(a)), false);
  },
);

Deno.test({
  name: "a source that has fewer rows than were counted is told, and no file stays open",
  sanitizeResources: true,
  async fn() {
    const folder = await Deno.makeTempDir();
    const [a, b] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`];
    for (const path of [a, b]) await Deno.writeTextFile(path, '{"text": "x"}\n'.repeat(4));
    const rows = rowsOf(await findData(`${a}+${b}`));
    assertEquals((await rows.next()).value?.source, { file: a, line: 1 });
    await Deno.writeTextFile(b, "");
    const message = `${a}+${b} has changed while it was read: start again`;
    await assertRejects(() => Array.fromAsync(rows), UserError, message);
    await Deno.remove(folder, { recursive: true });
  },
});

inFolder("a text is one or some files, without columns and not too long", async (folder) => {
  const [text, rows] = [`${folder}/a.txt`, `${folder}/b.jsonl`];
  await Deno.writeTextFile(text, "a text");
  await Deno.writeTextFile(rows, "");
  const filesIn = (...sources: readonly (readonly string[])[]) =>
    textFiles({ name: "", sources: sources.map((files) => ({ name: "", files })) });
  assertEquals([filesIn([text], [text, text]), filesIn([rows])], [[text, text, text], undefined]);
  assertEquals(await formIn(await findData(text)), undefined);
  const refused = async (use: () => Promise<unknown>, message: string) => {
    await assertRejects(use, UserError, message);
  };
  await refused(
    () => formIn({ name: "b", sources: [{ name: "b", files: [rows] }] }),
    "b is empty: there is",
  );
  await refused(() => findData(`2*${text}`).then(textFiles), "which is taken whole: leave out");
  const named = `${text} is plain text and has no columns: leave out --prompt-column and`;
  await refused(() => readTexts([text], { prompt: "a" }), named);
  await refused(() => readTexts([text], { completion: "a" }), named);
  // A file of no bytes but its length.
  await Deno.truncate(text, 2 ** 30);
  await refused(
    () => readTexts([text], {}),
    `${text} has 1073741824 bytes, and a text has at most`,
  );
});
