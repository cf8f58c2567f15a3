/** What is said of rows that a context cuts or skips, by their counts. */
import { assertEquals, assertThrows } from "@std/assert";
import { byteTokenizer, type ChatMessage, type EncodedSequence } from "@unitune/models";
import {
  describeFit,
  type FitCounts,
  messageText,
  pairFit,
  requireFit,
  type RowFit,
  tripleFit,
  UserError,
} from "@unitune/training";
// Not public: the notes on training rows.
import { fittedNotes } from "../../training/data/material.ts";

const counts = (own: Partial<FitCounts>): FitCounts => ({
  ...{ context: 8, kept: 1, sources: 1, total: 10, truncated: 0, unanswered: 0 },
  ...{ skipped: { "no room": 0, "equal": 0 }, leastContext: 3, wholeContext: 20, longest: 9 },
  ...own,
});

Deno.test("rows that are cut, skipped or left out are counted, with the context that fits all", () => {
  const said = (own: Partial<FitCounts>) => {
    const note = describeFit(counts(own), "rows");
    return note === undefined ? undefined : messageText(note);
  };
  assertEquals(said({}), undefined);
  assertEquals(
    said({ truncated: 1, skipped: { "no room": 2, "equal": 3 } }),
    "6 of 10 rows exceed the context of 8 tokens: 1 cut at the end of the answer; 2 skipped, with " +
      "no room for an answer; 3 skipped, whose two answers are equal after the cut. context 20 fits " +
      "all of them.",
  );
  assertEquals(
    said({ skipped: { "no room": 1, "equal": 0 } }),
    "1 of 10 rows exceed the context of 8 tokens: 1 skipped, with no room for an answer. context 20 " +
      "fits all of them.",
  );
  assertEquals(
    said({ unanswered: 1 }),
    "1 of 11 rows skipped, without an answer to learn from.",
  );
  assertEquals(
    said({ truncated: 1, unanswered: 2, wholeContext: 65_536 }),
    "1 of 10 rows exceed the context of 8 tokens: 1 cut at the end of the answer. context 65536 " +
      "fits all of them. 2 of 12 rows skipped, without an answer to learn from.",
  );
  // What is longer is not encoded to its end.
  assertEquals(
    said({ truncated: 1, wholeContext: 65_537 }),
    "1 of 10 rows exceed the context of 8 tokens: 1 cut at the end of the answer. The longest has " +
      "more than 65,537 tokens.",
  );
});

Deno.test("data of which nothing is left is refused, with what would fit", () => {
  const refused = (message: string, own: Partial<FitCounts>) =>
    assertThrows(() => requireFit(counts({ kept: 0, ...own }), "rows"), UserError, message);
  requireFit(counts({}), "rows");
  requireFit(counts({ kept: 0, total: 0 }), "rows");
  refused("none of the 4 rows has an answer to learn from: add rows that have", {
    ...{ total: 0, unanswered: 4 },
  });
  const none = "none of the 10 rows fits a context of 8 tokens: ";
  refused(`${none}the shortest prompt needs context 3, and the longest example context 20`, {});
  refused(`${none}the shortest prompt needs context 3, and the longest example more than 70,000`, {
    wholeContext: 70_000,
  });
  const equal = { skipped: { "no room": 0, "equal": 5 } };
  const cut = `${none}5 have two answers that are equal after the cut: `;
  refused(`${cut}context 20 fits all of them`, equal);
  refused(`${cut}the longest example needs more than 70,000 tokens`, {
    ...equal,
    wholeContext: 70_000,
  });
});

Deno.test("the rows of a stage are counted, or missed", () => {
  const told = {
    ...{ what: "pairs", header: "pairs to train on", validation: 2 },
    ...{ objective: "dpo", source: "rows.jsonl" },
  };
  const notes = (own: Partial<FitCounts>) =>
    fittedNotes(counts(own), told).map((note) => messageText(note));
  assertEquals(notes({ kept: 3 }), ["3 pairs to train on, 2 for validation"]);
  assertEquals(notes({ kept: 3, truncated: 1 }), [
    "3 pairs to train on, 2 for validation",
    "1 of 10 training pairs exceed the context of 8 tokens: 1 cut at the end of the answer. context " +
    "20 fits all of them.",
  ]);
  assertThrows(
    () => notes({ kept: 0, total: 0 }),
    UserError,
    "rows.jsonl has no pairs for dpo",
  );
  assertThrows(() => notes({ kept: 0 }), UserError, "none of the 10 training pairs fits");
});

/** The lengths of the sequences of a row, or why there is none, and the counts of its fit. */
function lengthsOf<Row>(
  { made, ...counts }: RowFit<Row>,
  sequences: (row: Row) => readonly (EncodedSequence | undefined)[],
) {
  const own = "row" in made ? sequences(made.row).map((one) => one?.ids.length) : made.skipped;
  return [own, counts];
}

Deno.test("a row of several answers is as long as the longest of them, and cut where one is", () => {
  const said = (content: string): readonly ChatMessage[] => [{ role: "assistant", content }];
  // A prompt of three tokens; answers of a token for each letter, and the stop token.
  const prompt: readonly ChatMessage[] = [{ role: "user", content: "a" }];
  const answers = { chosen: said("bbb"), rejected: said("cc") };
  const triple = { ...answers, gold: said("d") };
  const pairOf = (context: number) =>
    lengthsOf(
      pairFit(byteTokenizer(), context)({ prompt, columns: {}, ...answers }),
      ({ chosen, rejected }) => [chosen, rejected],
    );
  const tripleOf = (context: number) =>
    lengthsOf(
      tripleFit(byteTokenizer(), context)({ prompt, columns: {}, triple }) ?? never(),
      ({ gold, chosen, rejected }) => [gold, chosen, rejected],
    );
  const needs = { least: 3, whole: 6 };
  assertEquals(pairOf(6), [[7, 6], { isCut: false, ...needs, length: 7 }]);
  assertEquals(tripleOf(6), [[5, 7, 6], { isCut: false, ...needs, length: 7 }]);
  assertEquals(pairOf(5), [[6, 6], { isCut: true, ...needs, length: 6 }]);
  assertEquals(tripleOf(5), [[5, 6, 6], { isCut: true, ...needs, length: 6 }]);
  assertEquals(pairOf(2), ["no room", { isCut: true, ...needs, length: 0 }]);
  assertEquals(tripleOf(2), ["no room", { isCut: true, ...needs, length: 0 }]);
  // Cut so that both say the same, there is nothing to prefer.
  const alike = { ...answers, rejected: said("bc"), gold: said("d") };
  const example = { prompt, columns: {}, ...alike, triple: alike };
  const skipped = (context: number) =>
    [
      pairFit(byteTokenizer(), context)(example).made,
      tripleFit(byteTokenizer(), context)(example)?.made,
    ].map((made) => made !== undefined && "skipped" in made && made.skipped);
  assertEquals([skipped(3), skipped(4)], [["equal", "equal"], [false, false]]);
  // An answer of the model's own is read as well, one token at least.
  const own = (context: number) =>
    lengthsOf(
      pairFit(byteTokenizer(), context)({ prompt, columns: {}, chosen: said("") }),
      ({ chosen, rejected }) => [chosen, rejected],
    );
  assertEquals(own(4), [[4, undefined], { isCut: false, least: 4, whole: 4, length: 4 }]);
  assertEquals(own(3), ["no room", { isCut: false, least: 4, whole: 4, length: 4 }]);
});

function never(): never {
  throw new Error("there is a fit");
}
