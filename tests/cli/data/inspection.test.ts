/** Lengths of rows: those of what is trained on. */
import { assertEquals, assertThrows } from "@std/assert";
import { byteTokenizer, characterTokenizer } from "@unitune/models";
import { fitTexts, UserError } from "@unitune/training";
// Not public: the lengths that a command shows.
import { rowLengths } from "../../../cli/data/inspection.ts";
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
