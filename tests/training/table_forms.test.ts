/** Encoded rows in tables: bytes say of a row all that there is to say. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  answerMarks,
  candidateOf,
  type EncodedLabel,
  type Example,
  fitInto,
  isFitCounts,
  labelFit,
  labelTable,
  listTables,
  markOf,
  matchedLabels,
  memoryTables,
  mismatchedAnswers,
  pairFit,
  pairTable,
  promptFit,
  promptTable,
  readTable,
  recordReader,
  recordWriter,
  sequenceTable,
  stepsFit,
  stepTable,
  type TableForm,
  type TableStore,
  textMark,
  tripleFit,
  tripleTable,
} from "@unitune/training";
import { byteTokenizer, type EncodedSequence } from "@unitune/models";
// Not public: prompts with the right answers that a stage reads.
import { guidedTable } from "../../training/data/table_forms.ts";

const tokenizer = byteTokenizer();

const said = (role: "user" | "assistant") =>
  fc.string({ maxLength: 6 }).map((content) => [{ role, content }] as const);
const examples: fc.Arbitrary<Example[]> = fc.array(fc.record({
  prompt: said("user"),
  chosen: said("assistant"),
  rejected: fc.string({ maxLength: 6 }).map((content) => [{ role: "assistant", content }] as const),
  triple: fc.record({
    gold: said("assistant"),
    chosen: said("assistant"),
    rejected: said("assistant"),
  }),
  columns: fc.dictionary(fc.string(), fc.jsonValue()).map((columns) =>
    JSON.parse(JSON.stringify(columns))
  ),
  source: fc.nat(99).map((line) => ({ file: "rows.jsonl", line })),
}));
const contexts = fc.integer({ min: 1, max: 24 });

/** The rows and counts of a table, as whoever uses the table sees them. */
async function kept<Row, Summary>(
  tables: TableStore,
  form: TableForm<Row, Summary>,
  fill: (add: (row: Row) => void) => Summary | Promise<Summary>,
) {
  const { rows, summary } = await tables.keep(undefined, form, fill);
  assert(form.isSummary(JSON.parse(JSON.stringify(summary))));
  return { rows: [...rows], summary };
}

Deno.test("fitted rows of each kind are the same from bytes as from a list", async () => {
  await fc.assert(fc.asyncProperty(examples, contexts, async (examples, context) => {
    const pairs = (tables: TableStore) =>
      kept(
        tables,
        pairTable,
        (add) => fitInto(examples, context, pairFit(tokenizer, context), add),
      );
    const own = examples.map(({ rejected: _, ...example }) => example);
    const candidates = (tables: TableStore) =>
      kept(tables, pairTable, (add) => fitInto(own, context, pairFit(tokenizer, context), add));
    const labels = (tables: TableStore) =>
      kept(
        tables,
        labelTable,
        (add) => fitInto(examples, context, labelFit(tokenizer, context), add),
      );
    const prompts = (tables: TableStore) =>
      kept(tables, promptTable, async (add) => {
        const { fit, sizes } = promptFit(tokenizer, context);
        return { ...await fitInto(examples, context, fit, add), ...sizes(), unscorable: {} };
      });
    const guided = (tables: TableStore) =>
      kept(tables, guidedTable, async (add) => {
        const use = { room: (_prompt: number, answer: number) => answer };
        const { fit, sizes } = promptFit(tokenizer, context, use);
        return { ...await fitInto(examples, context, fit, add), ...sizes(), unscorable: {} };
      });
    const answers = examples.map(({ prompt, chosen = [] }) => ({
      prompt,
      steps: chosen.map(({ content }) => content ?? ""),
      labels: chosen.map(({ content = "" }) => (content?.length ?? 0) % 2 === 0),
    }));
    const steps = (tables: TableStore) =>
      kept(
        tables,
        stepTable,
        (add) => fitInto(answers, context, stepsFit(tokenizer, ";")(context), add),
      );
    const triples = (tables: TableStore) =>
      kept(
        tables,
        tripleTable,
        (add) => fitInto(examples, context, tripleFit(tokenizer, context), add),
      );
    for (const make of [pairs, triples, candidates, labels, prompts, guided, steps]) {
      assertEquals<unknown>(await make(memoryTables), await make(listTables));
    }
    const { rows, summary } = await labels(listTables);
    const longest = rows.reduce((most, { sequence }) => Math.max(most, sequence.ids.length), 0);
    assertEquals([summary.kept, summary.longest], [rows.length, longest]);
  }));
});

const sequence: fc.Arbitrary<EncodedSequence> = fc.array(
  fc.tuple(fc.nat(2 ** 31 - 1), fc.boolean()),
)
  .map((tokens) => ({ ids: tokens.map(([id]) => id), mask: tokens.map(([, own]) => own) }));

Deno.test("a sequence is the same from bytes, whatever its ids and its mask", () => {
  const bytesOf = recordWriter();
  fc.assert(fc.property(sequence, (row) => {
    const bytes = bytesOf((to) => sequenceTable.write(row, to));
    assertEquals(sequenceTable.read(recordReader(bytes)), row);
  }));
});

Deno.test("a prompt without a line is read without one, and what is none is refused", () => {
  const row = { ids: [3, 300], prompt: "1+1", columns: { gold: null } };
  const bytesOf = recordWriter();
  assertEquals(promptTable.read(recordReader(bytesOf((to) => promptTable.write(row, to)))), row);
  const damaged: readonly (readonly unknown[])[] = [[1], ["", []], ["", null], ["", {}, {
    file: "",
  }]];
  for (const [prompt, columns, source] of damaged) {
    const bytes = bytesOf((to) => {
      to.number(0);
      to.json(prompt);
      to.json(columns ?? null);
      to.number(Number(source !== undefined));
      to.json(source ?? {});
    });
    assertThrows(() => promptTable.read(recordReader(bytes)), RangeError, "where one was written");
  }
});

Deno.test("the judge of a pair is that of its preferred answer, where that is there to its end", () => {
  const right = (content: string | null, isWhole: boolean) => {
    const chosen = {
      ids: tokenizer.encode("q4").concat(tokenizer.stop),
      mask: [false, true, true],
    };
    const parts = { prompt: 1, chosen, isWhole, ...content !== null && { content } };
    const read = pairTable.read(recordReader(recordWriter()((to) => pairTable.write(parts, to))));
    const { prompt, isRight } = candidateOf(tokenizer, read);
    assertEquals(prompt, tokenizer.encode("q"));
    return ["4", "four", ""].map(isRight);
  };
  assertEquals(right("four", true), [true, true, false]);
  assertEquals(right("four", false), [false, true, false]);
  assertEquals(right(null, true), [true, false, false]);
  assertThrows(
    () =>
      recordWriter()((to) =>
        pairTable.write({
          ...{ prompt: 0, chosen: { ids: [], mask: [] }, isWhole: true },
          isRight: () => true,
        }, to)
      ),
    RangeError,
    "a judge of answers has no bytes",
  );
});

Deno.test("rows are fitted in turns with the event loop, in which the work may be stopped", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  setTimeout(() => controller.abort(), 0);
  // Each part of 64 rows lasts as long as a turn is waited for.
  const slow = () => {
    for (const start = performance.now(); performance.now() - start < 1;);
    return undefined;
  };
  let told = 0;
  const tell = (done: number) => {
    signal.throwIfAborted();
    told = done;
  };
  const rows = Array.from({ length: 64 * 20 }, () => "");
  const fitted = fitInto(rows, 8, slow, () => {}, { tell });
  assertStrictEquals(await fitted.catch((error) => error), signal.reason);
  assert(told < rows.length);
});

Deno.test("a summary that lacks a count is none", async () => {
  const counts = await fitInto([""], 8, () => undefined, () => {});
  assert(isFitCounts(counts));
  assertEquals(counts.unanswered, 1);
  for (const name of Object.keys(counts)) {
    assert(!isFitCounts({ ...counts, [name]: "1" }));
  }
  assert(!isFitCounts({ ...counts, skipped: { equal: 0 } }));
  assert(!isFitCounts(null) && !isFitCounts("counts"));
  const own = { longestAnswer: 1, longestText: 2, unscorable: { "exact-match": 3 } };
  assert(promptTable.isSummary({ ...counts, ...own }));
  assert(!promptTable.isSummary(own));
  for (const name of Object.keys(own)) {
    assert(!promptTable.isSummary({ ...counts, ...own, [name]: "1" }));
  }
  for (const unscorable of [null, undefined, { "exact-match": "3" }]) {
    assert(!promptTable.isSummary({ ...counts, ...own, unscorable }));
  }
});

Deno.test("marks tell contents apart by every value, their order and their number", () => {
  const lists = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 6 });
  fc.assert(fc.property(lists, lists, (a, b) => {
    const isSame = JSON.stringify(a) === JSON.stringify(b);
    assertEquals(markOf(a, a.length) === markOf(b, b.length), isSame);
    assert(Number.isSafeInteger(markOf(a, a.length)));
  }));
  // Files on the disk hold marks.
  assertEquals([markOf([3, 5], 2), markOf([], 0)], [2_248_358_974_325_066, 4_571_964_801_904_441]);
  // Contents that differ little, all of them at once.
  const near = Array.from(
    { length: 2 ** 16 },
    (_, i) => [i & 15, i >> 4 & 15, i >> 8 & 15, i >> 12],
  );
  assertEquals(new Set(near.map((values) => markOf(values, 4))).size, near.length);
  const marks = near.map((values) => markOf(values, 4) / 2 ** 53);
  // Uniform: 65,536 draws have a mean of 1/2 within 4 standard errors, sqrt(1/12/65536).
  const mean = marks.reduce((sum, mark) => sum + mark) / marks.length;
  assert(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / 65536));
  assertEquals(textMark("a\ud83e\udd8a"), markOf([97, 0xd83e, 0xdd8a], 3));
});

Deno.test("answers are mismatched in turn, cut where the context ends, and counted", () => {
  const answer = fc.record({
    prompt: fc.array(fc.constantFrom(5, 6), { minLength: 1, maxLength: 2 }),
    said: fc.array(fc.constantFrom(7, 8), { minLength: 1, maxLength: 4 }),
    label: fc.boolean(),
  });
  const many = fc.array(answer, { minLength: 2, maxLength: 12 });
  fc.assert(fc.property(many, fc.integer({ min: 3, max: 8 }), (answers, context) => {
    const rows = answers.map(({ prompt, said, label }) => ({
      sequence: {
        ids: [...prompt, ...said].slice(0, context + 1),
        mask: [...prompt.map(() => false), ...said.map(() => true)].slice(0, context + 1),
      },
      label,
    }));
    const prompts = new Set(answers.map(({ prompt }) => prompt.join()));
    if (prompts.size < 2) {
      assertThrows(() => matchedLabels(rows, context), Error, `all ${rows.length} answers`);
      return;
    }
    const others = mismatchedAnswers(rows);
    const matched = matchedLabels(rows, context);
    // With their marks, no answer is read before it is asked for.
    const marks = Float64Array.from(rows.flatMap(({ sequence }) => answerMarks(sequence)));
    const unread = readTable<EncodedLabel>(rows.length, { read: () => never() });
    const { truncated, longest } = matchedLabels(unread, context, marks);
    assertEquals([truncated, longest], [matched.truncated, matched.longest]);
    const whole = answers.map(({ prompt }, i) => {
      const { ids, mask } = rows[others[i] ?? -1]?.sequence ?? { ids: [], mask: [] };
      return [...prompt, ...ids.slice(mask.indexOf(true))];
    });
    const read = [...matched.rows];
    assertEquals(
      read.map(({ mismatched }) => mismatched.ids),
      whole.map((ids) => ids.slice(0, context + 1)),
    );
    assertEquals(read.map(({ sequence, label }) => ({ sequence, label })), rows);
    assertEquals(matched.truncated, whole.filter(({ length }) => length > context + 1).length);
    const lengths = read.flatMap(({ sequence, mismatched }) => [sequence, mismatched]);
    assertEquals(matched.longest, Math.max(...lengths.map(({ ids }) => ids.length)));
  }));
});

function never(): never {
  throw new Error("an answer was read");
}
