/** Lengths of rows: those of what is trained on. */
import { assertEquals } from "@std/assert";
import { byteTokenizer } from "@unitune/models";
import { fitTexts } from "@unitune/training";
// Not public: the lengths that a command shows.
import { rowLengths } from "../../../cli/data/inspection.ts";

Deno.test("a text is as long as what is trained on, also where its own tokens end with the stop", () => {
  const plain = byteTokenizer();
  const ending = { ...plain, encode: (text: string) => [...plain.encode(text), plain.stop] };
  for (const tokenizer of [plain, ending]) {
    const row = { text: "abc" };
    const { rows: [trained] } = fitTexts(tokenizer, [row], 100);
    assertEquals(rowLengths(tokenizer, { kind: "texts", row }), [trained?.ids.length ?? NaN]);
    assertEquals(rowLengths(tokenizer, { kind: "texts", row })[0], plain.begin.length + 4);
  }
});
