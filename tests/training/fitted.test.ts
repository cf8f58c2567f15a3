/** What is said of rows that a context cuts or skips, by their counts. */
import { assertEquals, assertThrows } from "@std/assert";
import { describeFit, type FitCounts, messageText, requireFit, UserError } from "@unitune/training";
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
