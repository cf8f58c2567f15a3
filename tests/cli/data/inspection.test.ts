/** Lengths of rows: those of what is trained on. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { byteTokenizer, characterTokenizer } from "@unitune/models";
import { fitTexts, UserError } from "@unitune/training";
// Not public: the lengths that a command shows.
import { inspectRows, rowLengths } from "../../../cli/data/inspection.ts";
import type { FormedRow } from "../../../cli/data/forms/row_forms.ts";

/** Behind each step of an answer in steps. */
const separator = "\n";

Deno.test("a text is as long as what is trained on, also where its own tokens end with the stop", () => {
  const plain = byteTokenizer();
  const ending = { ...plain, encode: (text: string) => [...plain.encode(text), plain.stop] };
  for (const tokenizer of [plain, ending]) {
    const row = { text: "abc" };
    const { rows: [trained] } = fitTexts(tokenizer, [row], 100);
    assertEquals(rowLengths(tokenizer, { kind: "texts", row }, { most: 99, separator }), [
      trained?.ids.length ?? NaN,
    ]);
    assertEquals(
      rowLengths(tokenizer, { kind: "texts", row }, { most: 99, separator })[0],
      plain.begin.length + 4,
    );
  }
});

Deno.test("no more tokens are counted than are asked for, whatever the row", () => {
  const tokenizer = byteTokenizer();
  const long = "a".repeat(70_000);
  const said = (role: "user" | "assistant") => [{ role, content: long }];
  const [prompt, answer] = [said("user"), said("assistant")];
  const rows: readonly FormedRow[] = [
    { kind: "texts", row: { text: long } },
    { kind: "conversations", row: { messages: [...prompt, ...answer] } },
    { kind: "pairs", row: { prompt, chosen: answer, rejected: [] } },
    { kind: "labels", row: { prompt, completion: answer, label: true } },
    { kind: "scores", row: { prompt, answers: [{ answer, score: 1 }] } },
    { kind: "steps", row: { prompt, steps: ["b"], labels: [true] } },
    { kind: "prompts", row: { prompt, columns: {} } },
  ];
  for (const row of rows) {
    assertEquals(rowLengths(tokenizer, row, { most: 66_000, separator })[0], 66_000, row.kind);
  }
});

Deno.test("an answer in steps is as long as its prompt, its steps and what is behind them", () => {
  const prompt = [{ role: "user", content: "ab" }] as const;
  const row = { prompt, steps: ["c", "de"], labels: [true, false] };
  assertEquals(
    rowLengths(byteTokenizer(), { kind: "steps", row }, {
      ...{ most: 100, separator: ";;" },
    }),
    [4 + 3 + 4],
  );
});

Deno.test("a row that the tokenizer cannot express is refused, other failures pass as they are", () => {
  const [known, unknown] = ["ab", "é"].map((content) => [{ role: "user", content }] as const);
  const measure = { most: 100, separator };
  const lengthsOf = (prompt: typeof known, tokenizer = characterTokenizer("ab")) =>
    rowLengths(tokenizer, { kind: "prompts", row: { prompt: prompt ?? [], columns: {} } }, measure);
  assertEquals(lengthsOf(known), [4]);
  assertThrows(() => lengthsOf(unknown), UserError, '"é"');
  const { chat: _, ...bare } = byteTokenizer();
  assertThrows(() => lengthsOf(known, bare), UserError, "chat");
  const failing = { ...bare, chat: { rows: () => [], prompt: () => fail() } };
  assertThrows(() => lengthsOf(known, failing), TypeError, "not of the row");
});

function fail(): never {
  throw new TypeError("not of the row");
}

Deno.test("a row has a length for each of its answers", () => {
  const said = (role: "user" | "assistant", length: number) =>
    [{ role, content: "a".repeat(length) }] as const;
  const prompt = said("user", 1);
  const [one, two, three] = [said("assistant", 1), said("assistant", 2), said("assistant", 3)];
  const answers = [one, two, three].map((answer) => ({ answer, score: 1 }));
  const lengthsOf = (row: FormedRow) =>
    rowLengths(byteTokenizer(), row, { most: 100, separator: "" });
  const pair = { prompt, chosen: one, rejected: two };
  // <user>a<assistant>, the answer and its stop.
  assertEquals(lengthsOf({ kind: "pairs", row: pair }), [5, 6]);
  assertEquals(lengthsOf({ kind: "pairs", row: { ...pair, gold: three } }), [5, 6, 7]);
  assertEquals(lengthsOf({ kind: "scores", row: { prompt, answers } }), [5, 6, 7]);
  const label = { prompt, completion: two, label: false };
  assertEquals(lengthsOf({ kind: "labels", row: label }), [6]);
  assertEquals(lengthsOf({ kind: "prompts", row: { prompt, columns: {} } }), [3]);
});

/** Finds rows that are told apart by their lines. */
async function* found(rows: readonly unknown[]) {
  for (const [i, row] of rows.entries()) yield { row, source: { file: "a", line: i + 1 } };
}

Deno.test("rows whose learned texts are empty are odd, whatever their form", async () => {
  const empty: Readonly<Record<string, readonly unknown[]>> = {
    text: [{ text: " " }],
    messages: [
      { messages: [{ role: "user", content: "" }, { role: "assistant", content: "\n" }] },
    ],
    pairs: [
      { prompt: "a", chosen: "", rejected: "b" },
      { prompt: "a", chosen: "b", rejected: "" },
    ],
    triples: [{ prompt: "a", chosen: "b", rejected: "c", reference: "" }],
    labels: [{ prompt: "a", completion: "", label: true }],
    scores: [{ prompt: "a", answers: ["b", ""], scores: [1, 2] }],
    steps: [{ prompt: "a", completions: ["b", ""], labels: [true, true] }],
  };
  for (const [form, rows] of Object.entries(empty)) {
    const needs = form === "triples" ? ["triples"] as const : [];
    const { odd } = await inspectRows(found(rows), { needs });
    assertEquals(odd, [{ what: "empty texts to learn", count: rows.length, first: "a:1" }], form);
  }
  const full = [
    { messages: [{ role: "user", content: "" }, { role: "assistant", content: "b" }] },
    // A call needs no text.
    {
      messages: [
        { role: "user", content: "a" },
        { role: "assistant", content: "", tool_calls: [{ name: "f" }] },
        { role: "assistant", content: "b" },
      ],
    },
  ];
  assertEquals((await inspectRows(found(full))).odd, []);
  assertEquals((await inspectRows(found([{ prompt: "" }]))).odd, []);
});

Deno.test("rows that are refused are counted by why, and other failures pass as they are", async () => {
  const rows = [{ text: "a" }, { text: 5 }, { text: "a" }, { text: 6 }, { text: null }];
  const { form, count, refused, odd } = await inspectRows(found(rows));
  assertEquals([form?.name, count], ["text", 5]);
  assertEquals(refused, [
    { what: '"text" is a text, not a number', count: 2, first: "a:2" },
    { what: '"text" is a text, not null', count: 1, first: "a:5" },
  ]);
  assertEquals(odd, [{ what: "duplicates", count: 1, first: "a:3" }]);
  const failing = {
    get text() {
      return fail();
    },
  };
  await assertRejects(() => inspectRows(found([failing])), TypeError, "not of the row");
});
