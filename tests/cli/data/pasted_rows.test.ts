/** Rows that are pasted: read as files of the same text are, and refused as they are. */
import { assertEquals, assertRejects } from "@std/assert";
import { pastedMaterial } from "@unitune/cli/rows";
import { parse } from "npm:csv-parse@^7.0.3/sync";
import { UserError } from "@unitune/training";
import { gatherRows } from "../../../cli/data/formed_rows.ts";
import { bytesInMemory } from "../../../cli/data/readers/bytes_in_memory.ts";
import { rowReaders } from "../../../cli/data/readers/row_readers.ts";
import type { RowReader } from "../../../cli/data/readers/reader.ts";

const parser = () => Promise.resolve(parse);

const asked = [["1+1", "2"], ["a, b", 'say "c"'], ["d\ne", "f\tg"], ["", "h"], ["i", "j"]] as const;
const quotedCell = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
const table = (sign: string) =>
  [["prompt", "completion"], ...asked].map((row) => row.map(quotedCell).join(sign)).join("\n");
const objects = asked.map(([prompt, completion]) => ({ prompt, completion }));

/** The same rows in each format, by the ending under which a file has it. */
const texts: Readonly<Record<string, string>> = {
  ".jsonl": objects.map((row) => `${JSON.stringify(row)}\n`).join(""),
  ".json": `\n ${JSON.stringify(objects, undefined, 1)}`,
  ".csv": table(","),
  ".tsv": table("\t"),
};

const readerFor = (ending: string): RowReader => {
  const reader = rowReaders[ending];
  if (reader === undefined) throw new RangeError(`no reader of ${ending}`);
  return reader;
};

Deno.test("pasted rows are those of a file with the same text, the last tenth for validation", async () => {
  for (const [ending, text] of Object.entries(texts)) {
    const { dataset } = await pastedMaterial(text, "demonstrations", parser);
    const bytes = bytesInMemory("the pasted text", new TextEncoder().encode(text));
    const { kind, rows } = await gatherRows(readerFor(ending)(bytes), "rows");
    assertEquals(dataset.kind, kind, ending);
    assertEquals([...dataset.train, ...dataset.validation], [...rows], ending);
    assertEquals([dataset.train.length, dataset.validation.length], [4, 1], ending);
  }
});

Deno.test("rows that fit several forms have that of the objective's data", async () => {
  const liked = [0, 1, 2].map((i) =>
    JSON.stringify({ prompt: `${i}`, completion: "a", label: i > 0, note: "n" })
  ).join("\n");
  assertEquals((await pastedMaterial(liked, "labels", parser)).dataset.kind, "labels");
  const [row] = (await pastedMaterial(liked, "rollouts", parser)).dataset.train;
  assertEquals(typeof row === "object" && "columns" in row && row.columns, {
    completion: "a",
    label: false,
    note: "n",
  });
});

Deno.test("validation rows that are training rows are left out, and are told", async () => {
  const same = '{"prompt":"a","completion":"b"}\n'.repeat(3);
  const { dataset, notes } = await pastedMaterial(same, "demonstrations", parser);
  assertEquals([dataset.train.length, dataset.validation.length], [2, 0]);
  assertEquals(notes?.length, 1);
});

Deno.test("two rows are enough: one of them is for validation", async () => {
  const two = '{"text":"a"}\n{"text":"b"}';
  const { dataset } = await pastedMaterial(two, "demonstrations", parser);
  assertEquals([dataset.train.length, dataset.validation.length], [1, 1]);
});

Deno.test("what a package gives in another form is no row", async () => {
  const odd = () => Promise.resolve(() => [5]);
  const message = "csv-parse gives records in another form";
  await assertRejects(() => pastedMaterial("a,b", "demonstrations", odd), RangeError, message);
});

Deno.test("a text that is no rows is refused, with the line", async () => {
  const refused = (text: string, sentence: string) =>
    assertRejects(() => pastedMaterial(text, "demonstrations", parser), UserError, sentence);
  await refused(" \n\t", "there are no rows: paste some, one on each line");
  await refused('{"prompt":"a","completion":"b"}', "has 1 row: paste at least 2");
  await refused("prompt,completion\n", "the pasted text has no rows: paste at least 2");
  await refused('{"prompt":"a","completion":"b"}\n{"prompt":', "the pasted text:2: not JSON");
  await refused(
    "Hello, world\nand, you",
    'the columns are "Hello", " world"; give the columns such names',
  );
  await refused("prompt,completion\na,b,c", "the pasted text:2: the row has 3 cells");
  await refused('prompt,completion\na,"b', "a quote is opened and never closed");
  await refused('prompt\tcompletion\na\tb "c"', "a quote inside of a cell without quotes");
});
