/** Validation: from a file of its own, a share of the data, or none; and never what is trained on. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import { prepare, type Prepared } from "@unitune/cli";
import {
  dataOf,
  type GivenSettings,
  messageText,
  SettingsError,
  trainingLength,
  trainSettings,
  UserError,
} from "@unitune/training";
import { distinctRows, partsOf } from "../../../cli/data/row_splits.ts";
import { saidText } from "../../../cli/data/row_table.ts";
import { textDataset } from "../../../cli/data/text.ts";
import { textMark } from "@unitune/training";
import { inFolder, report, tiny, trained, writeRows } from "../command.ts";

const sizes = { layers: 1, heads: 1, width: 8, context: 32 };

/** The text of each sequence that a stage learns in an epoch, or that an evaluation predicts. */
function textsIn({ tokenizer, stages, splits }: Prepared) {
  const text = (ids: readonly number[]) => tokenizer.decode(ids, { special: "shown" });
  const learned = stages.map(({ data }) => {
    const { source } = dataOf(data, "demonstrations");
    const count = Math.round(1 / source.epoch(1));
    return Array.from({ length: count }, (_, number) => text(source.row(number).ids)).toSorted();
  });
  const asked = splits.flatMap(({ sequences }) => sequences.map(({ ids }) => text(ids)));
  return { learned, asked: asked.toSorted() };
}

const row = (i: number | string) => ({ prompt: `${i}`, completion: "x" });
const told = (i: number | string) => `<user>${i}<assistant>x<stop>`;
const rowsTo = (end: number, start = 0) => Array.from({ length: end - start }, (_, i) => start + i);

const notesOf = ({ notes }: Prepared) => notes.map((note) => messageText(note));

Deno.test("a share of the data is its end, at least one row and never all; 0 is none", () => {
  const shares = fc.double({ min: 0.001, max: 0.999, noNaN: true });
  fc.assert(fc.property(fc.integer({ min: 2, max: 1e9 }), shares, (length, share) => {
    assertEquals(
      trainingLength(length),
      Math.min(length - 1, Math.max(1, Math.floor(length * 9 / 10))),
    );
    const cut = trainingLength(length, share);
    assert(0 < cut && cut < length);
    assert(Math.abs(cut - (1 - share) * length) <= 1);
    assertEquals(trainingLength(length, 0), length);
  }));
  assertEquals(
    rowsTo(2000, 2).filter((length) =>
      trainingLength(length, 0.25) > 0.75 * length &&
      length > 4
    ),
    [],
  );
});

Deno.test("validation rows that say what a training row says are left out, and told", () => {
  const lists = fc.array(fc.nat(6), { maxLength: 12 });
  const marked = (numbers: readonly number[]) => {
    const rows = numbers.map((number, line) => ({
      text: `${number}`,
      source: { file: "rows.jsonl", line },
    }));
    return { rows, marks: Float64Array.from(rows, (row) => textMark(saidText(row))) };
  };
  fc.assert(fc.property(lists, lists, lists, (train, other, validation) => {
    const { rows, notes } = distinctRows(marked(validation), [marked(train), marked(other)]);
    const learned = new Set([...train, ...other]);
    const kept = validation.filter((number) => !learned.has(number));
    assertEquals([...rows].map((row) => "text" in row ? row.text : ""), kept.map(String));
    const left = validation.length - kept.length;
    const effect = kept.length === 0 ? "there is no validation" : "they are left out of validation";
    assertEquals(
      notes,
      left === 0 ? [] : [
        `${left} of ${validation.length} validation rows are training rows as well: ${effect}.`,
      ],
    );
  }));
});

inFolder(
  "what is asked is never trained on, and what is trained on never depends on it",
  async (folder) => {
    const numbers = fc.array(fc.nat(12), { minLength: 2, maxLength: 24 });
    const data = `${folder}/rows.jsonl`;
    const other = `${folder}/other.jsonl`;
    await fc.assert(
      fc.asyncProperty(
        numbers,
        numbers,
        fc.constantFrom(0, 0.1, 0.4),
        async (own, aside, share) => {
          await writeRows(data, own.map(row));
          await writeRows(other, aside.map(row));
          const base = { ...sizes, data };
          const shared = await prepare(trainSettings({ ...base, validationShare: share }));
          const cut = trainingLength(own.length, share);
          const rest = own.slice(cut).filter((number) => !own.slice(0, cut).includes(number));
          assertEquals(textsIn(shared), {
            learned: [own.slice(0, cut).map(told).toSorted()],
            asked: rest.map(told).toSorted(),
          });
          const foreign = aside.filter((number) => !own.includes(number));
          const settings = trainSettings({ ...base, validationData: other });
          if (foreign.length === 0) {
            await assertRejects(() => prepare(settings), UserError, "is a training row as well");
            return;
          }
          assertEquals(textsIn(await prepare(settings)), {
            learned: [own.map(told).toSorted()],
            asked: foreign.map(told).toSorted(),
          });
        },
      ),
      { numRuns: 30 },
    );
  },
);

inFolder("a row that another stage trains on is not asked either", async (folder) => {
  const [a, b] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`];
  await writeRows(a, rowsTo(20).map(row));
  await writeRows(b, [...rowsTo(38, 20), 3, 39].map(row));
  const stages = [a, b].map((data) => trainSettings({ ...sizes, data }));
  const prepared = await prepare(stages);
  // The last two of the second file are its share; the first file trains on one of them.
  assertEquals(textsIn(prepared).asked, [told(39)]);
  assertEquals(notesOf(prepared).filter((note) => note.includes("as well")), [
    "1 of 2 validation rows are training rows as well: they are left out of validation.",
  ]);
});

inFolder("a run without validation is trained, reported and resumed", async (folder) => {
  const data = await writeRows(`${folder}/rows.jsonl`, rowsTo(9).map(row));
  const run = ["--data", data, ...tiny, "--out", `${folder}/run`, "--steps", "2"];
  const { stdout } = await trained(...run, "--validation-share", "0");
  assertStringIncludes(stdout, "9 examples to train on, 0 for validation");
  const metrics = await Deno.readTextFile(`${folder}/run/metrics.jsonl`);
  assert(!metrics.includes("eval_"));
  const { code, stderr } = await report("--run", `${folder}/run`);
  assertEquals(code, 0, stderr);
  await trained("--resume", `${folder}/run`, "--from-step", "0", "--no-cache");
  assertEquals(await Deno.readTextFile(`${folder}/run/metrics.jsonl`), metrics);
});

inFolder("pairs, labels, prompts and texts go without validation, too", async (folder) => {
  const data = `${folder}/rows.jsonl`;
  const forms: Readonly<Record<string, (i: number) => unknown>> = {
    dpo: (i) => ({ prompt: `${i}`, chosen: "a", rejected: "b" }),
    kto: (i) => ({ prompt: `${i}`, completion: "a", label: i % 2 === 0 }),
    grpo: (i) => ({ prompt: `${i}` }),
    sft: (i) => ({ text: `text ${i}` }),
  };
  for (const [objective, form] of Object.entries(forms)) {
    await writeRows(data, rowsTo(6).map(form));
    const rewards = objective === "grpo" ? { rewards: "length-penalty", groupSize: 2 } : {};
    const given = { ...sizes, ...rewards, objective, data, batchSize: 4 };
    const none = await prepare(trainSettings({ ...given, validationShare: 0 }));
    assertEquals(none.splits, []);
    assert(notesOf(none)[0]?.startsWith("6 "), notesOf(none)[0]);
    const half = await prepare(trainSettings({ ...given, validationShare: 0.5 }));
    assertEquals(half.splits.length, 1);
    assert(notesOf(half)[0]?.endsWith("3 for validation"));
  }
});

inFolder("a text has another for validation, a share of itself, or none", async (folder) => {
  const [data, other] = [`${folder}/a.txt`, `${folder}/b.txt`];
  await Deno.writeTextFile(data, "abcdefghij".repeat(20));
  await Deno.writeTextFile(other, "klmnopqrst".repeat(5));
  const prepared = async (given: GivenSettings) => {
    const run = await prepare(trainSettings({ ...sizes, data, ...given }));
    return { first: notesOf(run)[0], splits: run.splits.length };
  };
  const whole = (train: number, validation: number) =>
    `${train} tokens to train on, ${validation} for validation`;
  assertEquals(await prepared({ validationData: other }), { first: whole(200, 50), splits: 1 });
  assertEquals(await prepared({ validationShare: 0.25 }), { first: whole(150, 50), splits: 1 });
  assertEquals(await prepared({ validationShare: 0 }), { first: whole(200, 0), splits: 0 });
  assertEquals(textDataset([{ file: "a.txt", text: "a" }], 0), {
    kind: "text",
    train: "a",
    validation: "",
  });
  await Deno.writeTextFile(other, " \n");
  await assertRejects(() => prepared({ validationData: other }), UserError, "b.txt is empty");
});

inFolder(
  "validation data of another form is refused, and so are settings that say two things",
  async (folder) => {
    const [data, pairs, text] = [`${folder}/a.jsonl`, `${folder}/b.jsonl`, `${folder}/c.txt`];
    await writeRows(data, [row(1)]);
    await writeRows(pairs, [{ prompt: "1", chosen: "2", rejected: "3" }]);
    await Deno.writeTextFile(text, "abc");
    const refused = async (given: GivenSettings, message: string) => {
      await assertRejects(() => prepare(trainSettings({ ...sizes, ...given })), UserError, message);
    };
    await refused({ data, validationData: pairs }, "has conversations, and pairs are in");
    await refused({ data, validationData: text }, "are not of one kind");
    await refused({ data: text, validationData: data }, "are not of one kind");
    await refused(
      { data, validationData: `${folder}/none.jsonl` },
      "none.jsonl: it does not exist",
    );
    await refused({ data }, "it takes 2, one of them for validation, or --validation-share 0");
    await refused({ data, validationData: data }, "every row of");
    assertEquals((await prepare(trainSettings({ ...sizes, data, validationShare: 0 }))).splits, []);
    for (
      const given of [
        { validationData: data },
        { validationShare: 0.2 },
        { data, validationData: data, validationShare: 0.2 },
        { data, validationShare: 1 },
      ]
    ) assertThrows(() => trainSettings(given), SettingsError, "validation");
  },
);

Deno.test("rows are split by their number, whatever they say", () => {
  const rows = rowsTo(10).map((number) => ({ text: `${number}` }));
  const gathered = { rows, marks: Float64Array.from(rowsTo(10)) };
  const { train, validation } = partsOf(gathered, "rows.jsonl", 0.3);
  assertEquals<unknown>([...train.rows, ...validation.rows], rows);
  assertEquals([[...train.marks], [...validation.marks]], [rowsTo(7), rowsTo(10, 7)]);
  assertEquals(partsOf(gathered, "rows.jsonl").train.rows.length, 9);
});
