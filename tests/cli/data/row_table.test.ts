/** Rows of files as records: each kind as it was read, and what is known of all of them. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { recordReader, recordWriter, type RowKind, type Rows, textMark } from "@unitune/training";
import { gatherSummary } from "../../../cli/data/row_summary.ts";
import { datasetOf, rowTable, saidText } from "../../../cli/data/row_table.ts";
import { digestOf } from "../../../cli/files/digest.ts";

const source = { file: "rows.jsonl", line: 7 };
const prompt = [{ role: "user", content: "1+1" }] as const;
const answer = [{ role: "assistant", content: "2" }] as const;

/** A row of each kind. */
const rows: { readonly [Kind in RowKind]: Rows[Kind] } = {
  texts: { text: "a 🦊", source },
  conversations: { messages: [...prompt, ...answer], rendering: { variables: { a: 1 } }, source },
  pairs: { prompt, chosen: answer, rejected: prompt, source },
  labels: { prompt, completion: answer, label: false, source },
  scores: { prompt, answers: [{ answer, score: 0.5 }, { answer, score: -1 }], source },
  steps: { prompt, steps: ["a", "b"], labels: [true, false], source },
  prompts: { prompt, columns: { gold: "2", tags: [null, { a: 1 }] }, source },
};

const kinds = Object.keys(rows).filter((kind): kind is RowKind => Object.hasOwn(rows, kind));

Deno.test("a row of each kind is read as it was written, and is of its kind alone", () => {
  const bytesOf = recordWriter();
  for (const kind of kinds) {
    const read = rowTable.read(recordReader(bytesOf((to) => rowTable.write(rows[kind], to))));
    assertEquals<unknown>(read, rows[kind]);
    const { train, validation } = datasetOf(kind, [read], [read, read]);
    assertEquals<unknown>([...train, ...validation], [read, read, read]);
    for (const other of kinds) {
      // A row of another kind may have the columns of a prompt, and more.
      if (other === kind || other === "prompts") continue;
      assertThrows(() => [...datasetOf(other, [read], []).train], RangeError, `among ${other}`);
    }
  }
  for (const value of [null, 3, [], {}, { prompt: [] }, { chosen: [], rejected: [] }]) {
    const bytes = bytesOf((to) => to.json(value));
    assertThrows(() => rowTable.read(recordReader(bytes)), RangeError, "a record has no row");
  }
});

Deno.test("what rows say has a digest and a mark, wherever the rows are from", () => {
  const gathering = gatherSummary();
  const many = Array.from({ length: 3000 }, (_, i) => ({ text: `${i} é${"x".repeat(i % 90)}` }));
  const marks = many.map((row) => gathering.add({ ...row, source }));
  const said = many.map((row) => saidText(row));
  assertEquals(said[1], '{"text":"1 éx"}');
  assertEquals(marks, said.map(textMark));
  const { kind, characters, digest } = gathering.summary("texts");
  assertEquals(kind, "texts");
  assertEquals([...characters].toSorted().join(""), " 0123456789xé");
  assertEquals(digest, digestOf(said.map((text) => `${text}\n`).join("")));
  assertEquals(gatherSummary().summary("texts").digest, digestOf(""));
});

Deno.test("a summary names a kind of rows, their characters and their digest", () => {
  const summary = gatherSummary().summary("pairs");
  assert(rowTable.isSummary(summary));
  for (const name of Object.keys(summary)) assert(!rowTable.isSummary({ ...summary, [name]: 1 }));
  for (const kind of ["toString", "text", ""]) assert(!rowTable.isSummary({ ...summary, kind }));
  assert(!rowTable.isSummary(null));
});
