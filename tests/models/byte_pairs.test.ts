import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  bytePairFiles,
  learnBytePairs,
  leastBytePairVocabulary,
  type Merge,
} from "@unitune/models";
import { pretrainedTokenizer } from "@unitune/models/pretrained";

/** What `scripts/golden/byte_pairs.py` has written: the results of Python's tokenizers. */
const vectors: readonly {
  readonly texts: readonly string[];
  readonly vocabulary: number;
  readonly merges: readonly Merge[];
  readonly size: number;
  readonly ids: readonly (readonly number[])[];
}[] = JSON.parse(
  await Deno.readTextFile(new URL("text_vectors/byte_pairs.json", import.meta.url)),
);

Deno.test("byte pairs: merges and ids are those of Python's tokenizers", () => {
  for (const { texts, vocabulary, merges, size, ids } of vectors) {
    const own = learnBytePairs(texts, vocabulary);
    assertEquals(own, merges);
    const tokenizer = pretrainedTokenizer(bytePairFiles(own));
    assertEquals(tokenizer.size, size);
    assertEquals(texts.map((text) => tokenizer.encode(text)), ids);
  }
});

Deno.test("byte pairs: every text is spelled, whatever the merges were learned from", () => {
  const merges = learnBytePairs(["the thing that they thought of"], 300);
  const { encode, decode } = pretrainedTokenizer(bytePairFiles(merges));
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    assertEquals(decode(encode(text), { special: "shown" }), text);
  }));
});

Deno.test("byte pairs: special tokens, stop and chat are those of the other tokenizers", () => {
  const tokenizer = pretrainedTokenizer(bytePairFiles([]));
  assertEquals(tokenizer.size, leastBytePairVocabulary);
  assertEquals(tokenizer.tokens.slice(0, 6), [
    ...["<pad>", "<stop>", "<system>", "<user>", "<assistant>"],
    "!",
  ]);
  assertEquals([tokenizer.pad, tokenizer.stop, tokenizer.stops], [0, 1, [1]]);
  const prompt = tokenizer.chat?.prompt([{ role: "user", content: "!" }]);
  assertEquals(prompt, [3, 5, 4]);
});

Deno.test("byte pairs: half a surrogate pair counts as U+FFFD", () => {
  assertEquals(learnBytePairs(["\ud800 \ud800"], 262), learnBytePairs(["\ufffd \ufffd"], 262));
});

Deno.test("byte pairs: a vocabulary without room for the bytes is refused", () => {
  for (const vocabulary of [0, leastBytePairVocabulary - 1, 300.5, NaN, 2 ** 20 + 1]) {
    assertThrows(() => learnBytePairs(["a"], vocabulary), RangeError, `got ${vocabulary}`);
  }
});

Deno.test("byte pairs: a merge of pieces that come later is refused", () => {
  assertThrows(() => bytePairFiles([["a", "b"], ["abc", "d"]]), RangeError, `merge 1 is of "abc"`);
  assertThrows(() => bytePairFiles([["a", "bc"], ["b", "c"]]), RangeError, `merge 0`);
});
