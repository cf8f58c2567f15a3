/** Lengths of rows: those of what is trained on. */
import { assertEquals } from "@std/assert";
import { byteTokenizer } from "@unitune/models";
import { fitTexts } from "@unitune/training";
// Not public: the lengths that a command shows.
import { rowLengths } from "../../../cli/data/inspection.ts";
import type { FormedRow } from "../../../cli/data/forms/row_forms.ts";

Deno.test("a text is as long as what is trained on, also where its own tokens end with the stop", () => {
  const plain = byteTokenizer();
  const ending = { ...plain, encode: (text: string) => [...plain.encode(text), plain.stop] };
  for (const tokenizer of [plain, ending]) {
    const row = { text: "abc" };
    const { rows: [trained] } = fitTexts(tokenizer, [row], 100);
    assertEquals(rowLengths(tokenizer, { kind: "texts", row }, 99), [trained?.ids.length ?? NaN]);
    assertEquals(rowLengths(tokenizer, { kind: "texts", row }, 99)[0], plain.begin.length + 4);
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
    { kind: "prompts", row: { prompt, columns: {} } },
  ];
  for (const row of rows) assertEquals(rowLengths(tokenizer, row, 66_000)[0], 66_000, row.kind);
});
